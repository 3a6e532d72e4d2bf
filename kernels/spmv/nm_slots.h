/* SpMV over slots: lanes are rows, and each picks its element of X from a window of MR columns with
 * one permutation in registers, where a gather would need a load a lane. The including file says
 * how to ask for values and indices that are used later, if at all. W: formats/nm.c, X: packed
 * strip of one column, Y: MR rows in a register. Limit: load ports when cached (X, values and
 * nibbles: three loads a slot), else the weight stream, 4.6 bytes a value of 16 lanes. Four chains
 * hide the latency of the FMA. Idea: sliced ELLPACK (Monakov and others, 2010), with windows so
 * that X needs no gather. */
#ifndef SM_NM_SLOTS_H
#define SM_NM_SLOTS_H

#include "isa/body.h"

_Static_assert(NR == 1 && MR % 8 == 0, "whole 32-bit words of nibbles, one column");
_Static_assert(MR == VL || VL == 1, "the window is what one register holds");
enum { CHAINS = 4, LV = MR / VL, WORDS = 1 + MR / 4 };

#if VL == 16
SM_INLINE vec pick(const float *x, const uint16_t *index, size_t lane) {
    (void)lane;
    const __m512i turns =
        _mm512_setr_epi32(0, 0, 4, 4, 8, 8, 12, 12, 16, 16, 20, 20, 24, 24, 28, 28);
    int64_t nibbles;
    __builtin_memcpy(&nibbles, index + 1, sizeof nibbles);
    return _mm512_permutexvar_ps(_mm512_srlv_epi32(_mm512_set1_epi64(nibbles), turns),
                                 vec_loadu(x + index[0]));
}
#elif VL == 8
SM_INLINE vec pick(const float *x, const uint16_t *index, size_t lane) {
    (void)lane;
    const __m256i turns = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
    int32_t nibbles;
    __builtin_memcpy(&nibbles, index + 1, sizeof nibbles);
    return _mm256_permutevar8x32_ps(vec_loadu(x + index[0]),
                                    _mm256_srlv_epi32(_mm256_set1_epi32(nibbles), turns));
}
#else
SM_INLINE vec pick(const float *x, const uint16_t *index, size_t lane) {
    const sm_nibble n = sm_nibble_of(MR, lane);
    return x[index[0] + (index[1 + n.word] >> n.shift & 15)];
}
#endif

SM_INLINE void slot(vec acc[LV], const float *x, const uint16_t *index, const float *value) {
    SM_FOR (j, LV) acc[j] = vec_fma(vec_load(value + j * VL), pick(x, index, j * VL), acc[j]);
}

void SM_SYMBOL(const sm_packed *w, const sm_tile *t) {
    const size_t segment = t->block * w->tiles + t->tile;
    const size_t rows = sm_block_rows(w, t->block), cols = sm_tile_cols(w, t->tile);
    const uint32_t *count = w->head32 + w->head_at[segment];
    const uint16_t *index = w->index16 + w->index_at[segment];
    const float *value = w->value + w->value_at[segment];
    const float *x = t->x;
    uintptr_t value_page = pages_of(w, value), index_page = pages_of(w, index);
    float few[VL];
    if (cols < VL) { /* a window is loaded whole: X may end before it does */
        for (size_t k = 0; k < VL; k++) few[k] = k < cols ? x[k] : 0.0f;
        x = few;
    }
    for (size_t r0 = 0; r0 < rows; r0 += MR, count++) {
        vec acc[CHAINS][LV];
        SM_FOR (q, CHAINS)
            SM_FOR (j, LV) acc[q][j] = vec_set1(0.0f);
        size_t i = 0;
        for (; i + CHAINS <= *count; i += CHAINS, index += CHAINS * WORDS, value += CHAINS * MR) {
            SM_FOR (q, CHAINS * MR / LINE) ASK_VALUE(value + WEIGHTS_AHEAD + q * LINE);
            if (ASK_PAGES) {
                ask_pages(&value_page, value);
                ask_pages(&index_page, index);
            }
            ASK_INDEX(index + WEIGHTS_AHEAD * WORDS / MR);
            SM_FOR (q, CHAINS) slot(acc[q], x, index + q * WORDS, value + q * MR);
        }
        for (; i < *count; i++, index += WORDS, value += MR) slot(acc[0], x, index, value);
        for (size_t q = 1; q < CHAINS; q++)
            SM_FOR (j, LV) acc[0][j] = vec_add(acc[0][j], acc[q][j]);
        lanes_end(acc[0], t, r0, rows);
    }
}

#endif
