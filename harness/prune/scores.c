/* Scores beside the weights. Random ones are one more copy of the tensors that are pruned; each
 * tensor has a generator of its own, so that its scores do not depend on which others are pruned.
 */
#include "prune/scores.h"
#include "prune/prune.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "3,4"; text has room for SM_TENSOR_RANK of them. */
static void show_sizes(const size_t *sizes, size_t rank, char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < rank; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%zu", i ? "," : "", sizes[i]);
}

static void show_index(const sm_tensor *t, size_t element, char *text, size_t size) {
    size_t index[SM_TENSOR_RANK];
    for (size_t i = t->rank; i-- > 0; element /= t->shape[i]) index[i] = element % t->shape[i];
    show_sizes(index, t->rank, text, size);
}

sm_status sm_check_numbers(const char *path, const sm_tensor *tensor, int infinite_allowed) {
    const float *w = tensor->data;
    for (size_t i = 0; i < tensor->count; i++) {
        if (isfinite(w[i]) || (infinite_allowed && !isnan(w[i]))) continue;
        char index[SM_TENSOR_RANK * 21 + 1];
        show_index(tensor, i, index, sizeof index);
        return sm_fail(SM_E_FORMAT, "%s: %s: element [%s]: expected a finite number, got %s", path,
                       tensor->name, index, isnan(w[i]) ? "NaN" : "infinity");
    }
    return SM_OK;
}

/* FNV-1a. */
static uint64_t hash(const char *name) {
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *name; name++) h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return h;
}

sm_status sm_scores_random(const sm_tensor *tensor, uint64_t seed, sm_tensor *out) {
    sm_rng rng;
    float *score = sm_alloc(tensor->count, sizeof *score);
    if (!score) return sm_fail(SM_E_NOMEM, "%s: no memory for random scores", tensor->name);
    sm_rng_seed(&rng, seed ^ hash(tensor->name));
    for (size_t i = 0; i < tensor->count; i++) score[i] = sm_rng_uniform(&rng);
    *out = *tensor;
    out->data = score;
    return SM_OK;
}

static int same_shape(const sm_tensor *a, const sm_tensor *b) {
    return a->rank == b->rank && memcmp(a->shape, b->shape, a->rank * sizeof *a->shape) == 0;
}

static int is_npy(const char *path) {
    const size_t size = strlen(path);
    return size > 4 && strcmp(path + size - 4, ".npy") == 0;
}

static sm_status find_score(const sm_prune_job *job, const sm_tensor *tensor, sm_scores *scores,
                            sm_tensor *out) {
    const char *path = job->request->score;
    const sm_tensor *s = is_npy(path) && job->model.count == 1
                             ? scores->file.items
                             : model_file_find(&scores->file, tensor->name);
    if (!s)
        return sm_fail(SM_E_ARG, "--score %s: expected a tensor %s, as the model has one", path,
                       tensor->name);
    if (!same_shape(s, tensor) || strcmp(s->type, "F32") != 0) {
        char expected[SM_TENSOR_RANK * 21 + 1], got[SM_TENSOR_RANK * 21 + 1];
        show_sizes(tensor->shape, tensor->rank, expected, sizeof expected);
        show_sizes(s->shape, s->rank, got, sizeof got);
        return sm_fail(SM_E_ARG, "--score %s: %s: expected F32 [%s] as in the model, got %s [%s]",
                       path, tensor->name, expected, s->type, got);
    }
    *out = *s;
    return sm_check_numbers(path, s, 0);
}

sm_status sm_scores_open(const sm_prune_job *job, sm_scores *out) {
    const char *what = job->request->score;
    *out = (sm_scores){.count = job->model.count};
    if (strcmp(what, "magnitude") == 0) return SM_OK;
    out->owned = strcmp(what, "random") == 0;
    if (!out->owned) SM_TRY(model_file_read(what, &out->file));
    out->of = calloc(out->count, sizeof *out->of);
    if (!out->of) return sm_fail(SM_E_NOMEM, "no memory for scores");
    for (size_t i = 0; i < out->count; i++) {
        const sm_tensor *tensor = job->rows[i].tensor;
        if (job->rows[i].reason[0] != '\0') continue;
        if (out->owned)
            SM_TRY(sm_scores_random(tensor, job->request->seed, &out->of[i]));
        else
            SM_TRY(find_score(job, tensor, out, &out->of[i]));
    }
    return SM_OK;
}

void sm_scores_free(sm_scores *scores) {
    for (size_t i = 0; scores->of && scores->owned && i < scores->count; i++)
        sm_free(scores->of[i].data);
    free(scores->of);
    model_file_free(&scores->file);
    *scores = (sm_scores){0};
}

const float *sm_scores_at(const sm_scores *scores, const sm_prune_job *job, size_t row) {
    return scores->of ? scores->of[row].data : job->rows[row].tensor->data;
}
