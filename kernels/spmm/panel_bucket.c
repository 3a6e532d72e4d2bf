/* SpMM, panels of one or two rows. With two, columns are bucketed by the rows that use them, so
 * that a row of X which both use is loaded once.
 * W: formats/panel.c, X: packed strip of NR columns, Y: MR x NR tile in registers.
 * Limit: load ports, 1/p + 1/v loads per FMA for p rows that use a column and v vectors in the
 * strip. Its place are rows of a few nonzeros: it keeps the order of the rows and pads nothing. A
 * loop over columns of one row has v chains of FMAs, of which two pipes of latency 4 need eight;
 * hence columns of row 0 and of row 1 by turns.
 * Idea: sparse register tiling (Wilkinson, Cheshmi, Dehnavi, PLDI 2023). */
#include "isa/tile.h"

_Static_assert(MR == 1 || MR == 2, "one bucket a row pattern: 2^MR - 1 loops");
_Static_assert(MR *NV + (MR < NV ? MR : NV) + 1 <= VEC_REGS,
               "the tile and the shorter of weights and X row must fit the registers");

typedef struct stream {
    const uint16_t *index;
    const float *value;
} stream;

SM_INLINE void bucket(vec acc[MR][NV], const unsigned rows, size_t count, const strip *x, stream *s,
                      const size_t nv) {
    const uint16_t *index = s->index, *const end = index + count;
    const float *value = s->value;
    for (; index < end; index++) {
        if (MR > 1) ask_lines(x, index, value); /* of one row gcc makes loops that spill */
        value = tile_column(acc, rows, value, x, pointer_to(x, *index), nv);
    }
    s->index = index;
    s->value = value;
}

/* Columns of row 0 alone and of row 1 alone by turns, as many as both have. */
SM_INLINE void turns(vec acc[MR][NV], size_t count, const strip *x, stream *s, const size_t nv) {
    const uint16_t *index = s->index, *end = index + 2 * count;
    const float *value = s->value;
    for (; index < end; index += 2) {
        ask_lines(x, index, value);
        value = tile_column(acc, 1, value, x, pointer_to(x, index[0]), nv);
        value = tile_column(acc, 2, value, x, pointer_to(x, index[1]), nv);
    }
    s->index = index;
    s->value = value;
}

SM_INLINE void multiply(const sm_packed *w, const sm_tile *t, const strip *x, const size_t nv) {
    enum { PATTERNS = (1 << MR) - 1 };
    const size_t segment = t->block * w->tiles + t->tile;
    const size_t rows = sm_block_rows(w, t->block);
    const uint16_t *count = w->head16 + w->head_at[segment];
    stream weights = {w->index16 + w->index_at[segment], w->value + w->value_at[segment]};
    for (size_t r0 = 0; r0 < rows; r0 += MR, count += PATTERNS) {
        const tile_rows p = rows_from(r0, rows);
        if (t->asks) {
            size_t columns = 0, values = 0;
            SM_FOR (q, PATTERNS) {
                columns += count[q];
                values += count[q] * (size_t)__builtin_popcount((unsigned)q + 1);
            }
            ask_more(w, t, r0 / MR, weights.index, columns, weights.value, values);
        }
        ask_panel(t, r0 + MR, nv);
        vec acc[MR][NV];
        tile_begin(acc, t, &p, nv);
        if (MR == 1) {
            bucket(acc, 1, count[0], x, &weights, nv);
        } else {
            const size_t both = count[0] < count[1] ? count[0] : count[1];
            turns(acc, both, x, &weights, nv);
            bucket(acc, 1, count[0] - both, x, &weights, nv);
            bucket(acc, 2, count[1] - both, x, &weights, nv);
            bucket(acc, 3, count[2], x, &weights, nv);
        }
        tile_end(acc, t, p, nv);
    }
}

KERNEL_OF_PACKED_X(multiply, SM_FOR_OTHERS)
