/* Which weights a pruned network keeps: by magnitude or any other score, one by one, in blocks, n
 * of every m, whole rows; at once or along a schedule. Computes masks; touches no file. */
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
    size_t n, m, v; /* nm: n of m inputs stay, 1 <= n <= m <= 16; v rows share a mask, 1: alone */
} sm_pattern;

/* SM_E_ARG says what was expected; out is unstructured then. */
sm_status sm_pattern_parse(const char *text, sm_pattern *out);

/* The name that parses to the pattern; nm:N:M@1 is nm:N:M. */
typedef struct sm_pattern_text {
    char s[72];
} sm_pattern_text;
sm_pattern_text sm_pattern_name(const sm_pattern *pattern);

/* 1 - N/M; NaN where the pattern leaves the sparsity open. */
double sm_pattern_sparsity(const sm_pattern *pattern);

/* What the axes of weights are. The matrix W[M, K] has a row an output; a convolution's K runs over
 * inputs, height, width, the last fastest, whatever the tensor's order: as kernels take it, and so
 * that a mask does not depend on how the tensor is stored. */
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
    double sparsity; /* [0, 1]; nm ignores it */
    sm_pooling pool; /* what stands for a block */
    sm_weights_order order;
    int tfmot; /* TensorFlow Model Optimization 0.8.0's rules, bit for bit */
    /* Unstructured: cut here, as sm_prune_threshold() said, not by sparsity; INFINITY keeps none.
     */
    const float *threshold;
} sm_prune_options;

typedef struct sm_prune_result {
    float threshold; /* what (pooled) |score| was to reach: the options', or the least kept;
                        INFINITY: none; nm: NaN */
    size_t kept;     /* ones of the mask */
} sm_prune_result;

/* mask[i] = 1 where weight i stays, 0 where it goes; mask and score have the product of shape
 * elements in the tensor's own order, rank 2 or 4 (unstructured and 1 x 1 blocks: any rank from 1
 * to 8). Scores count by their magnitude; NaN is SM_E_FORMAT naming the element. SM_E_ARG says why
 * a pattern does not fit the tensor. The mask of a call that failed keeps everything, or was not
 * touched where the options or the shape are no such thing.
 * Of N scores at sparsity s, k = max(rint(f32(N) * (1 - f32(s))), 1) stay, in float; those equal to
 * the k-th largest stay as well. s = 0 keeps all, s = 1 none.
 * unstructured: scores are the weights'. block: blocks of the matrix from (0, 0) on, cut at its
 * edges, by the mean or the maximum of the weights they have. rows: by L2 norm.
 * nm: of every m neighbouring inputs of an output (of a convolution: at one place of its window, as
 * TFMOT and sparse tensor cores have it) the n largest stay, ties to the lower index; a last group
 * of r < m keeps min(r, n). v neighbouring outputs share the decision, by the sum over them. With
 * at most n < m inputs nothing could go: SM_E_ARG, where TFMOT leaves such weights alone silently.
 * tfmot: rank 2 for blocks, whose scores are pooled in windows that are centred where the last is
 * cut, while the mask is not; s < 1; neither rows nor nm:N:M@V. */
sm_status sm_prune_mask(const float *score, const size_t *shape, size_t rank,
                        const sm_prune_options *options, uint8_t *mask, sm_prune_result *result);

/* One threshold over many tensors: keeps k of all their elements by the rule of one. INFINITY where
 * it keeps none; scores are finite, for infinite ones are not told from that. */
sm_status sm_prune_threshold(const float *const *scores, const size_t *counts, size_t tensors,
                             double sparsity, float *threshold);

/* Weights whose mask is 0 become +0.0. */
void sm_prune_apply(const uint8_t *mask, size_t count, float *w);

typedef enum sm_schedule_kind { SM_SCHEDULE_CONSTANT, SM_SCHEDULE_POLYNOMIAL } sm_schedule_kind;

/* constant:S[,begin,end,frequency] or polynomial:S0,S1,begin,end[,power,frequency]; from S0 at
 * begin to S1 at end, fast at first. Trailing fields may be left out one by one. */
typedef struct sm_schedule {
    sm_schedule_kind kind;
    double initial, final; /* constant: both S */
    int64_t begin, end;    /* end < 0: for ever; default 0 and for ever */
    int64_t frequency;     /* default 100 */
    double power;          /* default 3 */
} sm_schedule;

/* SM_E_ARG unless sparsities are in [0, 1), 0 <= begin <= end or end is -1 (constant only),
 * frequency and power are positive; out is then zeroed. */
sm_status sm_schedule_parse(const char *text, sm_schedule *out);

/* Whether masks are made anew at this step. */
int sm_schedule_updates(const sm_schedule *schedule, int64_t step);

/* The sparsity at a step. Two roundings exist in TFMOT: compiled is what its training does, eager
 * what calling a schedule by hand gives. NaN, as there, at the one update of polynomial begin =
 * end. */
typedef enum sm_schedule_rounding { SM_ROUND_COMPILED, SM_ROUND_EAGER } sm_schedule_rounding;
float sm_schedule_sparsity(const sm_schedule *schedule, int64_t step,
                           sm_schedule_rounding rounding);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
