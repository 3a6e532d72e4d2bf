/* Which scores stay: what unstructured, block and row pruning share. */
#ifndef SM_PRUNE_THRESHOLD_H
#define SM_PRUNE_THRESHOLD_H

#include <math.h>
#include <sparsemark/status.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The bits of |v|, which order like its value; NaN is above infinity. */
static inline uint32_t sm_magnitude_bits(float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits & UINT32_C(0x7fffffff);
}

/* Above the bits of every number: keeps none. */
#define SM_KEEP_NONE UINT32_C(0x7fffffff)

/* The threshold as a result says it. */
static inline float sm_threshold_value(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return bits == SM_KEEP_NONE ? INFINITY : value;
}

/* Scores in several pieces; none is NaN. */
typedef struct sm_scores {
    const float *const *at;
    const size_t *count;
    size_t pieces;
} sm_scores;

/* SM_E_ARG outside [0, 1]. */
sm_status sm_sparsity_check(double sparsity);

/* A score stays where sm_magnitude_bits(score) is at least what this gives. */
uint32_t sm_threshold_bits(const sm_scores *scores, double sparsity, int tfmot);

/* The index of the first NaN, count where there is none. */
size_t sm_first_nan(const float *score, size_t count);

#endif
