/* Which weights a pruned network keeps: by magnitude or any other score, one by one, in blocks, n of
 * every m, whole rows; at once or along a schedule. Computes masks; touches no file. */
#ifndef SPARSEMARK_PRUNE_H
#define SPARSEMARK_PRUNE_H

#include <sparsemark/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef enum sm_pattern_kind {
    SM_PATTERN_UNSTRUCTURED,
    SM_PATTERN_BLOCK,
    SM_PATTERN_NM,
    SM_PATTERN_ROWS
} sm_pattern_kind;

/* unstructured, block:RxC, nm:N:M, nm:N:M@V, rows. N:M names the kept ones first: 2:4 keeps 2 of 4.
 * Zeroed it is unstructured; fields that the kind does not use are 0. */
typedef struct sm_pattern {
    sm_pattern_kind kind;
    size_t r, c;    /* block: rows (outputs) and columns (inputs), at least 1 */
    size_t n, m, v; /* nm: n of m along K stay, 1 <= n <= m <= 16; v rows share a mask, 1: alone */
} sm_pattern;

/* What the axes of weights are. The matrix W[M, K] has a row an output; a convolution's K runs over
 * inputs, height, width, in the order in which the tensor has them. */
typedef enum sm_weights_order {
    SM_ORDER_OUT_IN,
    SM_ORDER_IN_OUT,
    SM_ORDER_OIHW,
    SM_ORDER_HWIO
} sm_weights_order;

typedef enum sm_pooling { SM_POOL_AVG, SM_POOL_MAX } sm_pooling;

/* Zeroed fields are the defaults; set size to sizeof(sm_prune_options), as for sm_plan_options. */
typedef struct sm_prune_options {
    size_t size;
    sm_pattern pattern;
    double sparsity;        /* [0, 1]; nm ignores it */
    sm_pooling pool;        /* what stands for a block */
    sm_weights_order order;
    int tfmot;              /* TensorFlow Model Optimization 0.8.0's rules, bit for bit */
    const float *threshold; /* unstructured: cut here, as sm_prune_threshold() said, not by sparsity */
} sm_prune_options;

typedef struct sm_prune_result {
    float threshold; /* the smallest (pooled) |score| kept; NaN for nm */
    size_t kept;     /* ones of the mask */
} sm_prune_result;

/* mask[i] = 1 where weight i stays, 0 where it goes; mask and score have the product of shape
 * elements in the tensor's own order, rank 2 or 4 (unstructured: any rank from 1 to 8). Scores count
 * by their magnitude; NaN is SM_E_FORMAT naming the element. SM_E_ARG says why a pattern does not
 * fit the tensor. */
sm_status sm_prune_mask(const float *score, const size_t *shape, size_t rank,
                        const sm_prune_options *options, uint8_t *mask, sm_prune_result *result);

/* One threshold over many tensors: keeps k of all their elements by the rule of one. */
sm_status sm_prune_threshold(const float *const *scores, const size_t *counts, size_t tensors,
                             double sparsity, float *threshold);

/* Weights whose mask is 0 become +0.0. */
void sm_prune_apply(const uint8_t *mask, size_t count, float *w);

typedef enum sm_schedule_kind { SM_SCHEDULE_CONSTANT, SM_SCHEDULE_POLYNOMIAL } sm_schedule_kind;

/* constant:S[,begin,end,frequency] or polynomial:S0,S1,begin,end[,power,frequency]. */
typedef struct sm_schedule {
    sm_schedule_kind kind;
    double initial, final; /* constant: both S */
    int64_t begin, end;    /* end < 0: for ever */
    int64_t frequency;     /* default 100 */
    double power;          /* default 3 */
} sm_schedule;

sm_status sm_schedule_parse(const char *text, sm_schedule *out);

/* Whether masks are made anew at this step. */
int sm_schedule_updates(const sm_schedule *schedule, int64_t step);

/* The sparsity at a step. Two roundings exist in TFMOT: compiled is what its training does, eager
 * what calling a schedule by hand gives. */
typedef enum sm_schedule_rounding { SM_ROUND_COMPILED, SM_ROUND_EAGER } sm_schedule_rounding;
float sm_schedule_sparsity(const sm_schedule *schedule, int64_t step, sm_schedule_rounding rounding);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
