/* SpMV, columns of MR weights: lanes are rows, one broadcast of X a stored column.
 * W: formats/bsr.c, X: packed strip of one column, Y: MR rows in registers.
 * Limit: the weight stream, 4 bytes a stored weight and 2 a column of MR. */
#include "isa/body.h"

_Static_assert(NR == 1 && MR % VL == 0, "whole vectors of rows, one column");
enum { LV = MR / VL, CHAINS = LV >= 4 ? 1 : 4 / LV }; /* four FMAs in flight hide their latency */

void SM_SYMBOL(const sm_packed *w, const sm_tile *t) {
    const size_t segment = t->block * w->tiles + t->tile;
    const size_t rows = sm_block_rows(w, t->block);
    const uint16_t *count = w->head16 + w->head_at[segment];
    const uint16_t *index = w->index16 + w->index_at[segment];
    const float *value = w->value + w->value_at[segment];
    for (size_t r0 = 0; r0 < rows; r0 += MR, count++) {
        vec acc[CHAINS][LV];
        SM_FOR (q, CHAINS)
            SM_FOR (j, LV) acc[q][j] = vec_set1(0.0f);
        size_t k = 0;
        for (; k + CHAINS <= *count; k += CHAINS, value += CHAINS * MR) {
            if (VL == 8) ask_weights(value, CHAINS * MR / LINE);
            SM_FOR (q, CHAINS) {
                const vec x = vec_bcast(t->x + index[k + q]);
                SM_FOR (j, LV)
                    acc[q][j] = vec_fma(x, vec_loadu(value + q * MR + j * VL), acc[q][j]);
            }
        }
        for (; k < *count; k++, value += MR) {
            const vec x = vec_bcast(t->x + index[k]);
            SM_FOR (j, LV) acc[0][j] = vec_fma(x, vec_loadu(value + j * VL), acc[0][j]);
        }
        index += *count;
        for (size_t q = 1; q < CHAINS; q++)
            SM_FOR (j, LV) acc[0][j] = vec_add(acc[0][j], acc[q][j]);
        lanes_end(acc[0], t, r0, rows, 0);
    }
}
