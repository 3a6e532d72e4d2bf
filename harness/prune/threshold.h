/* Which scores stay: what unstructured, block and row pruning share. */
#ifndef THRESHOLD_H
#define THRESHOLD_H

#include <sparsemark/status.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The bits of |v|, which order like its value. A NaN counts as larger than infinity: it is kept,
 * for sm_csr_from_dense() to refuse. */
static inline uint32_t sm_magnitude_bits(float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits & UINT32_C(0x7fffffff);
}

/* Leaves *w as it is or makes it +0.0, without a branch. keep: all ones or 0. */
static inline void sm_keep(float *w, uint32_t keep) {
    uint32_t bits;
    memcpy(&bits, w, sizeof bits);
    bits &= keep;
    memcpy(w, &bits, sizeof bits);
}

/* A score stays where sm_magnitude_bits(score) >= *threshold, by the rule of sm_prune_magnitude();
 * SM_E_ARG as there. */
sm_status sm_threshold(const float *score, size_t count, double sparsity, uint32_t *threshold);

#endif
