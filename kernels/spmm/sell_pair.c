/* SpMM, one pair of rows in step, for cores that load three vectors a cycle: a turn is a step with
 * a column that both rows use, whose row of X is loaded once, and a step with a column for each.
 *
 * W: formats/sell.c, X: packed strip of NR columns, Y: 2 x NR tile in registers.
 *
 * Limit: FMA ports, also in the single steps behind the turns: with two FMAs, three loads and six
 * issue slots a cycle 2 x 48 with AVX2 takes 12 cycles a turn, of 25 loads and 43 slots, and 6 a
 * single step, of 16 and 24. Two rows as wide as four half as wide have whole cache lines of X and
 * Y in a strip, which 24 columns have not; a K tile that fits L1 is half as long. With 512 bits,
 * and two loads a cycle, this is behind four rows (sell_pointer.c).
 *
 * Idea: as sell_steps.h. */
#include "isa/tile.h"

_Static_assert(MR == 2, "one pair");
_Static_assert(MR *NV + 3 <= VEC_REGS, "the tile, two weights and a vector of X must fit");

enum {
    TURN = 3, /* offsets */
    COUNTS = SM_SELL_COUNTS,
    HEAD = COUNTS + MR
};

/* A column for each row. */
SM_INLINE void single_step(vec acc[MR][NV], const uint16_t *index, const float *value,
                           const strip *s, const size_t nv) {
    tile_column(acc, 1, value, s, pointer_to(s, index[0]), nv);
    tile_column(acc, 2, value + 1, s, pointer_to(s, index[1]), nv);
}

SM_INLINE void multiply(const sm_packed *w, const sm_tile *t, const strip *s, const size_t nv) {
    const size_t segment = t->block * w->tiles + t->tile;
    const size_t rows = sm_block_rows(w, t->block);
    const uint16_t *const heads = w->head16 + w->head_at[segment];
    const uint16_t *const head_end = w->head16 + w->head_at[segment + 1];
    const uint16_t *index = w->index16 + w->index_at[segment];
    const float *value = w->value + w->value_at[segment];
    for (const uint16_t *head = heads; head < head_end; head += HEAD) {
        const uint16_t *const turns_end = index + (size_t)head[0] * TURN;
        const uint16_t *const end = turns_end + (size_t)head[1] * MR;
        const tile_rows p = rows_listed(head + COUNTS, rows);
        if (t->asks)
            ask_more(w, t, (size_t)(head - heads) / HEAD, index, (size_t)(end - index), value,
                     (size_t)(2 * head[0] + head[1]) * MR);
        if (t->last && head + HEAD < head_end) {
            const tile_rows next = rows_listed(head + HEAD + COUNTS, rows);
            ask_y(t, &next, 0, MR, nv);
        }
        vec acc[MR][NV];
        tile_begin(acc, t, &p, nv);
        for (; index < turns_end; index += TURN, value += 2 * MR) {
            ask_lines(s, index, value);
            tile_column(acc, ALL_ROWS, value, s, pointer_to(s, index[0]), nv);
            single_step(acc, index + 1, value + MR, s, nv);
        }
        for (; index < end; index += MR, value += MR) {
            ask_lines(s, index, value);
            single_step(acc, index, value, s, nv);
        }
        tile_end(acc, t, p, nv);
    }
}

KERNEL_OF_PACKED_X(multiply, SM_PLAIN)
