/* SpMM, panels of MR rows whose columns are bucketed by the rows that use them: straight loops over
 * one or two row patterns, so a row of X is loaded once for all rows of the panel that need it.
 * W: formats/panel.c, X: packed strip of NR columns, Y: MR x NR tile in registers.
 * Limit: FMA ports while a bucket holds two rows or more, load ports below that; loads per FMA are
 * 1/p + 1/v for p rows in the bucket and v vectors in the strip. A loop over one pattern has p * v
 * chains of FMAs, of which two pipes of latency 4 need eight; hence two patterns by turns.
 * Idea: sparse register tiling (Wilkinson, Cheshmi, Dehnavi, PLDI 2023). */
#include "isa/body.h"

_Static_assert(MR >= 1 && MR <= 4, "one bucket a row pattern: 2^MR - 1 loops");
_Static_assert(MR *NV + (MR < NV ? MR : NV) + 1 <= VEC_REGS,
               "the tile and the shorter of weights and X row must fit the registers");

enum { UNIT = 8 }; /* sm_index_unit(NR) */

typedef struct stream {
    const uint16_t *index;
    const float *value;
} stream;

SM_INLINE void bucket(vec acc[MR][NV], const unsigned rows, size_t count, const char *x, stream *s,
                      const size_t nv) {
    const uint16_t *index = s->index;
    const float *value = s->value;
    for (size_t i = 0; i < count; i++)
        value = tile_column(acc, rows, value, (const float *)(x + (size_t)index[i] * UNIT), nv);
    s->index = index + count;
    s->value = value;
}

/* Columns of two patterns by turns, as many as both have. */
SM_INLINE void pair(vec acc[MR][NV], const unsigned a, const unsigned b, size_t left[],
                    const char *x, stream *s, const size_t nv) {
    const size_t count = left[a] < left[b] ? left[a] : left[b];
    left[a] -= count;
    left[b] -= count;
    const uint16_t *index = s->index, *end = index + 2 * count;
    const float *value = s->value;
    for (; index < end; index += 2) {
        value = tile_column(acc, a, value, (const float *)(x + (size_t)index[0] * UNIT), nv);
        value = tile_column(acc, b, value, (const float *)(x + (size_t)index[1] * UNIT), nv);
    }
    s->index = index;
    s->value = value;
}

SM_INLINE void multiply(const sm_packed *w, const sm_tile *t, const size_t nv) {
    enum { PATTERNS = (1 << MR) - 1 };
    const size_t segment = t->block * w->tiles + t->tile;
    const size_t rows = sm_block_rows(w, t->block);
    const uint16_t *count = w->head16 + w->head_at[segment];
    stream s = {w->index16 + w->index_at[segment], w->value + w->value_at[segment]};
    const char *x = (const char *)t->x;
    for (size_t r0 = 0; r0 < rows; r0 += MR, count += PATTERNS) {
        const size_t valid = panel_rows(rows, r0);
        size_t left[16];
        SM_FOR (p, PATTERNS) left[p + 1] = count[p];
        vec acc[MR][NV];
        tile_begin(acc, t, r0, valid, nv);
#define PAIR(a, b)                                                                                 \
    if (((a) | (b)) <= PATTERNS) pair(acc, a, b, left, x, &s, nv);
        SM_PANEL_PAIRS(PAIR)
#undef PAIR
#define BUCKET(p)                                                                                  \
    if ((p) <= PATTERNS) bucket(acc, p, left[p], x, &s, nv)
        BUCKET(1);
        BUCKET(2);
        BUCKET(3);
        BUCKET(4);
        BUCKET(5);
        BUCKET(6);
        BUCKET(7);
        BUCKET(8);
        BUCKET(9);
        BUCKET(10);
        BUCKET(11);
        BUCKET(12);
        BUCKET(13);
        BUCKET(14);
        BUCKET(15);
#undef BUCKET
        tile_end(acc, t, r0, valid, nv);
    }
}

void SM_SYMBOL(const sm_packed *w, const sm_tile *t) {
    NARROW(multiply, w, t);
}
