/* A few columns of X over slots: lanes are rows, and each picks its element of a column from a
 * window of MR elements with one permutation in registers, where a gather would need a load a lane.
 * Where they pick is unpacked once for all columns. The including file says how to ask for values
 * and indices that are used later, if at all. W: formats/nm.c, X and Y: column by column, MR rows
 * of a column in a register. Limit when cached: for one column the load ports (X, values and
 * nibbles: three loads a slot, and windows cross cache lines), for n of them the shuffle port and
 * the FMAs beside it, n + 1/2 cycles a slot of 16 on Intel's cores; else the weight stream, 4.6
 * bytes a value of 16 lanes. Four FMAs in flight hide their latency. Idea: sliced ELLPACK (Monakov
 * and others, 2010), with windows so that X needs no gather. */
#ifndef SM_NM_SLOTS_H
#define SM_NM_SLOTS_H

#include "isa/lanes.h"

_Static_assert(NR <= 8 && MR % 8 == 0, "whole 32-bit words of nibbles, few columns");
_Static_assert(MR == VL || VL == 1, "the window is what one register holds");
enum {
    TURN = 4, /* slots */
    WORDS = 1 + MR / 4,
    ASKING = SM_PAGE / (MR * 4) /* slots for each time that pages are asked for */
};

#if VL == 16
typedef __m512i places;
SM_INLINE places places_of(const uint16_t *index) {
    const __m512i turns =
        _mm512_setr_epi32(0, 0, 4, 4, 8, 8, 12, 12, 16, 16, 20, 20, 24, 24, 28, 28);
    int64_t nibbles;
    __builtin_memcpy(&nibbles, index + 1, sizeof nibbles);
    return _mm512_srlv_epi32(_mm512_set1_epi64(nibbles), turns);
}
SM_INLINE vec pick(const float *window, places p, size_t lane) {
    (void)lane;
    return _mm512_permutexvar_ps(p, vec_loadu(window));
}
#elif VL == 8
typedef __m256i places;
SM_INLINE places places_of(const uint16_t *index) {
    const __m256i turns = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    int32_t nibbles;
    __builtin_memcpy(&nibbles, index + 1, sizeof nibbles);
    return _mm256_srlv_epi32(_mm256_set1_epi32(nibbles), turns);
}
SM_INLINE vec pick(const float *window, places p, size_t lane) {
    (void)lane;
    return _mm256_permutevar8x32_ps(vec_loadu(window), p);
}
#else
typedef const uint16_t *places;
SM_INLINE places places_of(const uint16_t *index) {
    return index + 1;
}
SM_INLINE vec pick(const float *window, places p, size_t lane) {
    const sm_nibble n = sm_nibble_of(MR, lane);
    return window[p[n.word] >> n.shift & 15];
}
#endif

SM_INLINE void slot(vec acc[NR][LV], const sm_tile *t, const size_t n, const uint16_t *index,
                    const float *value) {
    const float *window = t->x + index[0];
    const places p = places_of(index);
    SM_FOR (j, LV) {
        const vec load = vec_load(value + j * VL), v = n > 1 ? in_register(load) : load;
        SM_FOR (c, n)
            acc[c][j] = vec_fma(v, pick(window + (ptrdiff_t)c * t->x_cs, p, j * VL), acc[c][j]);
    }
}

SM_INLINE void columns(const sm_packed *w, const sm_tile *t, const size_t n) {
    const size_t segment = t->block * w->tiles + t->tile, rows = sm_block_rows(w, t->block);
    const size_t chains = n >= TURN ? 1 : TURN / n;
    const uint32_t *count = w->head32 + w->head_at[segment];
    const uint16_t *index = w->index16 + w->index_at[segment];
    const float *value = w->value + w->value_at[segment];
    for (size_t r0 = 0; r0 < rows; r0 += MR, count++) {
        vec acc[TURN][NR][LV];
        SM_FOR (q, chains)
            SM_FOR (c, n)
                SM_FOR (j, LV) acc[q][c][j] = vec_set1(0.0f);
        size_t i = 0;
        const uint32_t slots = *count & ~SM_ROWS_GIVEN;
        while (i + TURN <= slots) {
            const size_t end = ASK_PAGES ? sm_min_size(i + ASKING, slots) : slots;
            if (ASK_PAGES) {
                ask_pages(w, value, value + (end - i) * MR);
                ask_pages(w, index, index + (end - i) * WORDS);
            }
            for (; i + TURN <= end; i += TURN, index += TURN * WORDS, value += TURN * MR) {
                SM_FOR (q, TURN * MR / LINE) ASK_VALUE(value + WEIGHTS_AHEAD + q * LINE);
                ASK_INDEX(index + WEIGHTS_AHEAD * WORDS / MR);
                SM_FOR (q, TURN) slot(acc[q % chains], t, n, index + q * WORDS, value + q * MR);
            }
        }
        for (; i < slots; i++, index += WORDS, value += MR) slot(acc[0], t, n, index, value);
        const uint16_t *row = *count & SM_ROWS_GIVEN ? index : NULL;
        if (row) index += MR;
        SM_FOR (c, n) {
            chains_add(acc, chains, c);
            if (!row) {
                lanes_end(acc[0][c], t, r0, rows, c);
                continue;
            }
            float lane[MR];
            SM_FOR (j, LV) vec_storeu(lane + j * VL, acc[0][c][j]);
            given_lanes_end(lane, t, row, panel_rows(rows, r0), c);
        }
    }
}

KERNEL_OF_FEW_COLUMNS(columns, NM_TRAITS)

#endif
