/* SpMM, columns of MR weights: the dense tile with the row of X taken from a list of columns.
 * W: formats/bsr.c, X: a strip of NR columns, Y: MR x NR tile in registers.
 * Limit: FMA ports; as the dense tile (v + MR) / (v MR) loads per FMA for v vectors in the strip,
 * and one 16-bit index a column. What is stored and zero costs as much as a weight.
 * Idea: block sparse rows; sharing columns among V rows is V:N:M (Castro and others, 2023). */
#ifndef SM_BSR_COLUMNS_H
#define SM_BSR_COLUMNS_H

#include "isa/tile.h"

_Static_assert(MR *NV + (MR < NV ? MR : NV) + 1 <= VEC_REGS,
               "the tile and the shorter of weights and X row must fit the registers");

/* Adds the columns from *index to end; returns where the values of the next are. */
SM_INLINE const float *add_columns(vec acc[MR][NV], const float *value, const uint16_t **index,
                                   const uint16_t *end, const strip *s, const size_t nv) {
    for (; *index < end; ++*index) {
        ask_lines(s, *index, value);
        value = tile_column(acc, ALL_ROWS, value, s, row_of(s, **index), nv);
    }
    return value;
}

SM_INLINE void multiply(const sm_packed *w, const sm_tile *t, const strip *s, const size_t nv) {
    const size_t segment = t->block * w->tiles + t->tile;
    const size_t rows = sm_block_rows(w, t->block);
    const uint16_t *count = w->head16 + w->head_at[segment];
    const uint16_t *index = w->index16 + w->index_at[segment];
    const float *value = w->value + w->value_at[segment];
    for (size_t r0 = 0; r0 < rows; r0 += MR, count++) {
        const tile_rows p = rows_from(r0, rows);
        if (t->asks) ask_more(w, t, r0 / MR, index, *count, value, (size_t)*count * MR);
        if (t->ask_y == SM_Y_EARLY) ask_panel(t, r0 + MR, nv);
        vec acc[MR][NV];
        tile_begin(acc, t, &p, nv);
        const uint16_t *const end = index + *count;
        const uint16_t *const ask = end - columns_after_asking(t, *count);
        value = add_columns(acc, value, &index, ask, s, nv);
        if (t->ask_y == SM_Y_LATE) ask_panel(t, r0, nv);
        value = add_columns(acc, value, &index, end, s, nv);
        tile_end(acc, t, p, nv);
    }
}

#endif
