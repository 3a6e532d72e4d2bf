/* What reads a layer's outputs: its own bias, the BatchNorm behind it, the next layer; or what
 * --next says. */
#include "prune/channels.h"
#include "prune/names.h"
#include "prune/order.h"
#include <string.h>

/* The last number in a module's name, -1 where there is none; "2d" is none. */
static long number_of(const char *name) {
    const size_t module = sm_name_read(name).module;
    long number = -1;
    for (size_t i = 0; i < module; i++) {
        if (name[i] < '0' || name[i] > '9') continue;
        long value = 0;
        for (; i < module && name[i] >= '0' && name[i] <= '9'; i++)
            value = value < 100000000 ? 10 * value + (name[i] - '0') : value;
        if (i == module || name[i] != 'd') number = value;
    }
    return number;
}

/* An entry a channel, not a layer's own. */
static int is_per_channel(const sm_prune_job *job, size_t tensor) {
    const sm_prune_row *row = &job->rows[tensor];
    if (row->tensor->rank != 1) return 0;
    for (size_t i = 0; i < job->model.count; i++)
        if (job->rows[i].tensor->rank > 1 &&
            sm_name_same_module(job->rows[i].tensor->name, row->tensor->name))
            return 0;
    return 1;
}

/* Whether the tensor may belong to that layer: its size is the layer's outputs. */
static int may_own(const sm_prune_job *job, size_t layer, size_t tensor) {
    const sm_prune_row *l = &job->rows[layer], *t = &job->rows[tensor];
    return sm_is_layer(l) && sm_layer_outputs(l) == t->shape_before[0];
}

typedef struct owners {
    size_t any, near, same; /* that fit; the last of the same row of names before it; same number */
    size_t count, near_count, same_count;
} owners;

static owners find_owners(const sm_prune_job *job, size_t tensor) {
    owners o = {0};
    const char *name = job->rows[tensor].tensor->name;
    size_t numbers;
    const sm_stem stem = sm_name_stem(name, &numbers);
    for (size_t i = 0; i < job->model.count; i++) {
        if (!may_own(job, i, tensor)) continue;
        const char *other = job->rows[i].tensor->name;
        const long number = number_of(other);
        o.count++;
        o.any = i;
        const int in_row = strcmp(sm_name_stem(other, &numbers).s, stem.s) == 0;
        if (in_row && number < number_of(name) &&
            (o.near_count == 0 || number > number_of(job->rows[o.near].tensor->name))) {
            o.near_count = 1;
            o.near = i;
        }
        if (number != number_of(name)) continue;
        o.same_count++;
        o.same = i;
    }
    return o;
}

static int is_told(const sm_prune_job *job, const char *name) {
    for (size_t i = 0; i < job->request->next_count; i++)
        if (sm_name_says(job->request->nexts[i].to, name)) return 1;
    return 0;
}

/* Whether the per-channel tensor is that layer's, as its size, its row of names or its number
 * says. */
static sm_status belongs(const sm_prune_job *job, size_t tensor, size_t layer, int *yes) {
    const sm_prune_row *row = &job->rows[tensor];
    const char *to = row->tensor->name, *from = job->rows[layer].tensor->name;
    const owners o = find_owners(job, tensor);
    *yes = 0;
    if (o.count > 1 && o.near_count == 0 && o.same_count != 1)
        return sm_fail(
            SM_E_ARG,
            "%s: rows: cannot tell whether %s belongs to it, %zu layers have %zu outputs: "
            "say it with --next '%.*s=%.*s', or of which layer it is",
            from, to, o.count, row->shape_before[0], (int)sm_name_read(from).module, from,
            (int)sm_name_read(to).module, to);
    *yes = layer == (o.count == 1 ? o.any : o.near_count ? o.near : o.same);
    return SM_OK;
}

static int has_statistics(const sm_prune_job *job, const char *name) {
    for (size_t i = 0; i < job->model.count; i++) {
        const char *other = job->rows[i].tensor->name;
        if (sm_name_same_module(other, name) && sm_name_read(other).role == SM_ROLE_STATISTIC)
            return 1;
    }
    return 0;
}

