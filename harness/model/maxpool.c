/* The maximum of every 2 x 2 pixels, a pixel of all images at once: loads decide, and the input
 * comes from the cache that the convolution left it in. */
#include "model/maxpool.h"

static inline float larger(float a, float b) {
    return a > b ? a : b;
}

static void pixel(const float *restrict top, const float *restrict bottom, size_t batch,
                  float *restrict y) {
    for (size_t b = 0; b < batch; b++)
        y[b] = larger(larger(top[b], top[batch + b]), larger(bottom[b], bottom[batch + b]));
}

void maxpool(const maxpool_args *a, size_t begin, size_t end) {
    for (size_t c = begin; c < end; c++)
        for (size_t i = 0; i < a->rows; i++)
            for (size_t j = 0; j < a->width / 2; j++) {
                const float *top = a->x + c * a->x_rs + (2 * i * a->width + 2 * j) * a->batch;
                float *y = a->y + c * a->y_rs + (i * (a->width / 2) + j) * a->y_pixel;
                pixel(top, top + a->width * a->batch, a->batch, y);
            }
}
