/* Dense matrix times vector: the control for N = 1. Lanes are rows: MR rows of Y in registers, one
 * broadcast of X a column, and as many panels side by side as there are registers for.
 * W: formats/dense.c (panels of MR rows, column by column), X: packed strip of one column.
 * Limit: the weight stream, 4 bytes a weight; from memory several streams are faster than one. */
#include "isa/body.h"

_Static_assert(NR == 1 && MR % VL == 0, "whole vectors of rows, one column");
enum {
    LV = MR / VL,
    PANELS = VL == 16  ? 4
             : VL == 8 ? 3
                       : 1,
    ASKING = SM_PAGE / (MR * 4) /* columns for each time that pages are asked for */
};
_Static_assert(VL == 1 || PANELS * LV + 1 <= 2 * VL, "sums and X in 32 or 16 registers");

SM_INLINE void panels(const sm_packed *w, const sm_tile *t, const float *value, size_t r0,
                      const size_t count) {
    const size_t cols = sm_tile_cols(w, t->tile), panel = MR * cols;
    vec acc[PANELS][LV];
    uintptr_t page[PANELS];
    SM_FOR (p, count) {
        page[p] = pages_of(w, value + p * panel);
        SM_FOR (j, LV) acc[p][j] = vec_set1(0.0f);
    }
    for (size_t k = 0; k < cols;) {
        SM_FOR (p, count) ask_pages(&page[p], value + p * panel);
        for (const size_t end = sm_min_size(k + ASKING, cols); k < end; k++, value += MR) {
            const vec x = vec_bcast(t->x + k);
            SM_FOR (p, count) {
                const float *column = value + p * panel;
                if (VL == 8) ask_weights(column, MR / LINE); /* AVX-512 loses by it in L2 */
                SM_FOR (j, LV) acc[p][j] = vec_fma(x, vec_loadu(column + j * VL), acc[p][j]);
            }
        }
    }
    SM_FOR (p, count) lanes_end(acc[p], t, r0 + p * MR, sm_block_rows(w, t->block), 0);
}

void SM_SYMBOL(const sm_packed *w, const sm_tile *t) {
    const size_t rows = sm_block_rows(w, t->block);
    const float *value = w->value + w->value_at[t->block * w->tiles + t->tile];
    size_t r0 = 0;
    for (; r0 + (PANELS - 1) * MR < rows; r0 += PANELS * MR)
        panels(w, t, value + r0 * sm_tile_cols(w, t->tile), r0, PANELS);
    for (; r0 < rows; r0 += MR) panels(w, t, value + r0 * sm_tile_cols(w, t->tile), r0, 1);
}
