/* SpMM, MR rows in step: rows of about equal length take one nonzero each in turn, so that one load
 * fetches four weights and one loop exit is paid for MR rows. Rows are paired to share columns: a
 * turn is a step with a column for each pair, which loads half as many rows of X as it multiplies,
 * and a step with a column for each row.
 * W: formats/sell.c, X: a strip of NR columns, Y: MR x NR tile in registers.
 * Limit: FMA ports in the turns, 3/4 + 1/(4v) loads per FMA for v vectors in the strip, or 3/4 +
 * 3/(8v) without ROOM; load ports in the single steps behind them, 1 + 1/(4v) and a load of offsets
 * a quad: 8.5 cycles for 16 loads of X and the offsets, of which a Zen 5 takes 8.8. MR v
 * independent chains, of which a core with two FMA pipes of latency 4 needs eight.
 * SELL_POINTERS, set by the file that includes this, is for cores of Intel's: pointers to rows of X
 * and weights of shared steps by broadcasts, which sell_pointer.c explains, Y asked for late (see
 * ASKS_Y) and X ahead.
 * Idea: SELL-C-sigma (Kreutzer, Hager, Wellein, Fehske, Bishop, 2014), for many columns of X; the
 * sharing of X between rows is ours. */
#ifndef SM_SELL_STEPS_H
#define SM_SELL_STEPS_H

#include "isa/tile.h"

#ifndef SELL_POINTERS
#define SELL_POINTERS 0
#endif

_Static_assert(MR % 4 == 0, "four weights a load");
_Static_assert(MR *NV + 3 <= VEC_REGS, "the tile, two weights and a vector of X must fit");

enum {
    QUADS = MR / 4, /* rows are taken in fours */
    SHARED = MR / 2,
    TURN = SHARED + MR, /* offsets of a step with a column for each pair, and of a turn */
    AHEAD = SM_OFFSETS_AHEAD / MR, /* single steps whose offsets are loaded in advance */
    /* With pointers rows of Y are asked for while the panel itself is multiplied, one half before
     * the turns and one after; with AVX2, strips a line and a half wide, they are not, for that is
     * 1 % faster. */
    ASKS_Y = SELL_POINTERS && VL == 16,
    /* Whether four weights can stay in a register beside two of them, one row of X and the tile. */
    ROOM = MR * NV + 4 < VEC_REGS
};

/* The weights of two rows, each in all lanes. */
SM_INLINE void two_weights(const float *four, const size_t first, vec *a, vec *b) {
    if (SELL_POINTERS) {
        *a = vec_bcast(four + first);
        *b = vec_bcast(four + first + 1);
    } else if (ROOM) {
        const vec_four weights = vec_load_four(four);
        *a = vec_pick(weights, first);
        *b = vec_pick(weights, first + 1);
    } else {
        const vec_two weights = vec_load_two(four + first);
        *a = vec_first(weights);
        *b = vec_second(weights);
    }
}

/* Offsets of a step's columns, by fours of rows. They are loaded long before X is, or they would
 * queue behind all loads of X before them, and the step's own loads of X would wait for them. */
SM_INLINE void load_pairs(uint32_t offsets[QUADS], const uint16_t *index) {
    SM_FOR (q, QUADS) __builtin_memcpy(&offsets[q], index + 2 * q, sizeof offsets[q]);
}
SM_INLINE void load_quads(uint64_t offsets[QUADS], const uint16_t *index) {
    SM_FOR (q, QUADS) __builtin_memcpy(&offsets[q], index + 4 * q, sizeof offsets[q]);
}

SM_INLINE const float *row_in_step(const strip *s, uint64_t offset) {
    /* Of a strip that is not whole the rest would not find a register beside so many pointers. */
    return SELL_POINTERS && s->whole ? pointer_to(s, offset) : row_of(s, offset);
}

