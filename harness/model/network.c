/* Which layers a model file holds, and their weights as the library multiplies them: row by row of
 * outputs, columns channel by channel, as activations lie in memory. */
#include "model/network.h"
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { CONV1, CONV2, DENSE1, DENSE2, NAME = 64 };
static const net_layer pattern[NET_LAYERS] = {
    {.name = "conv1", .conv = 1, .pool = 1},
    {.name = "conv2", .conv = 1, .pool = 1},
    {.name = "dense1"},
    {.name = "dense2", .lo = -INFINITY},
};
static const char *const bn_parts[] = {"bn.gamma", "bn.beta", "bn.moving_mean",
                                       "bn.moving_variance"};
enum { BN_PARTS = sizeof bn_parts / sizeof bn_parts[0] };

typedef struct builder {
    const char *path;
    sm_model_file *file;
    const sm_orders *orders;
    network *net;
} builder;

size_t net_layer_cols(const net_layer *layer) {
    return layer->channels * layer->kernel_h * layer->kernel_w;
}

size_t net_layer_pixels(const net_layer *layer) {
    return layer->height * layer->width;
}

static sm_status find(const builder *b, const char *name, size_t rank, const sm_tensor **out) {
    const sm_tensor *t = model_file_find(b->file, name);
    *out = t;
    if (!t) return sm_fail(SM_E_FORMAT, "%s: expected a tensor %s", b->path, name);
    if (strcmp(t->type, "F32") != 0)
        return sm_fail(SM_E_FORMAT, "%s: %s is %s: expected F32", b->path, name, t->type);
    if (t->rank != rank || t->count == 0)
        return sm_fail(SM_E_FORMAT, "%s: %s has %zu axes and %zu elements: expected %zu axes",
                       b->path, name, t->rank, t->count, rank);
    const float *values = t->data;
    for (size_t i = 0; i < t->count; i++)
        if (!isfinite(values[i]))
            return sm_fail(SM_E_FORMAT, "%s: %s: element %zu is %f: expected finite numbers",
                           b->path, name, i, (double)values[i]);
    return SM_OK;
}

static sm_status find_vector(const builder *b, const char *name, size_t count,
                             const float **values) {
    const sm_tensor *t;
    *values = NULL;
    SM_TRY(find(b, name, 1, &t));
    if (t->count != count)
        return sm_fail(SM_E_FORMAT,
                       "%s: %s has %zu elements: expected %zu, the outputs of its layer", b->path,
                       name, t->count, count);
    *values = t->data;
    return SM_OK;
}

static void name_of(const char *layer, const char *what, char name[NAME]) {
    (void)snprintf(name, NAME, "%s.%s", layer, what);
}

/* Sets a convolution's sizes and copies its weights to w[out][in][kh][kw]. */
static sm_status take_conv(const builder *b, const sm_tensor *t, net_layer *l, float *w) {
    sm_array array = {.rank = 4, .order = orders_of(b->orders, 4)};
    size_t columns;
    memcpy(array.shape, t->shape, sizeof array.shape);
    const int hwio = array.order == SM_ORDER_HWIO;
    const size_t in = t->shape[hwio ? 2 : 1], *window = t->shape + (hwio ? 0 : 2);
    if (in != l->channels)
        return sm_fail(SM_E_FORMAT,
                       "%s: %s, read as %s, has %zu input channels: expected %zu, what comes to "
                       "it, or --weights-order oihw or hwio to say otherwise",
                       b->path, t->name, array_order_name(array.order), in, l->channels);
    if (window[0] % 2 == 0 || window[1] % 2 == 0)
        return sm_fail(SM_E_FORMAT, "%s: %s has a kernel of %zu x %zu: expected odd sizes", b->path,
                       t->name, window[0], window[1]);
    l->kernel_h = window[0];
    l->kernel_w = window[1];
    array_matrix(&array, &l->out, &columns);
    array_place(&array, t->data, w);
    return SM_OK;
}

/* The same for a dense layer, whose inputs are the pixels of a map with so many channels. They come
 * channel by channel here, and pixel by pixel in files whose convolutions are HWIO. */
static sm_status take_dense(const builder *b, const sm_tensor *t, size_t channels, net_layer *l,
                            float *w) {
    const sm_weights_order order = orders_of(b->orders, 2);
    const int in_out = order == SM_ORDER_IN_OUT, by_pixel = b->orders->hwio;
    const size_t in = t->shape[in_out ? 0 : 1], out = t->shape[in_out ? 1 : 0];
    const size_t in_step = in_out ? out : 1, out_step = in_out ? 1 : in;
    const size_t pixels = l->channels / channels;
    const float *values = t->data;
    if (in != l->channels)
        return sm_fail(SM_E_FORMAT,
                       "%s: %s, read as %s, has %zu inputs: expected %zu, %zu channels of %zu "
                       "pixels, or --weights-order out-in or in-out to say otherwise",
                       b->path, t->name, array_order_name(order), in, l->channels, channels,
                       pixels);
    l->out = out;
    l->kernel_h = l->kernel_w = 1;
    for (size_t p = 0; p < pixels; p++)
        for (size_t c = 0; c < channels; c++) {
            const float *from = values + (by_pixel ? p * channels + c : c * pixels + p) * in_step;
            for (size_t m = 0; m < out; m++) w[m * in + c * pixels + p] = from[m * out_step];
        }
    return SM_OK;
}

