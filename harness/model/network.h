/* A small image classifier: convolutions with pooling, then dense layers, out of a model file. */
#ifndef NETWORK_H
#define NETWORK_H

#include "input/orders.h"
#include "store/store.h"
#include <sparsemark/matrix.h>

enum { NET_LAYERS = 4 };

/* One product, what is done to its result, and where its input comes from. */
typedef struct net_layer {
    const char *name;                         /* as the tensors are called */
    int conv;                                 /* same padding, stride 1; else dense */
    size_t out, channels, kernel_h, kernel_w; /* a dense layer's kernel is 1 x 1 */
    size_t height, width;                     /* of the input of a convolution; else 1 */
    int pool;                                 /* the maximum of every 2 x 2 pixels follows */
    float lo;                                 /* 0 with a ReLU, else -INFINITY */
    sm_csr w;                                 /* out x channels * kernel_h * kernel_w */
    float *bias;
} net_layer;

typedef struct network {
    size_t height, width, classes; /* of an image; outputs */
    net_layer layers[NET_LAYERS];
} network;

/* Columns of a layer's weights. */
size_t net_layer_cols(const net_layer *layer);
/* Images' pixels that a layer multiplies, for one image: N of a product is this times the batch. */
size_t net_layer_pixels(const net_layer *layer);

/* The network of the TensorFlow pruning tutorial for images of height x width: conv1, conv2 with
 * BatchNorm "bn" (both 5 x 5 there; ReLU and pooling follow), dense1 with ReLU, dense2. The first
 * dense layer's inputs are [height, width, channel] where convolutions are HWIO, else [channel,
 * height, width]. Sizes
 * come from the tensors, so that networks with fewer channels or other kernels are read too, as
 * long as each layer takes what the one before gives. BatchNorm is folded into conv2. path is for
 * messages; says(text) gets a note on every tensor that has no part in it. SM_E_FORMAT names the
 * tensor and what was expected. */
sm_status network_build(const char *path, sm_model_file *file, const sm_orders *orders,
                        size_t height, size_t width, void (*says)(const char *text), network *out);
void network_free(network *net); /* accepts a zeroed one */

/* Outputs of the network according to the last bias in the file, 0 where there is none: known
 * before the images are, whose labels it limits. */
size_t network_classes(sm_model_file *file);

/* w[out][k] *= gamma / sqrt(variance + eps) of its row and bias becomes (bias - mean) * that +
 * beta, in double, rounded once. eps is Keras' 1e-3. */
typedef struct batch_norm {
    const float *gamma, *beta, *mean, *variance;
} batch_norm;
void batch_norm_fold(const batch_norm *bn, size_t out, size_t k, float *w, float *bias);

/* The logits of one image, [height][width], by plain loops in double: what engines are held to.
 * SM_E_NOMEM. */
sm_status network_reference(const network *net, const float *image, double *logits);

#endif
