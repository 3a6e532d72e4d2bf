/* Dense matrix times vector: the control for N = 1. Lanes are rows: MR rows of Y in registers, one
 * broadcast of X a column.
 * W: formats/dense.c (panels of MR rows, column by column), X: packed strip of one column.
 * Limit: the weight stream, 4 bytes a weight. */
#include "isa/body.h"

_Static_assert(NR == 1 && MR % VL == 0, "whole vectors of rows, one column");
enum { LV = MR / VL };

void SM_SYMBOL(const sm_packed *w, const sm_tile *t) {
    const size_t segment = t->block * w->tiles + t->tile;
    const size_t rows = sm_block_rows(w, t->block);
    const size_t cols = sm_tile_cols(w, t->tile);
    const float *value = w->value + w->value_at[segment];
    uintptr_t page = pages_of(w, value);
    for (size_t r0 = 0; r0 < rows; r0 += MR) {
        vec acc[LV];
        SM_FOR (j, LV) acc[j] = vec_set1(0.0f);
        for (size_t k = 0; k < cols; k++, value += MR) {
            ask_pages(&page, value);
            if (VL == 8) ask_weights(value, MR / LINE); /* AVX-512 loses by it in L2 */
            const vec x = vec_bcast(t->x + k);
            SM_FOR (j, LV) acc[j] = vec_fma(x, vec_loadu(value + j * VL), acc[j]);
        }
        lanes_end(acc, t, r0, rows);
    }
}