static sm_status take_bias(const builder *b, net_layer *l, float *w) {
    const float *values, *bn[BN_PARTS];
    char name[NAME];
    name_of(l->name, "bias", name);
    SM_TRY(find_vector(b, name, l->out, &values));
    l->bias = sm_alloc(l->out, sizeof *l->bias);
    if (!l->bias) return sm_fail(SM_E_NOMEM, "%s: no memory for %s", b->path, name);
    memcpy(l->bias, values, l->out * sizeof *values);
    if (l != &b->net->layers[CONV2]) return SM_OK;
    for (size_t i = 0; i < BN_PARTS; i++) SM_TRY(find_vector(b, bn_parts[i], l->out, &bn[i]));
    for (size_t m = 0; m < l->out; m++)
        if (bn[3][m] < 0)
            return sm_fail(SM_E_FORMAT, "%s: %s: element %zu is %g: expected 0 or more", b->path,
                           bn_parts[3], m, (double)bn[3][m]);
    const batch_norm norm = {bn[0], bn[1], bn[2], bn[3]};
    batch_norm_fold(&norm, l->out, net_layer_cols(l), w, l->bias);
    return SM_OK;
}

/* Layer i, whose channels, height and width are set. */
static sm_status take_layer(const builder *b, size_t i) {
    net_layer *l = &b->net->layers[i];
    const sm_tensor *t;
    char name[NAME];
    name_of(l->name, "weight", name);
    SM_TRY(find(b, name, l->conv ? 4 : 2, &t));
    float *w = sm_alloc(t->count, sizeof *w);
    if (!w) return sm_fail(SM_E_NOMEM, "%s: no memory for %s", b->path, name);
    const size_t maps = i == DENSE1 ? b->net->layers[CONV2].out : 1;
    sm_status status = l->conv ? take_conv(b, t, l, w) : take_dense(b, t, maps, l, w);
    if (status == SM_OK) status = take_bias(b, l, w);
    const size_t k = net_layer_cols(l);
    if (status == SM_OK) status = sm_csr_from_dense(w, l->out, k, (ptrdiff_t)k, 1, &l->w);
    sm_free(w);
    return status;
}

/* What comes to layer i from the one before. */
static void connect(network *net, size_t i) {
    net_layer *l = &net->layers[i];
    const net_layer image = {
        .out = 1, .height = 2 * net->height, .width = 2 * net->width, .conv = 1};
    const net_layer *before = i ? l - 1 : &image; /* halved like a layer's output */
    const size_t height = before->height / 2, width = before->width / 2;
    l->channels = before->out * (!l->conv && before->conv ? height * width : 1);
    l->height = l->conv ? height : 1;
    l->width = l->conv ? width : 1;
}

static int has_part(const char *name) {
    for (size_t i = 0; i < BN_PARTS; i++)
        if (strcmp(name, bn_parts[i]) == 0) return 1;
    for (size_t i = 0; i < NET_LAYERS; i++) {
        char weight[NAME], bias[NAME];
        name_of(pattern[i].name, "weight", weight);
        name_of(pattern[i].name, "bias", bias);
        if (strcmp(name, weight) == 0 || strcmp(name, bias) == 0) return 1;
    }
    return 0;
}

static void say_unused(const builder *b, void (*says)(const char *text)) {
    for (size_t i = 0; i < b->file->count; i++) {
        char text[512];
        if (has_part(b->file->items[i].name)) continue;
        (void)snprintf(text, sizeof text, "%s: %s is no part of the network and is not used",
                       b->path, b->file->items[i].name);
        says(text);
    }
}

sm_status network_build(const char *path, sm_model_file *file, const sm_orders *orders,
                        size_t height, size_t width, void (*says)(const char *text), network *out) {
    const builder b = {.path = path, .file = file, .orders = orders, .net = out};
    sm_status status = SM_OK;
    *out = (network){.height = height, .width = width};
    memcpy(out->layers, pattern, sizeof pattern);
    if (height < 4 || width < 4)
        return sm_fail(SM_E_FORMAT,
                       "images of %zu x %zu: expected 4 x 4 or more, which are halved twice",
                       height, width);
    for (size_t i = 0; i < NET_LAYERS && status == SM_OK; i++) {
        connect(out, i);
        status = take_layer(&b, i);
    }
    if (status != SM_OK) {
        network_free(out);
        return status;
    }
    out->classes = out->layers[DENSE2].out;
    say_unused(&b, says);
    return SM_OK;
}

size_t network_classes(sm_model_file *file) {
    char name[NAME];
    name_of(pattern[DENSE2].name, "bias", name);
    const sm_tensor *t = model_file_find(file, name);
    return t ? t->count : 0;
}

void network_free(network *net) {
    for (size_t i = 0; i < NET_LAYERS; i++) {
        sm_csr_free(&net->layers[i].w);
        sm_free(net->layers[i].bias);
    }
    *net = (network){0};
}
