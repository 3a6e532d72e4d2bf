/* The maximum of every 2 x 2 pixels. */
#ifndef MAXPOOL_H
#define MAXPOOL_H

#include <stddef.h>

/* Maps with the batch innermost: element (c, i, j, b) of x is x[c * x_rs + (i * width + j) * batch
 * + b], and of y is y[c * y_rs + (i * (width / 2) + j) * y_pixel + b]. rows x (width / 2) pixels of
 * channels [begin, end) are written; an odd last column of x is not read. */
typedef struct maxpool_args {
    const float *x;
    float *y;
    size_t x_rs, y_rs, y_pixel;
    size_t rows, width, batch;
} maxpool_args;

void maxpool(const maxpool_args *args, size_t begin, size_t end);

#endif
