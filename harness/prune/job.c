/* The way of a model through pruning: read, decide, remove rows, mask, measure, write. The model is
 * held once; a mask takes a byte a weight of one tensor at a time. */
#include "prune/job.h"
#include "prune/channels.h"
#include "prune/rules.h"
#include "prune/scores.h"
#include "prune/sizes.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_pruned(const sm_prune_row *row) {
    return row->reason[0] == '\0';
}

static sm_status no_memory(const sm_prune_job *job, const char *what) {
    return sm_fail(SM_E_NOMEM, "%s: no memory for %s", job->request->input, what);
}

/* The sparsity that rules without one take. A schedule stays where its last update left it. */
static sm_status set_sparsity(sm_prune_job *job) {
    const sm_prune_request *r = job->request;
    const sm_schedule *s = &r->schedule;
    job->sparsity = r->sparsity;
    if (!r->scheduled) return SM_OK;
    if (r->step < s->begin)
        return sm_fail(SM_E_ARG,
                       "--step %lld: nothing to prune, the schedule's first update is at "
                       "step %lld",
                       (long long)r->step, (long long)s->begin);
    const int64_t until = s->end >= 0 && r->step > s->end ? s->end : r->step;
    job->step_used = until - (until - s->begin) % s->frequency;
    job->sparsity = (double)sm_schedule_sparsity(s, job->step_used, SM_ROUND_COMPILED);
    if (isnan(job->sparsity))
        return sm_fail(SM_E_ARG,
                       "--schedule: has no sparsity at step %lld: expected its end behind "
                       "its begin",
                       (long long)job->step_used);
    if (sm_schedule_updates(s, r->step)) return SM_OK;
    char text[160];
    snprintf(text, sizeof text,
             "step %lld does not update the masks: sparsity %.6g is that of step %lld",
             (long long)r->step, job->sparsity, (long long)job->step_used);
    r->note(text);
    return SM_OK;
}

static void describe_rows(sm_prune_job *job) {
    for (size_t i = 0; i < job->model.count; i++) {
        sm_prune_row *row = &job->rows[i];
        row->tensor = &job->model.items[i];
        row->order = orders_of(&job->orders, row->tensor->rank);
        memcpy(row->shape_before, row->tensor->shape, sizeof row->shape_before);
        row->bytes_before = row->tensor->bytes;
        row->asked = row->reached = (double)NAN;
        row->threshold = NAN;
    }
}

static sm_status open_model(sm_prune_job *job) {
    SM_TRY(model_file_read(job->request->input, &job->model));
    SM_TRY(model_file_orders(job->request->input, &job->model, job->request->weights_order,
                             &job->orders));
    job->rows = calloc(job->model.count + 1, sizeof *job->rows);
    if (!job->rows) return no_memory(job, "its tensors");
    describe_rows(job);
    sm_prune_decide(job->request, job->rows, job->model.count);
    SM_TRY(sm_prune_check_used(job->request, job->rows, job->model.count));
    for (size_t i = 0; i < job->model.count; i++)
        if (strcmp(job->model.items[i].type, "F32") == 0)
            SM_TRY(sm_check_numbers(job->request->input, &job->model.items[i],
                                    !is_pruned(&job->rows[i])));
    return SM_OK;
}

static void set_asked(sm_prune_job *job) {
    for (size_t i = 0; i < job->model.count; i++) {
        sm_prune_row *row = &job->rows[i];
        if (!is_pruned(row)) continue;
        const sm_prune_rule *rule = row->rule;
        row->asked = rule->pattern.kind == SM_PATTERN_NM ? sm_pattern_sparsity(&rule->pattern)
                     : isnan(rule->sparsity)             ? job->sparsity
                                                         : rule->sparsity;
    }
}

static int shares_threshold(const sm_prune_row *row) {
    return is_pruned(row) && row->rule->pattern.kind == SM_PATTERN_UNSTRUCTURED &&
           isnan(row->rule->sparsity);
}

/* One threshold for all unstructured tensors whose rule has no sparsity of its own. */
static sm_status global_threshold(const sm_prune_job *job, const sm_scores *scores, float *out) {
    const size_t tensors = job->model.count;
    const float **of = calloc(tensors, sizeof *of);
    size_t *counts = calloc(tensors, sizeof *counts), count = 0;
    sm_status status = of && counts ? SM_OK : no_memory(job, "a threshold");
    for (size_t i = 0; i < tensors && status == SM_OK; i++) {
        if (!shares_threshold(&job->rows[i])) continue;
        counts[count] = job->rows[i].tensor->count;
        of[count++] = sm_scores_at(scores, job, i);
    }
    if (status == SM_OK && count == 0)
        status =
            sm_fail(SM_E_ARG, "--scope global: expected unstructured tensors without a sparsity "
                              "of their own, found none");
    if (status == SM_OK) status = sm_prune_threshold(of, counts, count, job->sparsity, out);
    free(of);
    free(counts);
    return status;
}

