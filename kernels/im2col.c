/* Strips of a convolution's unfolded image (im2col), packed straight from the image: row k of it is
 * a channel and a place in the window, column n an output pixel and an image. Here one column at a
 * time, for levels without AVX2 and for kernels that want columns. */
#include "im2col_avx2.h"
#include "strip.h"
#include <string.h>

/* Rows [k0, k0 + k) of column n, to[i * to_rs]. */
static void pack_column(const sm_conv_args *c, size_t n, size_t k0, size_t k, float *to,
                        size_t to_rs) {
    const size_t pixel = n / c->batch, window = c->kernel_h * c->kernel_w;
    const ptrdiff_t top = (ptrdiff_t)(pixel / c->out_w * c->stride_h) - c->pad_top;
    const ptrdiff_t left = (ptrdiff_t)(pixel % c->out_w * c->stride_w) - c->pad_left;
    const float *x = c->x + (ptrdiff_t)(k0 / window) * c->x_rs + n % c->batch;
    size_t p = k0 % window / c->kernel_w, q = k0 % c->kernel_w; /* place in the window */
    for (; k > 0; k--, to += to_rs) {
        const ptrdiff_t i = top + (ptrdiff_t)p, j = left + (ptrdiff_t)q;
        const int outside = i < 0 || i >= (ptrdiff_t)c->height || j < 0 || j >= (ptrdiff_t)c->width;
        *to = outside ? 0 : x[(i * (ptrdiff_t)c->width + j) * (ptrdiff_t)c->batch];
        if (++q < c->kernel_w) continue;
        q = 0;
        if (++p < c->kernel_h) continue;
        p = 0;
        x += c->x_rs;
    }
}

void sm_im2col_pack(const sm_conv_args *c, size_t n0, size_t n, size_t k0, size_t k, size_t nr,
                    sm_strips how, float *strip) {
    if (how != SM_STRIPS_BASE) {
        sm_im2col_avx2(c, n0, n, k0, k, nr, sm_set_columns(n, nr), strip);
        return;
    }
    for (size_t j = 0; j < n; j++) pack_column(c, n0 + j, k0, k, strip + j, nr);
    sm_strip_clear(strip, k, n, nr);
}

void sm_im2col_pack_columns(const sm_conv_args *c, size_t n0, size_t n, size_t k0, size_t k,
                            float *strip) {
    const size_t pitch = sm_column_pitch(k);
    for (size_t j = 0; j < n; j++, strip += pitch) {
        pack_column(c, n0 + j, k0, k, strip, 1);
        memset(strip + k, 0, (pitch - k) * sizeof *strip);
    }
}
