/* Columns of MR weights times a few columns of X: lanes are rows, one broadcast of X a stored
 * column and column of X. W: formats/bsr.c, X and Y: column by column, MR rows of a column in
 * registers. Limit: the weight stream, 4 bytes a stored weight and 2 a column of MR; in L1 the
 * loads for one column (2 an FMA), for n of them (n + 1) / n, and FMAs. */
#include "isa/lanes.h"

enum { TURN = 4 };

SM_INLINE void column(vec acc[NR][LV], const sm_tile *t, const size_t n, size_t k,
                      const float *value) {
    vec w[LV];
    SM_FOR (j, LV) {
        const vec load = vec_loadu(value + j * VL);
        w[j] = n > 1 ? in_register(load) : load;
    }
    SM_FOR (c, n) {
        const vec x = vec_bcast(t->x + (ptrdiff_t)c * t->x_cs + k);
        SM_FOR (j, LV) acc[c][j] = vec_fma(x, w[j], acc[c][j]);
    }
}

SM_INLINE void columns(const sm_packed *w, const sm_tile *t, const size_t n) {
    const size_t segment = t->block * w->tiles + t->tile, rows = sm_block_rows(w, t->block);
    const size_t chains = n * LV >= 4 ? 1 : 4 / LV / n; /* four FMAs in flight hide latency */
    const uint16_t *count = w->head16 + w->head_at[segment];
    const uint16_t *index = w->index16 + w->index_at[segment];
    const float *value = w->value + w->value_at[segment];
    for (size_t r0 = 0; r0 < rows; r0 += MR, count++) {
        vec acc[TURN][NR][LV];
        SM_FOR (q, chains)
            SM_FOR (c, n)
                SM_FOR (j, LV) acc[q][c][j] = vec_set1(0.0f);
        size_t k = 0;
        for (; k + TURN <= *count; k += TURN, value += TURN * MR) {
            if (VL == 8 || n > 1) ask_weights(value, TURN * MR / LINE);
            SM_FOR (q, TURN) column(acc[q % chains], t, n, index[k + q], value + q * MR);
        }
        for (; k < *count; k++, value += MR) column(acc[0], t, n, index[k], value);
        index += *count;
        SM_FOR (c, n) {
            chains_add(acc, chains, c);
            lanes_end(acc[0][c], t, r0, rows, c);
        }
    }
}

KERNEL_OF_FEW_COLUMNS(columns, SM_PLAIN)
