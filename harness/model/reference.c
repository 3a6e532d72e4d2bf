/* A network's logits by the definition, in double: plain loops over its dense weights. */
#include "model/network.h"
#include <stdlib.h>
#include <string.h>

/* One output pixel of one channel: w is [channels][kernel_h][kernel_w], outside is zero. */
static double at_pixel(const net_layer *l, const float *w, const double *x, size_t i, size_t j) {
    double sum = 0;
    for (size_t c = 0; c < l->channels; c++)
        for (size_t p = 0; p < l->kernel_h; p++)
            for (size_t q = 0; q < l->kernel_w; q++) {
                const size_t row = i + p - l->kernel_h / 2, col = j + q - l->kernel_w / 2;
                if (row >= l->height || col >= l->width) continue; /* below 0 as well */
                sum += (double)w[(c * l->kernel_h + p) * l->kernel_w + q] *
                       x[(c * l->height + row) * l->width + col];
            }
    return sum;
}

static void product(const net_layer *l, const float *w, const double *x, double *y) {
    const size_t pixels = net_layer_pixels(l), k = net_layer_cols(l);
    for (size_t m = 0; m < l->out; m++)
        for (size_t p = 0; p < pixels; p++) {
            const double sum =
                at_pixel(l, w + m * k, x, p / l->width, p % l->width) + (double)l->bias[m];
            y[m * pixels + p] = sum < (double)l->lo ? (double)l->lo : sum;
        }
}

/* In place: every element is written behind where it is read. */
static void max_pool(const net_layer *l, double *y) {
    const size_t rows = l->height / 2, cols = l->width / 2;
    for (size_t m = 0; m < l->out; m++)
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < cols; j++) {
                const double *from = y + (m * l->height + 2 * i) * l->width + 2 * j;
                double best = from[0];
                if (from[1] > best) best = from[1];
                if (from[l->width] > best) best = from[l->width];
                if (from[l->width + 1] > best) best = from[l->width + 1];
                y[(m * rows + i) * cols + j] = best;
            }
}

/* x becomes the layer's output; both arrays hold any layer's. */
static sm_status run_layer(const net_layer *l, double **x, double **y) {
    float *w = sm_alloc(l->out * net_layer_cols(l), sizeof *w);
    if (!w) return sm_fail(SM_E_NOMEM, "no memory for the weights of %s", l->name);
    sm_csr_to_dense(&l->w, w);
    product(l, w, *x, *y);
    sm_free(w);
    if (l->pool) max_pool(l, *y);
    double *swap = *x;
    *x = *y;
    *y = swap;
    return SM_OK;
}

sm_status network_reference(const network *net, const float *image, double *logits) {
    size_t largest = net->height * net->width;
    for (size_t i = 0; i < NET_LAYERS; i++) {
        const size_t size = net->layers[i].out * net_layer_pixels(&net->layers[i]);
        if (size > largest) largest = size;
    }
    double *x = calloc(largest, sizeof *x), *y = calloc(largest, sizeof *y);
    sm_status status = SM_OK;
    if (!x || !y) status = sm_fail(SM_E_NOMEM, "no memory for one image's activations");
    for (size_t i = 0; x && i < net->height * net->width; i++) x[i] = (double)image[i];
    for (size_t i = 0; i < NET_LAYERS && status == SM_OK; i++)
        status = run_layer(&net->layers[i], &x, &y);
    if (status == SM_OK) memcpy(logits, x, net->classes * sizeof *logits);
    free(x);
    free(y);
    return status;
}
