/* The one include of a kernel body: vectors, packed weights, the register tile's start and end.
 * CMake defines SM_MR, SM_NR, SM_SYMBOL and SM_VEC_H for each line of kernels.inc. */
#ifndef SM_BODY_H
#define SM_BODY_H

#include "packed.h"
#include SM_VEC_H

/* A loop of known length that is to be unrolled, so that arrays of vectors become registers. */
#define SM_FOR(i, count) SM_UNROLL for (size_t i = 0; i < (count); i++)

#define SM_INLINE static inline __attribute__((always_inline))

#define MR SM_MR
#define NR SM_NR

sm_kernel_fn SM_SYMBOL;

/* Rows of the panel that starts at row r0 of a block with `rows` rows. */
SM_INLINE size_t panel_rows(size_t rows, size_t r0) {
    return rows - r0 < (size_t)MR ? rows - r0 : (size_t)MR;
}

/* One element of a strip of one column (spmv): starts from what the earlier K tiles left, and ends
 * in Y or in the partial sums. */
SM_INLINE float row_begin(const sm_tile *t, size_t r) {
    if (!t->first) return t->acc[r];
    return t->bias ? t->bias[r] : 0.0f;
}

SM_INLINE void row_end(float sum, const sm_tile *t, size_t r) {
    if (!t->last)
        t->acc[r] = sum;
    else
        t->y[(ptrdiff_t)r * t->y_rs] = sum < t->lo ? t->lo : sum > t->hi ? t->hi : sum;
}

#if SM_NR >= VL
_Static_assert(SM_NR % VL == 0, "nr must be a whole number of vectors");
#define NV (SM_NR / VL)

/* Loads the accumulators of a panel: bias (or zero) in the first K tile, else the partial sums. */
SM_INLINE void tile_begin(vec acc[MR][NV], const sm_tile *t, size_t r0, size_t valid) {
    if (t->first) {
        SM_FOR (r, MR) {
            const float b = t->bias && r < valid ? t->bias[r0 + r] : 0.0f;
            SM_FOR (j, NV) acc[r][j] = vec_set1(b);
        }
        return;
    }
    const float *partial = t->acc + r0 * NR;
    SM_FOR (r, MR)
        SM_FOR (j, NV) acc[r][j] = vec_load(partial + r * NR + j * VL);
}

/* Clamps and stores the valid rows of a panel to Y (last K tile), or keeps the partial sums. */
SM_INLINE void tile_end(vec acc[MR][NV], const sm_tile *t, size_t r0, size_t valid) {
    if (!t->last) {
        float *partial = t->acc + r0 * NR;
        SM_FOR (r, MR)
            SM_FOR (j, NV) vec_store(partial + r * NR + j * VL, acc[r][j]);
        return;
    }
    const vec lo = vec_set1(t->lo), hi = vec_set1(t->hi);
    SM_FOR (r, MR) {
        if (r >= valid) break;
        float *y = t->y + (ptrdiff_t)(r0 + r) * t->y_rs;
        if (t->n == NR) {
            SM_FOR (j, NV) vec_storeu(y + j * VL, vec_min(vec_max(acc[r][j], lo), hi));
        } else {
            SM_FOR (j, NV)
                if (j * VL < t->n)
                    vec_store_tail(y + j * VL, vec_min(vec_max(acc[r][j], lo), hi), t->n - j * VL);
        }
    }
}
#endif

#endif
