/* Strips of X and tiles of Y between the caller's layout and the kernels'. Baseline x86-64 code:
 * the transposes work on 4 x 4 blocks in SSE registers, or are left to strip_avx2.c and
 * strip_avx512.c. */
#include "strip.h"
#include "isa/intrin.h"
#include "strip_avx2.h"
#include "strip_avx512.h"
#include <string.h>

static void transpose_base(const float *src, size_t src_rs, float *dst, size_t dst_rs, size_t rows,
                           size_t cols) {
    size_t j = 0;
    for (; j + 4 <= cols; j += 4) {
        const float *s = src + j * src_rs;
        float *d = dst + j;
        size_t i = 0;
        for (; i + 4 <= rows; i += 4) {
            __m128 a = _mm_loadu_ps(s + i), b = _mm_loadu_ps(s + src_rs + i);
            __m128 c = _mm_loadu_ps(s + 2 * src_rs + i), e = _mm_loadu_ps(s + 3 * src_rs + i);
            _MM_TRANSPOSE4_PS(a, b, c, e);
            _mm_storeu_ps(d + i * dst_rs, a);
            _mm_storeu_ps(d + (i + 1) * dst_rs, b);
            _mm_storeu_ps(d + (i + 2) * dst_rs, c);
            _mm_storeu_ps(d + (i + 3) * dst_rs, e);
        }
        for (; i < rows; i++)
            for (size_t q = 0; q < 4; q++) d[i * dst_rs + q] = s[q * src_rs + i];
    }
    for (; j < cols; j++)
        for (size_t i = 0; i < rows; i++) dst[i * dst_rs + j] = src[j * src_rs + i];
}

/* dst[i * dst_rs + j] = src[j * src_rs + i] for i < rows, j < cols; dst_far: see strip_avx2.h. */
static void transpose(const float *src, size_t src_rs, float *dst, size_t dst_rs, size_t rows,
                      size_t cols, int dst_far, sm_strips how) {
    if (how == SM_STRIPS_BASE)
        transpose_base(src, src_rs, dst, dst_rs, rows, cols);
    else if (how == SM_STRIPS_AVX512)
        sm_transpose_avx512(src, src_rs, dst, dst_rs, rows, cols, dst_far);
    else
        sm_transpose_avx2(src, src_rs, dst, dst_rs, rows, cols, dst_far, how == SM_STRIPS_ASKING);
}

/* dst[i * dst_rs + j] = src[i * src_rs + j] for i < rows, j < cols. Rows are of some 32 to 400
 * bytes, too few for a call of memcpy() each. */
static void copy(const float *src, size_t src_rs, float *dst, size_t dst_rs, size_t rows,
                 size_t cols) {
    for (; rows > 0; rows--, src += src_rs, dst += dst_rs) {
        size_t j = 0;
        for (; j + 4 <= cols; j += 4) _mm_storeu_ps(dst + j, _mm_loadu_ps(src + j));
        for (; j < cols; j++) dst[j] = src[j];
    }
}

void sm_strip_clear(float *strip, size_t k, size_t n, size_t nr) {
    const size_t end = sm_set_columns(n, nr);
    for (; k > 0; k--, strip += nr)
        for (size_t j = n; j < end; j++) strip[j] = 0;
}

void sm_strip_pack(const float *x, ptrdiff_t x_rs, ptrdiff_t x_cs, size_t k, size_t n, size_t nr,
                   sm_strips how, float *strip) {
    if (x_cs == 1 && how != SM_STRIPS_BASE) {
        sm_copy_avx2(x, (size_t)x_rs, strip, nr, k, n, sm_set_columns(n, nr),
                     how == SM_STRIPS_ASKING);
        return;
    } else if (x_cs == 1) {
        copy(x, (size_t)x_rs, strip, nr, k, n);
    } else {
        transpose(x, (size_t)x_cs, strip, nr, k, n, 0, how);
    }
    sm_strip_clear(strip, k, n, nr);
}

void sm_strip_pack_columns(const float *x, ptrdiff_t x_rs, ptrdiff_t x_cs, size_t k, size_t n,
                           sm_strips how, float *strip) {
    const size_t pitch = sm_column_pitch(k);
    if (x_rs != 1)
        transpose(x, (size_t)x_rs, strip, pitch, n, k, 0,
                  how == SM_STRIPS_ASKING ? SM_STRIPS_AVX2 : how);
    for (size_t j = 0; j < n; j++, strip += pitch) {
        if (x_rs == 1) memcpy(strip, x + (ptrdiff_t)j * x_cs, k * sizeof *strip);
        memset(strip + k, 0, (pitch - k) * sizeof *strip);
    }
}

void sm_strip_store(const float *tile, size_t nr, size_t rows, size_t n, sm_strips how, float *y,
                    ptrdiff_t y_cs) {
    transpose(tile, nr, y, (size_t)y_cs, n, rows, 1, how);
}
