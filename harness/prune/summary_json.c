/* The summary as one JSON object. */
#include "json.h"
#include "prune/job.h"
#include <sparsemark/kernel.h>
#include <stdio.h>
#include <string.h>

static json_t *text(const char *value) {
    return value && *value ? json_string(value) : json_null();
}

static json_t *shape(const size_t *sizes, size_t rank) {
    json_t *array = json_array();
    for (size_t i = 0; i < rank; i++)
        json_array_append_new(array, json_integer((json_int_t)sizes[i]));
    return array;
}

/* Formats that do not fit are null. */
static json_t *formats(const size_t *bytes) {
    json_t *object = json_object();
    for (size_t f = 0; f < sm_format_count() && f < SM_PRUNE_FORMATS; f++)
        if (strcmp(sm_format_name(f), "dense") != 0)
            json_object_set_new(object, sm_format_name(f),
                                bytes[f] ? json_integer((json_int_t)bytes[f]) : json_null());
    return object;
}

static json_t *sizes(const sm_store_sizes *s) {
    return json_pack("{s:I, s:I, s:I, s:I}", "dense", (json_int_t)s->dense, "gzip",
                     (json_int_t)s->gzip, "sparse", (json_int_t)s->sparse, "sparse_gzip",
                     (json_int_t)s->sparse_gzip);
}

static json_t *tensor(const sm_prune_row *row) {
    const sm_tensor *t = row->tensor;
    const int pruned = row->reason[0] == '\0', is_f32 = strcmp(t->type, "F32") == 0;
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o}",
                     "name", t->name, "dtype", t->type, "shape_before",
                     shape(row->shape_before, t->rank), "shape", shape(t->shape, t->rank),
                     "pattern", text(pruned ? sm_pattern_name(&row->rule->pattern).s : NULL),
                     "rule", text(pruned ? row->rule->text : NULL), "reason", text(row->reason),
                     "follows", text(row->follows), "threshold",
                     sm_json_number((double)row->threshold), "sparsity_asked",
                     sm_json_number(row->asked), "sparsity", sm_json_number(row->reached), "zeros",
                     is_f32 ? json_integer((json_int_t)row->zeros) : json_null(), "bytes_before",
                     (json_int_t)row->bytes_before, "bytes", sizes(&row->sizes), "packed",
                     formats(row->formats));
}

static json_t *tensors(const sm_prune_job *job) {
    json_t *array = json_array();
    for (size_t i = 0; i < job->model.count; i++)
        if (json_array_append_new(array, tensor(&job->rows[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *total(const sm_prune_total *all) {
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "pruned", (json_int_t)all->pruned,
                     "weights", (json_int_t)all->weights, "zeros", (json_int_t)all->zeros,
                     "minus_zeros", (json_int_t)all->minus_zeros, "bytes_before",
                     (json_int_t)all->bytes_before, "bytes", sizes(&all->sizes), "packed",
                     formats(all->formats));
}

int sm_prune_print_json(const sm_prune_job *job) {
    const sm_prune_request *r = job->request;
    json_t *step = r->scheduled ? json_integer(r->step) : json_null();
    json_t *used = r->scheduled ? json_integer(job->step_used) : json_null();
    json_t *object = json_pack(
        "{s:s, s:o, s:s, s:s, s:s, s:s, s:I, s:b, s:s, s:o, s:o, s:o, s:o, s:o}", "input", r->input,
        "out", text(r->out), "weights_order", orders_text(&job->orders), "score", r->score, "scope",
        r->global ? "global" : "layer", "pool", r->pool == SM_POOL_MAX ? "max" : "avg", "seed",
        (json_int_t)r->seed, "tfmot", r->tfmot, "store",
        r->store == SM_STORE_SPARSE ? "sparse" : "dense", "sparsity", sm_json_number(job->sparsity),
        "step", step, "step_used", used, "tensors", tensors(job), "total", total(&job->total));
    if (!object) return -1;
    json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(object);
    return 0;
}
