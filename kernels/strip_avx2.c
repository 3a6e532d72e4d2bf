/* Transposes of 8 x 8 blocks, and copies, in 256-bit registers.
 * Limit of the transposes: shuffle ports, 16 shuffles and 8 inserting loads a block; then cache
 * lines, see strip_avx2.h. Of the copies: the bandwidth of the cache that holds X. */
#include "strip_avx2.h"
#include "isa/vec_avx2.h"
#include "sizes.h"
#include <stdint.h>

enum { EDGE = 8, LINE = 16, CHUNK = 128 }; /* floats: of a block, of a cache line, of a turn */

/* The line of an element that is stored soon, perhaps behind the last; not touched. */
static inline void ask_for(const float *array, size_t element) {
    __builtin_prefetch((const void *)((uintptr_t)array + element * sizeof *array), 1);
}

static inline __m256 halves(const float *low, const float *high) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
}

/* Four rows of dst from the four columns of src that begin at src. */
static inline void four_rows(const float *src, size_t src_rs, float *dst, size_t dst_rs) {
    const __m256 a = halves(src, src + 4 * src_rs);
    const __m256 b = halves(src + src_rs, src + 5 * src_rs);
    const __m256 c = halves(src + 2 * src_rs, src + 6 * src_rs);
    const __m256 d = halves(src + 3 * src_rs, src + 7 * src_rs);
    const __m256 ab_low = _mm256_unpacklo_ps(a, b), ab_high = _mm256_unpackhi_ps(a, b);
    const __m256 cd_low = _mm256_unpacklo_ps(c, d), cd_high = _mm256_unpackhi_ps(c, d);
    _mm256_storeu_ps(dst, _mm256_shuffle_ps(ab_low, cd_low, 0x44));
    _mm256_storeu_ps(dst + dst_rs, _mm256_shuffle_ps(ab_low, cd_low, 0xee));
    _mm256_storeu_ps(dst + 2 * dst_rs, _mm256_shuffle_ps(ab_high, cd_high, 0x44));
    _mm256_storeu_ps(dst + 3 * dst_rs, _mm256_shuffle_ps(ab_high, cd_high, 0xee));
}

static inline void block(const float *src, size_t src_rs, float *dst, size_t dst_rs) {
    four_rows(src, src_rs, dst, dst_rs);
    four_rows(src + 4, src_rs, dst + 4 * dst_rs, dst_rs);
}

/* The part of a block that has fewer rows or columns, or both. */
static void part_of_block(const float *src, size_t src_rs, float *dst, size_t dst_rs, size_t rows,
                          size_t cols) {
    float in[EDGE * EDGE], out[EDGE * EDGE];
    for (size_t j = 0; j < EDGE; j++)
        vec_storeu(in + j * EDGE, j < cols ? vec_load_tail(src + j * src_rs, rows) : vec_set1(0));
    block(in, EDGE, out, EDGE);
    for (size_t i = 0; i < rows; i++)
        vec_store_tail(dst + i * dst_rs, vec_loadu(out + i * EDGE), cols);
}

/* Column j of eight rows from row i on. */
static inline void ask_for_rows(const float *dst, size_t dst_rs, size_t i, size_t j) {
    for (size_t r = 0; r < EDGE; r++) ask_for(dst, (i + r) * dst_rs + j);
}

/* What is asked for is the next block's: the rows below, or the line to the right. */
void sm_transpose_avx2(const float *src, size_t src_rs, float *dst, size_t dst_rs, size_t rows,
                       size_t cols, int dst_far, int ask) {
    const size_t whole_i = rows / EDGE * EDGE, whole_j = cols / EDGE * EDGE;
    if (dst_far) {
        for (size_t j0 = 0; j0 < whole_j; j0 += CHUNK)
            for (size_t i = 0; i < whole_i; i += EDGE)
                for (size_t j = j0; j < sm_min_size(j0 + CHUNK, whole_j); j += EDGE) {
                    if (ask && j % LINE == 0) ask_for_rows(dst, dst_rs, i, j + LINE);
                    block(src + j * src_rs + i, src_rs, dst + i * dst_rs + j, dst_rs);
                }
    } else {
        for (size_t i0 = 0; i0 < whole_i; i0 += CHUNK)
            for (size_t j = 0; j < whole_j; j += EDGE)
                for (size_t i = i0; i < sm_min_size(i0 + CHUNK, whole_i); i += EDGE) {
                    if (ask) ask_for_rows(dst, dst_rs, i + EDGE, j);
                    block(src + j * src_rs + i, src_rs, dst + i * dst_rs + j, dst_rs);
                }
    }
    for (size_t i = 0; i < whole_i && whole_j < cols; i += EDGE)
        part_of_block(src + whole_j * src_rs + i, src_rs, dst + i * dst_rs + whole_j, dst_rs, EDGE,
                      cols - whole_j);
    for (size_t j = 0; j < cols && whole_i < rows; j += EDGE)
        part_of_block(src + j * src_rs + whole_i, src_rs, dst + whole_i * dst_rs + j, dst_rs,
                      rows - whole_i, sm_min_size(cols - j, EDGE));
}

/* Rows of so many whole vectors, a constant: to loop over those of a row takes longer than to
 * fetch its lines. Then so many columns more, and a vector of zeros or not. */
static inline void copy_rows(const float *src, size_t src_rs, float *dst, size_t dst_rs,
                             size_t rows, const size_t vectors, size_t more, int zeros,
                             const int ask) {
    enum { AHEAD = 8 }; /* rows */
    const size_t whole = vectors * EDGE, set = whole + (more > 0 ? EDGE : 0);
    for (; rows > 0; rows--, src += src_rs, dst += dst_rs) {
        if (ask)
#pragma GCC unroll 8
            for (size_t j = 0; j < whole; j += LINE) ask_for(dst, AHEAD * dst_rs + j);
#pragma GCC unroll 8
        for (size_t j = 0; j < whole; j += EDGE)
            _mm256_storeu_ps(dst + j, _mm256_loadu_ps(src + j));
        if (more > 0) _mm256_storeu_ps(dst + whole, vec_load_tail(src + whole, more));
        if (zeros) _mm256_storeu_ps(dst + set, _mm256_setzero_ps());
    }
}

enum { WIDEST = 8 * EDGE };
static inline void copy_columns(const float *src, size_t src_rs, float *dst, size_t dst_rs,
                                size_t rows, size_t cols, size_t end, const int ask) {
    const size_t more = cols % EDGE;
    const int zeros = end > (cols + EDGE - 1) / EDGE * EDGE;
#define SM_CASE(v)                                                                                 \
    case v:                                                                                        \
        copy_rows(src, src_rs, dst, dst_rs, rows, v, more, zeros, ask);                            \
        break
    switch (cols / EDGE) {
        SM_CASE(0);
        SM_CASE(1);
        SM_CASE(2);
        SM_CASE(3);
        SM_CASE(4);
        SM_CASE(5);
        SM_CASE(6);
        SM_CASE(7);
        SM_CASE(8);
    }
#undef SM_CASE
}

void sm_copy_avx2(const float *src, size_t src_rs, float *dst, size_t dst_rs, size_t rows,
                  size_t cols, size_t end, int ask) {
    for (size_t j = 0; j < cols; j += WIDEST) {
        const size_t some = sm_min_size(cols - j, WIDEST), to = sm_min_size(end - j, WIDEST);
        if (ask)
            copy_columns(src + j, src_rs, dst + j, dst_rs, rows, some, to, 1);
        else
            copy_columns(src + j, src_rs, dst + j, dst_rs, rows, some, to, 0);
    }
}
