/* Strips of X and tiles of Y between the caller's layout and the kernels'. Baseline x86-64 code:
 * the transposes work on 4 x 4 blocks in SSE registers, or are left to strip_avx2.c. Strips of
 * images (im2col) are copies of runs of pixels; with many images a run is as long as a strip is
 * wide, and costs what a row of a matrix does. */
#include "isa/intrin.h"
#include "packed.h"
#include "strip_avx2.h"
#include <string.h>

/* dst[i * dst_rs + j] = src[j * src_rs + i] for i < rows, j < cols. */
static void transpose(const float *src, size_t src_rs, float *dst, size_t dst_rs, size_t rows,
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

/* Runs may be short: no call for those. */
enum { RUN_CALL = 32, RUN_WORD = 4 };

static inline void clear_run(float *dst, size_t n) {
    const __m128 zeros = _mm_setzero_ps();
    if (n >= RUN_CALL) {
        memset(dst, 0, n * sizeof *dst);
    } else if (n >= RUN_WORD) {
        for (size_t j = 0; j + RUN_WORD < n; j += RUN_WORD) _mm_storeu_ps(dst + j, zeros);
        _mm_storeu_ps(dst + n - RUN_WORD, zeros);
    } else {
        if (n > 0) dst[0] = 0;
        if (n > 1) dst[1] = 0;
        if (n > 2) dst[2] = 0;
    }
}

/* Columns of a strip that are set, n of them to those of X and the rest to zero: kernels read whole
 * vectors. */
static size_t set_columns(size_t n, size_t nr) {
    enum { LONGEST = 16 };
    return sm_min_size(sm_round_up(n, LONGEST), nr);
}

static void clear_columns(float *strip, size_t k, size_t n, size_t nr) {
    const size_t end = set_columns(n, nr);
    if (n < end)
        for (size_t i = 0; i < k; i++) clear_run(strip + i * nr + n, end - n);
}

void sm_strip_pack(const float *x, ptrdiff_t x_rs, ptrdiff_t x_cs, size_t k, size_t n, size_t nr,
                   sm_strips how, float *strip) {
    if (x_cs == 1 && how != SM_STRIPS_BASE) {
        sm_copy_avx2(x, (size_t)x_rs, strip, nr, k, n, set_columns(n, nr), how == SM_STRIPS_ASKING);
        return;
    } else if (x_cs == 1) {
        copy(x, (size_t)x_rs, strip, nr, k, n);
    } else if (how != SM_STRIPS_BASE) {
        sm_transpose_avx2(x, (size_t)x_cs, strip, nr, k, n, 0, how == SM_STRIPS_ASKING);
    } else {
        transpose(x, (size_t)x_cs, strip, nr, k, n);
    }
    clear_columns(strip, k, n, nr);
}

void sm_strip_pack_columns(const float *x, ptrdiff_t x_rs, ptrdiff_t x_cs, size_t k, size_t n,
                           sm_strips how, float *strip) {
    const size_t pitch = sm_column_pitch(k);
    if (x_rs != 1 && how != SM_STRIPS_BASE)
        sm_transpose_avx2(x, (size_t)x_rs, strip, pitch, n, k, 0, 0);
    else if (x_rs != 1)
        transpose(x, (size_t)x_rs, strip, pitch, n, k);
    for (size_t j = 0; j < n; j++, strip += pitch) {
        if (x_rs == 1) memcpy(strip, x + (ptrdiff_t)j * x_cs, k * sizeof *strip);
        memset(strip + k, 0, (pitch - k) * sizeof *strip);
    }
}

static inline void copy_run(float *dst, const float *src, size_t n) {
    if (n >= RUN_CALL) {
        memcpy(dst, src, n * sizeof *dst);
    } else if (n >= RUN_WORD) { /* the last word overlaps the one before */
        for (size_t j = 0; j + RUN_WORD < n; j += RUN_WORD)
            _mm_storeu_ps(dst + j, _mm_loadu_ps(src + j));
        _mm_storeu_ps(dst + n - RUN_WORD, _mm_loadu_ps(src + n - RUN_WORD));
    } else {
        if (n > 0) dst[0] = src[0];
        if (n > 1) dst[1] = src[1];
        if (n > 2) dst[2] = src[2];
    }
}

/* n columns from image b of output pixel (row, col) on, which lie in memory one after the other in
 * the input as well: within one row, and within one pixel where pixels are skipped. Rows [k0, k1)
 * of the unfolded image. */
static void pack_run(const sm_conv_args *c, size_t row, size_t col, size_t b, size_t n, size_t k0,
                     size_t k1, size_t nr, float *strip) {
    const ptrdiff_t count = (ptrdiff_t)n, batch = (ptrdiff_t)c->batch;
    const ptrdiff_t width = (ptrdiff_t)c->width * batch; /* of a row, in elements */
    const ptrdiff_t top = (ptrdiff_t)(row * c->stride_h) - c->pad_top;
    const ptrdiff_t left = ((ptrdiff_t)(col * c->stride_w) - c->pad_left) * batch + (ptrdiff_t)b;
    const size_t window = c->kernel_h * c->kernel_w;
    size_t q = k0 % c->kernel_w, p = k0 % window / c->kernel_w; /* place in the window */
    const float *x = c->x + (ptrdiff_t)(k0 / window) * c->x_rs;
    for (size_t k = k0; k < k1; k++, strip += nr) {
        const ptrdiff_t i = top + (ptrdiff_t)p;
        const ptrdiff_t first = left + (ptrdiff_t)q * batch; /* the run within its row */
        ptrdiff_t begin = first < 0 ? -first : 0, end = width - first;
        if (end > count) end = count;
        if (i < 0 || i >= (ptrdiff_t)c->height || begin >= end) {
            clear_run(strip, n);
        } else {
            clear_run(strip, (size_t)begin);
            copy_run(strip + begin, x + i * width + first + begin, (size_t)(end - begin));
            clear_run(strip + end, (size_t)(count - end));
        }
        if (++q < c->kernel_w) continue;
        q = 0;
        if (++p < c->kernel_h) continue;
        p = 0;
        x += c->x_rs;
    }
}

void sm_strip_pack_conv(const sm_conv_args *c, size_t n0, size_t n, size_t k0, size_t k, size_t nr,
                        float *strip) {
    for (size_t done = 0, run; done < n; done += run) {
        const size_t pixel = (n0 + done) / c->batch, b = (n0 + done) % c->batch;
        const size_t row = pixel / c->out_w, col = pixel % c->out_w;
        run = (c->stride_w == 1 ? c->out_w - col : 1) * c->batch - b;
        run = sm_min_size(run, n - done);
        pack_run(c, row, col, b, run, k0, k0 + k, nr, strip + done);
    }
    clear_columns(strip, k, n, nr);
}

void sm_strip_pack_conv_columns(const sm_conv_args *c, size_t n0, size_t n, size_t k0, size_t k,
                                float *strip) {
    const size_t pitch = sm_column_pitch(k);
    for (size_t j = 0; j < n; j++, strip += pitch) {
        sm_strip_pack_conv(c, n0 + j, 1, k0, k, 1, strip);
        memset(strip + k, 0, (pitch - k) * sizeof *strip);
    }
}

void sm_strip_store(const float *tile, size_t nr, size_t rows, size_t n, sm_strips how, float *y,
                    ptrdiff_t y_cs) {
    if (how != SM_STRIPS_BASE)
        sm_transpose_avx2(tile, nr, y, (size_t)y_cs, n, rows, 1, how == SM_STRIPS_ASKING);
    else
        transpose(tile, nr, y, (size_t)y_cs, n, rows);
}
