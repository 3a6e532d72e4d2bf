/* SpMV over a bitmap: lanes are rows; per column the stored values are spread to the lanes whose
 * bit is set, and the others become zero. W: formats/bitmap.c, X: packed strip of one column, Y: MR
 * rows in registers. Limit: the weight stream (4 bytes a nonzero and one bit a weight) when W comes
 * from memory, else the time to spread 16 weights, whatever their density: about two cycles on a
 * Zen 4. Idea: AVX-512 has an instruction for it, and AVX2 a permutation from a table of all bytes
 * (Lemire and others use it the other way round, to compress). */
#include "isa/body.h"

_Static_assert(NR == 1 && MR == 16 && MR % VL == 0, "a 16-bit word a column, one column");
enum {
    LV = MR / VL,
    CHAINS = LV < 4 ? 4 / LV : 1, /* four FMAs in flight hide latency */
    ASKING = 64                   /* columns for each time that pages are asked for */
};

#if VL == 16
SM_INLINE void column(vec acc[LV], unsigned bits, const float *value, vec x) {
    acc[0] = vec_fma(vec_expand(value, bits), x, acc[0]);
}
#elif VL == 8
/* Byte j of entry b: how many bits of b are set below bit j, and its sign where bit j is not. */
#define RANK(b, j) ((b) >> (j)&1 ? (int8_t)__builtin_popcount((b) & ((1u << (j)) - 1)) : INT8_MIN)
#define SPREAD(b)                                                                                  \
    {                                                                                              \
        RANK(b, 0), RANK(b, 1), RANK(b, 2), RANK(b, 3), RANK(b, 4), RANK(b, 5), RANK(b, 6),        \
            RANK(b, 7)                                                                             \
    }
#define SPREAD4(b) SPREAD(b), SPREAD(b + 1u), SPREAD(b + 2u), SPREAD(b + 3u)
#define SPREAD16(b) SPREAD4(b), SPREAD4(b + 4u), SPREAD4(b + 8u), SPREAD4(b + 12u)
#define SPREAD64(b) SPREAD16(b), SPREAD16(b + 16u), SPREAD16(b + 32u), SPREAD16(b + 48u)
static const int8_t spread[256][8] = {SPREAD64(0u), SPREAD64(64u), SPREAD64(128u), SPREAD64(192u)};

SM_INLINE void column(vec acc[LV], unsigned bits, const float *value, vec x) {
    SM_FOR (j, LV) {
        const unsigned byte = bits >> 8 * j & 255;
        const __m256i from = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)spread[byte]));
        const vec w = _mm256_permutevar8x32_ps(vec_loadu(value), from);
        acc[j] =
            vec_fma(_mm256_blendv_ps(w, _mm256_setzero_ps(), _mm256_castsi256_ps(from)), x, acc[j]);
        value += __builtin_popcount(byte);
    }
}
#else
SM_INLINE void column(vec acc[LV], unsigned bits, const float *value, vec x) {
    for (; bits; bits &= bits - 1) {
        const int r = __builtin_ctz(bits);
        acc[r] = vec_fma(*value++, x, acc[r]);
    }
}
#endif

/* Values of the first q of some columns: each is counted from all bits at once, so that no column
 * waits for the one before. The bits are loaded once more as masks: from a general register a mask
 * takes a vector port. */
SM_INLINE size_t values_before(uint64_t columns, size_t q) {
    return q ? (size_t)__builtin_popcountll(columns << (64 - 16 * q)) : 0;
}

void SM_SYMBOL(const sm_packed *w, const sm_tile *t) {
    const size_t segment = t->block * w->tiles + t->tile;
    const size_t rows = sm_block_rows(w, t->block), cols = sm_tile_cols(w, t->tile);
    const uint16_t *bits = w->index16 + w->index_at[segment];
    const float *value = w->value + w->value_at[segment];
    uintptr_t value_page = pages_of(w, value), bits_page = pages_of(w, bits);
    for (size_t r0 = 0; r0 < rows; r0 += MR, bits += cols) {
        vec acc[CHAINS][LV];
        SM_FOR (q, CHAINS)
            SM_FOR (j, LV) acc[q][j] = vec_set1(0.0f);
        size_t k = 0;
        for (size_t end = 0; end < cols;) {
            ask_pages(&value_page, value);
            ask_pages(&bits_page, bits + k);
            end = sm_min_size(end + ASKING, cols);
            for (; k + CHAINS <= end; k += CHAINS) {
                ask_weights(value, CHAINS * MR / LINE / 2); /* what half of the weights fill */
                uint64_t columns = 0;
                __builtin_memcpy(&columns, bits + k, CHAINS * sizeof *bits);
                SM_FOR (q, CHAINS)
                    column(acc[q], bits[k + q], value + values_before(columns, q),
                           vec_bcast(t->x + k + q));
                value += values_before(columns, CHAINS);
            }
        }
        for (; k < cols; value += __builtin_popcount(bits[k]), k++)
            column(acc[0], bits[k], value, vec_bcast(t->x + k));
        for (size_t q = 1; q < CHAINS; q++)
            SM_FOR (j, LV) acc[0][j] = vec_add(acc[0][j], acc[q][j]);
        lanes_end(acc[0], t, r0, rows);
    }
}