/* A pattern that the library refuses for a tensor leaves the tensor alone. */
static sm_status judge(const sm_prune_job *job, sm_prune_row *row, sm_status status) {
    char why[400];
    snprintf(why, sizeof why, "%s", sm_message());
    if (status == SM_E_ARG) {
        sm_prune_leave(row, "%s", why);
        return SM_OK;
    }
    return sm_fail(status, "%s: %s: %s", job->request->input, row->tensor->name, why);
}

static sm_status mask(const sm_prune_job *job, sm_prune_row *row, const float *score,
                      const float *threshold) {
    const sm_prune_request *r = job->request;
    const sm_tensor *t = row->tensor;
    const sm_prune_options options = {.size = sizeof options,
                                      .pattern = row->rule->pattern,
                                      .sparsity = row->asked,
                                      .pool = r->pool,
                                      .order = row->order,
                                      .tfmot = r->tfmot,
                                      .threshold = shares_threshold(row) ? threshold : NULL};
    sm_prune_result result;
    uint8_t *keep = malloc(t->count);
    if (!keep) return no_memory(job, t->name);
    const sm_status status = sm_prune_mask(score, t->shape, t->rank, &options, keep, &result);
    if (status == SM_OK) {
        sm_prune_apply(keep, t->count, t->data);
        row->threshold = result.threshold;
    }
    free(keep);
    return status == SM_OK ? SM_OK : judge(job, row, status);
}

static sm_status mask_all(sm_prune_job *job, const sm_scores *scores) {
    float threshold;
    if (job->request->global) SM_TRY(global_threshold(job, scores, &threshold));
    for (size_t i = 0; i < job->model.count; i++) {
        sm_prune_row *row = &job->rows[i];
        if (!is_pruned(row) || row->rule->pattern.kind == SM_PATTERN_ROWS) continue;
        SM_TRY(
            mask(job, row, sm_scores_at(scores, job, i), job->request->global ? &threshold : NULL));
    }
    return SM_OK;
}

/* What somebody else masked by multiplying is -0.0 where it was negative: a zero as well, but one
 * that has to be stored and compresses worse. Tensors that are left alone keep theirs. */
static void drop_minus(sm_prune_job *job) {
    for (size_t i = 0; i < job->model.count; i++) {
        if (!is_pruned(&job->rows[i])) continue;
        const sm_tensor *t = job->rows[i].tensor;
        float *w = t->data;
        for (size_t e = 0; e < t->count; e++) {
            if (w[e] != 0.0f || !signbit(w[e])) continue;
            w[e] = 0.0f;
            job->total.minus_zeros++;
        }
    }
}

static sm_status prune(sm_prune_job *job) {
    sm_scores scores;
    sm_status status = sm_scores_open(job, &scores);
    if (status == SM_OK) status = sm_channels_remove(job, &scores);
    if (status == SM_OK) status = mask_all(job, &scores);
    sm_scores_free(&scores);
    drop_minus(job);
    if (status == SM_OK) status = sm_prune_check_used(job->request, job->rows, job->model.count);
    return status;
}

/* Zeros are counted by value, those that were there before included. */
static sm_status measure(sm_prune_job *job) {
    for (size_t i = 0; i < job->model.count; i++) {
        sm_prune_row *row = &job->rows[i];
        const sm_tensor *t = row->tensor;
        const float *w = t->data;
        SM_TRY(model_tensor_sizes(t, &row->sizes));
        if (strcmp(t->type, "F32") != 0) continue;
        for (size_t e = 0; e < t->count; e++) row->zeros += w[e] == 0.0f;
        if (!is_pruned(row)) continue;
        if (row->rule->pattern.kind != SM_PATTERN_ROWS)
            row->reached = (double)row->zeros / (double)t->count;
        if (t->rank == 2 || t->rank == 4) SM_TRY(sm_prune_pack(row));
    }
    return SM_OK;
}

static void add_up(sm_prune_job *job) {
    sm_prune_total *all = &job->total;
    for (size_t i = 0; i < job->model.count; i++) {
        const sm_prune_row *row = &job->rows[i];
        all->pruned += (size_t)is_pruned(row);
        all->weights += row->tensor->count;
        all->zeros += row->zeros;
        all->bytes_before += row->bytes_before;
        for (size_t f = 0; f < SM_PRUNE_FORMATS; f++)
            all->formats[f] += row->formats[f] ? row->formats[f] : row->sizes.dense;
        all->sizes.dense += row->sizes.dense;
        all->sizes.sparse += row->sizes.sparse;
        all->sizes.gzip += row->sizes.gzip;
        all->sizes.sparse_gzip += row->sizes.sparse_gzip;
    }
}

sm_status sm_prune_job_run(const sm_prune_request *request, sm_prune_job *job) {
    *job = (sm_prune_job){.request = request};
    SM_TRY(set_sparsity(job));
    SM_TRY(open_model(job));
    set_asked(job);
    SM_TRY(prune(job));
    SM_TRY(measure(job));
    add_up(job);
    if (!request->out) return SM_OK;
    SM_TRY(model_file_keep_orders(job->request->input, &job->model, &job->orders));
    return model_file_write(request->out, &job->model, request->store);
}

void sm_prune_job_free(sm_prune_job *job) {
    model_file_free(&job->model);
    free(job->rows);
    *job = (sm_prune_job){0};
}
