/* Transposes of 16 x 8 blocks in 512-bit registers, eight rows of dst a whole cache line each.
 * Limit: shuffle ports, 24 shuffles and 16 loads for eight lines, where strip_avx2.c has 32 and 32:
 * 1.2 for 2.0 TSC ticks a line in L1 of a Zen 5; then, 1.8 to 2.8, the second cache. */
#include "strip_avx512.h"
#include "isa/intrin.h"
#include "sizes.h"
#include "strip_avx2.h"

/* Rows and columns of dst in a block, and how many columns in turn where rows are far apart. */
enum { ROWS = 8, COLS = 16, RUN = 128 };

/* Eight columns each of two rows of src. */
static inline __m512 halves(const float *low, const float *high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(low)), _mm256_loadu_ps(high),
                              1);
}

/* Four rows of dst. Quarters: four columns of rows 0, 4, 8 and 12 of src, of 1, 5, 9 and 13, ... */
static inline void four_rows(const __m512 quarters[4], float *dst, size_t dst_rs) {
    const __m512 low = _mm512_unpacklo_ps(quarters[0], quarters[1]);
    const __m512 high = _mm512_unpackhi_ps(quarters[0], quarters[1]);
    const __m512 next_low = _mm512_unpacklo_ps(quarters[2], quarters[3]);
    const __m512 next_high = _mm512_unpackhi_ps(quarters[2], quarters[3]);
    _mm512_storeu_ps(dst, _mm512_shuffle_ps(low, next_low, 0x44));
    _mm512_storeu_ps(dst + dst_rs, _mm512_shuffle_ps(low, next_low, 0xee));
    _mm512_storeu_ps(dst + 2 * dst_rs, _mm512_shuffle_ps(high, next_high, 0x44));
    _mm512_storeu_ps(dst + 3 * dst_rs, _mm512_shuffle_ps(high, next_high, 0xee));
}

/* Inlined, so that what the permutations are told by stays in registers. */
__attribute__((always_inline)) static inline void block(const float *src, size_t src_rs, float *dst,
                                                        size_t dst_rs) {
    const __m512i even = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
    const __m512i odd = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    __m512d both[8];
#pragma GCC unroll 8
    for (size_t r = 0; r < 8; r++, src += src_rs)
        both[r] = _mm512_castps_pd(halves(src, src + 8 * src_rs));
    __m512 low[4], high[4];
#pragma GCC unroll 4
    for (size_t r = 0; r < 4; r++) {
        low[r] = _mm512_castpd_ps(_mm512_permutex2var_pd(both[r], even, both[r + 4]));
        high[r] = _mm512_castpd_ps(_mm512_permutex2var_pd(both[r], odd, both[r + 4]));
    }
    four_rows(low, dst, dst_rs);
    four_rows(high, dst + 4 * dst_rs, dst_rs);
}

/* Two nests: one for both, with runs of a block or of RUN, keeps more addresses than there are
 * registers, and calls take 1 to 3 % longer. */
void sm_transpose_avx512(const float *src, size_t src_rs, float *dst, size_t dst_rs, size_t rows,
                         size_t cols, int dst_far) {
    const size_t whole_i = rows / ROWS * ROWS, whole_j = cols / COLS * COLS;
    if (dst_far) {
        for (size_t j0 = 0; j0 < whole_j; j0 += RUN)
            for (size_t i = 0; i < whole_i; i += ROWS)
                for (size_t j = j0; j < sm_min_size(j0 + RUN, whole_j); j += COLS)
                    block(src + j * src_rs + i, src_rs, dst + i * dst_rs + j, dst_rs);
    } else {
        for (size_t j = 0; j < whole_j; j += COLS)
            for (size_t i = 0; i < whole_i; i += ROWS)
                block(src + j * src_rs + i, src_rs, dst + i * dst_rs + j, dst_rs);
    }
    if (whole_j < cols)
        sm_transpose_avx2(src + whole_j * src_rs, src_rs, dst + whole_j, dst_rs, rows,
                          cols - whole_j, dst_far, 0);
    if (whole_i < rows)
        sm_transpose_avx2(src + whole_i, src_rs, dst + whole_i * dst_rs, dst_rs, rows - whole_i,
                          whole_j, dst_far, 0);
}