/* A column for each pair of rows. */
SM_INLINE void shared_step(vec acc[MR][NV], const uint32_t offsets[QUADS], const float *value,
                           const strip *s, const size_t nv) {
    SM_FOR (q, QUADS) {
        SM_FOR (p, 2) {
            const size_t r = 4 * q + 2 * p;
            const float *xr = row_in_step(s, offsets[q] >> 16 * p & 0xffff);
            vec a, b;
            two_weights(value + 4 * q, 2 * p, &a, &b);
            SM_FOR (j, nv) {
                const vec xj = in_register(vector_of(s, xr, j, nv));
                acc[r][j] = vec_fma(a, xj, acc[r][j]);
                acc[r + 1][j] = vec_fma(b, xj, acc[r + 1][j]);
            }
        }
    }
}

/* A column for each row. */
SM_INLINE void single_step(vec acc[MR][NV], const uint64_t offsets[QUADS], const float *value,
                           const strip *s, const size_t nv) {
    SM_FOR (q, QUADS) {
        const vec_four four = vec_load_four(value + 4 * q);
        SM_FOR (i, 4) {
            const size_t r = 4 * q + i;
            const float *xr = row_in_step(s, offsets[q] >> 16 * i & 0xffff);
            const vec weight = vec_pick(four, i);
            SM_FOR (j, nv) acc[r][j] = vec_fma(weight, vector_of(s, xr, j, nv), acc[r][j]);
        }
    }
}

SM_INLINE void multiply(const sm_packed *w, const sm_tile *t, const strip *s, const size_t nv) {
    enum { COUNTS = SM_SELL_COUNTS, HEAD = COUNTS + MR };
    const size_t segment = t->block * w->tiles + t->tile;
    const size_t rows = sm_block_rows(w, t->block);
    const uint16_t *const heads = w->head16 + w->head_at[segment];
    const uint16_t *const head_end = w->head16 + w->head_at[segment + 1];
    const uint16_t *index = w->index16 + w->index_at[segment];
    const float *value = w->value + w->value_at[segment];
    for (const uint16_t *head = heads; head < head_end; head += HEAD) {
        const uint16_t *const turns_end = index + (size_t)head[0] * TURN;
        const uint16_t *const end = turns_end + (size_t)head[1] * MR;
        uint32_t pairs[QUADS];
        uint64_t quads[QUADS], ahead[AHEAD][QUADS];
        load_pairs(pairs, index);
        load_quads(quads, index + SHARED);
        const tile_rows p = rows_listed(head + COUNTS, rows);
        if (SELL_POINTERS && t->asks)
            ask_more(w, t, (size_t)(head - heads) / HEAD, index, (size_t)(end - index), value,
                     (size_t)(2 * head[0] + head[1]) * MR);
        if (SELL_POINTERS) {
            if (ASKS_Y && t->last) ask_y(t, &p, 0, MR / 2, nv);
        } else if (t->last && head + HEAD < head_end) {
            const tile_rows next = rows_listed(head + HEAD + COUNTS, rows);
            ask_y(t, &next, 0, MR, nv);
        }
        vec acc[MR][NV];
        tile_begin(acc, t, &p, nv);
        SM_FOR (i, AHEAD) load_quads(ahead[i], turns_end + i * MR);
        for (; index < turns_end; index += TURN, value += 2 * MR) {
            uint32_t now_pairs[QUADS];
            uint64_t now_quads[QUADS];
            SM_FOR (q, QUADS) now_pairs[q] = pairs[q];
            SM_FOR (q, QUADS) now_quads[q] = quads[q];
            load_pairs(pairs, index + TURN);
            load_quads(quads, index + TURN + SHARED);
            ask_lines(s, index, value);
            shared_step(acc, now_pairs, value, s, nv);
            single_step(acc, now_quads, value + MR, s, nv);
        }
        if (ASKS_Y && t->last) ask_y(t, &p, MR / 2, MR, nv);
        for (; index < end; index += MR, value += MR) {
            uint64_t now[QUADS];
            SM_FOR (q, QUADS) now[q] = ahead[0][q];
            SM_FOR (i, AHEAD - 1)
                SM_FOR (q, QUADS) ahead[i][q] = ahead[i + 1][q];
            load_quads(ahead[AHEAD - 1], index + SM_OFFSETS_AHEAD);
            ask_lines(s, index, value);
            single_step(acc, now, value, s, nv);
        }
        tile_end(acc, t, p, nv);
    }
}

#endif
