/* Dense control: the same driver and strips with every weight stored, so that sparse kernels can be
 * held against a dense one that shares all but the inner loop.
 * W: formats/dense.c, panels of MR rows, column by column; X: a strip of NR columns.
 * Limit: FMA ports; (v + MR) / (v MR) loads per FMA for v vectors in the strip. */
#ifndef SM_DENSE_COLUMNS_H
#define SM_DENSE_COLUMNS_H

#include "isa/tile.h"

_Static_assert(MR *NV + NV < VEC_REGS, "the tile, a row of X and a weight must fit the registers");

SM_INLINE void multiply(const sm_packed *w, const sm_tile *t, const strip *s, const size_t nv) {
    const size_t segment = t->block * w->tiles + t->tile;
    const size_t rows = sm_block_rows(w, t->block);
    const size_t cols = sm_tile_cols(w, t->tile);
    const float *value = w->value + w->value_at[segment];
    for (size_t r0 = 0; r0 < rows; r0 += MR) {
        const tile_rows p = rows_from(r0, rows);
        if (t->asks) ask_more(w, t, r0 / MR, NULL, 0, value, cols * MR);
        if (t->ask_y == SM_Y_EARLY) ask_panel(t, r0 + MR, nv);
        const float *x = (const float *)s->x;
        vec acc[MR][NV];
        tile_begin(acc, t, &p, nv);
        size_t left = columns_after_asking(t, cols);
        for (size_t k = left; k < cols; k++, x += t->x_rs) {
            ask_values(s, value);
            value = tile_column(acc, ALL_ROWS, value, s, x, nv);
        }
        if (t->ask_y == SM_Y_LATE) ask_panel(t, r0, nv);
        for (; left > 0; left--, x += t->x_rs) {
            ask_values(s, value);
            value = tile_column(acc, ALL_ROWS, value, s, x, nv);
        }
        tile_end(acc, t, p, nv);
    }
}

#endif
