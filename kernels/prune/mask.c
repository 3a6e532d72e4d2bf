/* The mask of one tensor: what is asked is checked here, the rules are in the other files. Limit:
 * memory; two reads of the scores beside the rule's own, one for NaN and one for the mask. */
#include "prune/mask.h"
#include "options.h"
#include "prune/threshold.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_RANK = 8 };

/* 2^31 as of a matrix is not asked for: nothing here counts in 32 bits. */
static sm_status count_elements(const size_t *shape, size_t rank, size_t *count) {
    if (rank == 0 || rank > MAX_RANK)
        return sm_fail(SM_E_ARG, "weights of rank %zu: expected 1 to %d", rank, MAX_RANK);
    *count = 1;
    for (size_t i = 0; i < rank; i++)
        if (__builtin_mul_overflow(*count, shape[i], count))
            return sm_fail(SM_E_LIMIT, "more weights than %zu bits count", 8 * sizeof *count);
    return SM_OK;
}

static sm_status check_numbers(const float *score, const size_t *shape, size_t rank, size_t count) {
    size_t at = sm_first_nan(score, count);
    if (at == count) return SM_OK;
    char index[MAX_RANK * 21 + 1];
    size_t used = 0, stride = count;
    for (size_t i = 0; i < rank; i++) {
        stride /= shape[i];
        used +=
            (size_t)snprintf(index + used, sizeof index - used, "%s%zu", i ? "," : "", at / stride);
        at %= stride;
    }
    return sm_fail(SM_E_FORMAT, "scores: element [%s]: expected a number, got NaN", index);
}

static int is_unstructured(const sm_pattern *p) {
    return p->kind == SM_PATTERN_UNSTRUCTURED ||
           (p->kind == SM_PATTERN_BLOCK && p->r == 1 && p->c == 1);
}

/* Sizes that sm_pattern_parse() would not have given. */
static sm_status check_sizes(const sm_pattern *p) {
    if (p->kind == SM_PATTERN_BLOCK && (p->r == 0 || p->c == 0))
        return sm_fail(SM_E_ARG, "block:%zux%zu: expected at least 1 x 1", p->r, p->c);
    if (p->kind == SM_PATTERN_NM && !(p->n >= 1 && p->n <= p->m && p->m <= SM_MOST_M && p->v >= 1))
        return sm_fail(SM_E_ARG, "nm:%zu:%zu@%zu: expected 1 <= N <= M <= %d and V from 1 on", p->n,
                       p->m, p->v, SM_MOST_M);
    return SM_OK;
}

static sm_status check_options(const sm_prune_options *o) {
    const sm_pattern *p = &o->pattern;
    if ((size_t)p->kind > SM_PATTERN_ROWS)
        return sm_fail(SM_E_ARG, "sm_prune_options.pattern.kind is %d: expected 0 to %d",
                       (int)p->kind, SM_PATTERN_ROWS);
    if ((size_t)o->pool > SM_POOL_MAX)
        return sm_fail(SM_E_ARG, "sm_prune_options.pool is %d: expected 0 (avg) or 1 (max)",
                       (int)o->pool);
    SM_TRY(check_sizes(p));
    if (o->threshold) {
        if (p->kind != SM_PATTERN_UNSTRUCTURED)
            return sm_fail(SM_E_ARG, "a threshold for %s: expected unstructured",
                           sm_pattern_name(p).s);
        if (!(*o->threshold >= 0.0f))
            return sm_fail(SM_E_ARG, "threshold: expected 0 or more, got %g",
                           (double)*o->threshold);
        return SM_OK;
    }
    if (p->kind != SM_PATTERN_NM) SM_TRY(sm_sparsity_check(o->sparsity));
    if (!o->tfmot) return SM_OK;
    if (p->kind == SM_PATTERN_ROWS || (p->kind == SM_PATTERN_NM && p->v > 1))
        return sm_fail(SM_E_ARG,
                       "%s: TFMOT has no such pattern: expected unstructured, block:RxC "
                       "or nm:N:M",
                       sm_pattern_name(p).s);
    if (p->kind != SM_PATTERN_NM && o->sparsity == 1.0)
        return sm_fail(SM_E_ARG, "sparsity: expected less than 1 as in TFMOT, got 1");
    return SM_OK;
}

static void cut(const float *restrict score, size_t count, uint32_t bits, uint8_t *restrict mask) {
    for (size_t i = 0; i < count; i++)
        mask[i] = (int32_t)sm_magnitude_bits(score[i]) >= (int32_t)bits;
}

/* Of a threshold of the caller's. */
static uint32_t threshold_bits(float threshold) {
    return isinf(threshold) ? SM_KEEP_NONE : sm_magnitude_bits(threshold);
}

static float mask_unstructured(const sm_prune_options *o, const float *score, size_t count,
                               uint8_t *mask) {
    const sm_scores scores = {&score, &count, 1};
    const uint32_t bits = o->threshold ? threshold_bits(*o->threshold)
                                       : sm_threshold_bits(&scores, o->sparsity, o->tfmot);
    cut(score, count, bits, mask);
    return sm_threshold_value(bits);
}

static sm_status mask_matrix(const sm_mask_job *job, const size_t *shape, size_t rank) {
    sm_mask_job j = *job;
    SM_TRY(sm_weights_make(shape, rank, j.options->order, &j.weights));
    if (j.weights.out == 0 || j.weights.in == 0 || j.weights.space == 0) return SM_OK;
    switch (j.options->pattern.kind) {
    case SM_PATTERN_BLOCK:
        return sm_mask_block(&j);
    case SM_PATTERN_NM:
        return sm_mask_nm(&j);
    default:
        return sm_mask_rows(&j);
    }
}

sm_status sm_prune_mask(const float *score, const size_t *shape, size_t rank,
                        const sm_prune_options *options, uint8_t *mask, sm_prune_result *result) {
    sm_prune_options o = {0};
    size_t count = 0;
    *result = (sm_prune_result){.threshold = INFINITY};
    SM_TRY(sm_options_copy("sm_prune_options", options, &o, sizeof o));
    SM_TRY(count_elements(shape, rank, &count));
    memset(mask, 1, count);
    result->kept = count;
    SM_TRY(check_options(&o));
    SM_TRY(check_numbers(score, shape, rank, count));
    if (is_unstructured(&o.pattern))
        result->threshold = mask_unstructured(&o, score, count, mask);
    else
        SM_TRY(mask_matrix(
            &(sm_mask_job){
                .score = score, .options = &o, .mask = mask, .threshold = &result->threshold},
            shape, rank));
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) kept += mask[i];
    result->kept = kept;
    return SM_OK;
}

void sm_prune_apply(const uint8_t *restrict mask, size_t count, float *restrict w) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &w[i], sizeof bits);
        bits &= mask[i] ? UINT32_MAX : 0;
        memcpy(&w[i], &bits, sizeof bits);
    }
}