static sm_status link_per_channel(const sm_prune_job *job, size_t layer, uint8_t *links) {
    const char *from = job->rows[layer].tensor->name;
    for (size_t i = 0; i < job->model.count; i++) {
        const char *name = job->rows[i].tensor->name;
        int yes = 0;
        if (!is_per_channel(job, i) || !may_own(job, layer, i) || is_told(job, name)) continue;
        SM_TRY(belongs(job, i, layer, &yes));
        if (!yes) continue;
        if (!has_statistics(job, name))
            return sm_fail(SM_E_ARG,
                           "%s: rows: %s follows it and has no running statistics; a LayerNorm "
                           "would change its result: --next '%.*s=%.*s' takes its entries along, "
                           "--skip leaves the layer",
                           from, name, (int)sm_name_read(from).module, from,
                           (int)sm_name_read(name).module, name);
        links[i] = SM_LINK_CHANNELS;
    }
    return SM_OK;
}

/* The layer's own tensors. */
static sm_status link_module(const sm_prune_job *job, size_t layer, uint8_t *links) {
    const sm_prune_row *row = &job->rows[layer];
    for (size_t i = 0; i < job->model.count; i++) {
        const sm_prune_row *other = &job->rows[i];
        const char *name = other->tensor->name;
        if (i == layer || !sm_name_same_module(name, row->tensor->name)) continue;
        if (sm_name_read(name).role != SM_ROLE_BIAS || other->tensor->rank != 1 ||
            other->shape_before[0] != sm_layer_outputs(row))
            return sm_fail(SM_E_ARG,
                           "%s: rows: expected beside it a bias of %zu and nothing else, got %s; "
                           "leave the layer with --skip",
                           row->tensor->name, sm_layer_outputs(row), name);
        links[i] = SM_LINK_CHANNELS;
    }
    return SM_OK;
}

/* What --next names: *layers counts those that read the outputs. */
static sm_status link_told(const sm_prune_job *job, size_t layer, const sm_prune_next *next,
                           uint8_t *links, size_t *layers) {
    const sm_prune_row *row = &job->rows[layer];
    size_t weights = 0, found = 0;
    for (size_t i = 0; i < job->model.count; i++) {
        const sm_prune_row *to = &job->rows[i];
        if (!sm_name_says(next->to, to->tensor->name) || !sm_is_layer(to)) continue;
        if (i == layer || !sm_layer_fits(row, to))
            return sm_fail(SM_E_ARG,
                           "--next '%s': %s has %zu outputs, %s %zu inputs: expected as "
                           "many, or behind a convolution a multiple",
                           next->text, row->tensor->name, sm_layer_outputs(row), to->tensor->name,
                           sm_layer_inputs(to));
        links[i] = SM_LINK_INPUTS;
        weights++;
    }
    for (size_t i = 0; i < job->model.count && weights == 0; i++) {
        const sm_prune_row *to = &job->rows[i];
        if (!sm_name_says(next->to, to->tensor->name) || to->tensor->rank == 0) continue;
        if (to->tensor->rank != 1 || to->shape_before[0] != sm_layer_outputs(row))
            return sm_fail(SM_E_ARG,
                           "--next '%s': %s: expected weights of a layer, or %zu entries, "
                           "one an output of %s",
                           next->text, to->tensor->name, sm_layer_outputs(row), row->tensor->name);
        links[i] = SM_LINK_CHANNELS;
        found++;
    }
    *layers += weights;
    if (weights + found > 0) return SM_OK;
    return sm_fail(SM_E_ARG, "--next '%s': '%s' names no tensor of %s", next->text, next->to,
                   job->request->input);
}

sm_status sm_channels_connect(const sm_prune_job *job, size_t layer, uint8_t *links, int *last) {
    size_t layers = 0, next = SIZE_MAX;
    memset(links, SM_LINK_NONE, job->model.count);
    *last = 0;
    for (size_t i = 0; i < job->request->next_count; i++)
        if (sm_name_says(job->request->nexts[i].from, job->rows[layer].tensor->name))
            SM_TRY(link_told(job, layer, &job->request->nexts[i], links, &layers));
    if (layers == 0) {
        SM_TRY(sm_layer_next(job, layer, &next));
        *last = next == SIZE_MAX;
        if (*last) return SM_OK;
        links[next] = SM_LINK_INPUTS;
    }
    SM_TRY(link_module(job, layer, links));
    return link_per_channel(job, layer, links);
}
