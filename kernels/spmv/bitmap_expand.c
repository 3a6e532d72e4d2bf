/* A few columns of X over a bitmap: lanes are rows; per column of W the stored values are spread,
 * once for all columns of X, to the lanes whose bit is set, and the others become zero.
 * W: formats/bitmap.c, X and Y: column by column, MR rows of a column in registers. Limit: the
 * weight stream (4 bytes a nonzero and one bit a weight) when W comes from memory, else the time to
 * spread 16 weights, whatever their density: about two cycles on a Zen 4. Idea: AVX-512 has an
 * instruction for it, and AVX2 a permutation from a table of all bytes (Lemire and others use it
 * the other way round, to compress). */
#include "isa/lanes.h"

_Static_assert(NR <= 8 && MR == 16 && MR % VL == 0, "a 16-bit word a column, few columns");
enum {
    TURN = VL == 8 ? 2 : 4,
    ASKING = 64 /* columns for each time that pages are asked for */
};

#if VL == 16
SM_INLINE void spread(vec w[LV], unsigned bits, const float *value) {
    w[0] = vec_expand(value, bits);
}
#elif VL == 8
/* Byte j of entry b: how many bits of b are set below bit j, and its sign where bit j is not. */
#define RANK(b, j) ((b) >> (j)&1 ? (int8_t)__builtin_popcount((b) & ((1u << (j)) - 1)) : INT8_MIN)
#define RANKS(b)                                                                                   \
    {                                                                                              \
        RANK(b, 0), RANK(b, 1), RANK(b, 2), RANK(b, 3), RANK(b, 4), RANK(b, 5), RANK(b, 6),        \
            RANK(b, 7)                                                                             \
    }
#define RANKS4(b) RANKS(b), RANKS(b + 1u), RANKS(b + 2u), RANKS(b + 3u)
#define RANKS16(b) RANKS4(b), RANKS4(b + 4u), RANKS4(b + 8u), RANKS4(b + 12u)
#define RANKS64(b) RANKS16(b), RANKS16(b + 16u), RANKS16(b + 32u), RANKS16(b + 48u)
static const int8_t ranks[256][8] = {RANKS64(0u), RANKS64(64u), RANKS64(128u), RANKS64(192u)};

SM_INLINE void spread(vec w[LV], unsigned bits, const float *value) {
    SM_FOR (j, LV) {
        const unsigned byte = bits >> 8 * j & 255;
        const __m256i from = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)ranks[byte]));
        const vec all = _mm256_permutevar8x32_ps(vec_loadu(value), from);
        w[j] = _mm256_blendv_ps(all, _mm256_setzero_ps(), _mm256_castsi256_ps(from));
        value += __builtin_popcount(byte);
    }
}
#else
SM_INLINE void spread(vec w[LV], unsigned bits, const float *value) {
    SM_FOR (r, LV) w[r] = bits >> r & 1 ? *value++ : 0.0f;
}
#endif

SM_INLINE void column(vec acc[NR][LV], const sm_tile *t, const size_t n, size_t k, unsigned bits,
                      const float *value) {
    vec w[LV];
    spread(w, bits, value);
    SM_FOR (c, n) {
        const vec x = vec_bcast(t->x + (ptrdiff_t)c * t->x_cs + k);
        SM_FOR (j, LV) acc[c][j] = vec_fma(w[j], x, acc[c][j]);
    }
}

/* Values of the first q of some columns: each is counted from all bits at once, so that no column
 * waits for the one before. The bits are loaded once more as masks: from a general register a mask
 * takes a vector port. */
SM_INLINE size_t values_before(uint64_t columns, size_t q) {
    return q ? (size_t)__builtin_popcountll(columns << (64 - 16 * q)) : 0;
}

SM_INLINE void columns(const sm_packed *w, const sm_tile *t, const size_t n) {
    const size_t segment = t->block * w->tiles + t->tile;
    const size_t rows = sm_block_rows(w, t->block), cols = sm_tile_cols(w, t->tile);
    const size_t chains = n * LV >= 4 ? 1 : 4 / LV / n; /* four FMAs in flight hide latency */
    const uint16_t *bits = w->index16 + w->index_at[segment];
    const float *value = w->value + w->value_at[segment];
    const float *asked = value;
    for (size_t r0 = 0; r0 < rows; r0 += MR, bits += cols) {
        vec acc[TURN][NR][LV];
        SM_FOR (q, chains)
            SM_FOR (c, n)
                SM_FOR (j, LV) acc[q][c][j] = vec_set1(0.0f);
        size_t k = 0;
        for (size_t end = 0; end < cols;) {
            end = sm_min_size(end + ASKING, cols);
            ask_pages(w, asked, value); /* how many come is not known before they are read */
            ask_pages(w, bits + k, bits + end);
            asked = value;
            for (; k + TURN <= end; k += TURN) {
                ask_weights(value, TURN * MR / LINE / 2); /* what half of the weights fill */
                uint64_t of_turn = 0;
                __builtin_memcpy(&of_turn, bits + k, TURN * sizeof *bits);
                SM_FOR (q, TURN)
                    column(acc[q % chains], t, n, k + q, bits[k + q],
                           value + values_before(of_turn, q));
                value += values_before(of_turn, TURN);
            }
        }
        for (; k < cols; value += __builtin_popcount(bits[k]), k++)
            column(acc[0], t, n, k, bits[k], value);
        SM_FOR (c, n) {
            chains_add(acc, chains, c);
            lanes_end(acc[0][c], t, r0, rows, c);
        }
    }
}

KERNEL_OF_FEW_COLUMNS(columns, SM_PLAIN)
