/* Runs a network: every layer's output is the next one's input, without a copy between. Activations
 * are [channel][pixel][image]: a strip of an unfolded image is then a copy of whole rows, pooling
 * takes the maximum of vectors, and flattening is nothing. Images go through the convolutions in
 * parts and a band of rows at a time, so that what a convolution writes is still in L2 when it is
 * pooled. */
#include "model/infer.h"
#include "measure/clock.h"
#include "model/maxpool.h"
#include <math.h>
#include <sparsemark/pool.h>
#include <string.h>

/* Images of a part: the widest strip. Columns of a band: some twenty strips, to share. */
enum { PART = 64, BAND = 1536, CONVS = 2 };

struct engine {
    const network *net;
    size_t batch, part, threads;
    const engine *like; /* whose pool this is, and plans that are not own */
    sm_plan *plan[NET_LAYERS];
    int own[NET_LAYERS];
    sm_plan_info info[NET_LAYERS];
    float *map[NET_LAYERS]; /* input of layer i; of the convolutions: of a part */
    float *band, *workspace;
    sm_pool *pool;
};

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Rows of a convolution that are pooled: an odd last one is not. */
static size_t pooled_rows(const net_layer *l) {
    return l->height / 2 * 2;
}

/* Rows of a band for so many images, an even number. */
static size_t band_rows(const net_layer *l, size_t images) {
    const size_t columns = l->width * images; /* of a row */
    const size_t rows = columns ? (BAND / 2 + columns - 1) / columns * 2 : BAND;
    return smaller(rows, pooled_rows(l));
}

static size_t columns_of(const engine *e, size_t i) {
    const net_layer *l = &e->net->layers[i];
    return l->conv ? band_rows(l, e->part) * l->width * e->part : e->batch;
}

static sm_status make_plan(engine *e, size_t i, const engine_options *options) {
    const net_layer *l = &e->net->layers[i];
    const sm_plan_options o = {.size = sizeof o,
                               .n = columns_of(e, i),
                               .layout = l->conv ? SM_IMAGE : SM_FEATURE_MAJOR,
                               .threads = e->threads,
                               .isa_mask = options->isa_mask,
                               .format_mask = options->format_mask,
                               .budget_s = options->budget_s,
                               .parallel_for = sm_pool_run,
                               .pool = e->pool};
    SM_TRY(sm_plan_create(&l->w, &o, &e->plan[i]));
    e->own[i] = 1;
    sm_plan_get_info(e->plan[i], &e->info[i]);
    if (e->like && strcmp(e->info[i].kernel->format, "dense") == 0) engine_take_dense(e, i);
    return SM_OK;
}

void engine_take_dense(engine *e, size_t i) {
    if (e->own[i]) sm_plan_free(e->plan[i]);
    e->own[i] = 0;
    e->plan[i] = e->like->plan[i];
    e->info[i] = e->like->info[i];
}

static sm_status make_buffers(engine *e) {
    size_t workspace = 0, band = 0;
    for (size_t i = 0; i < NET_LAYERS; i++) {
        const net_layer *l = &e->net->layers[i];
        workspace = larger(workspace, sm_plan_workspace(e->plan[i], columns_of(e, i)));
        if (e->like)
            workspace = larger(workspace, sm_plan_workspace(e->like->plan[i], columns_of(e, i)));
        if (l->conv) band = larger(band, l->out * columns_of(e, i));
        e->map[i] = sm_alloc(l->channels * net_layer_pixels(l) * (l->conv ? e->part : e->batch),
                             sizeof(float));
        if (!e->map[i]) return sm_fail(SM_E_NOMEM, "no memory for the input of %s", l->name);
    }
    /* The last part's images may be fewer: a band then ends up to two rows beyond BAND, which is
     * less than twice that of a whole part. */
    e->band = sm_alloc(band, 2 * sizeof(float));
    e->workspace = sm_alloc(workspace, 1);
    if (e->band && e->workspace) return SM_OK;
    return sm_fail(SM_E_NOMEM, "no memory for the network's activations");
}

sm_status engine_create(const network *net, const engine_options *options, engine **out) {
    engine *e = sm_alloc(1, sizeof *e);
    *out = NULL;
    if (!e) return sm_fail(SM_E_NOMEM, "no memory for a network");
    *e = (engine){.net = net, .batch = options->batch, .threads = options->threads};
    e->part = smaller(e->batch, PART);
    e->like = options->like;
    sm_status status = SM_OK;
    if (e->like)
        e->pool = e->like->pool;
    else
        status = sm_pool_create(e->threads - 1, options->cpus, &e->pool);
    for (size_t i = 0; i < NET_LAYERS && status == SM_OK; i++) status = make_plan(e, i, options);
    if (status == SM_OK) status = make_buffers(e);
    if (status == SM_OK)
        *out = e;
    else
        engine_free(e);
    return status;
}

void engine_free(engine *e) {
    if (!e) return;
    for (size_t i = 0; i < NET_LAYERS; i++) {
        if (e->own[i]) sm_plan_free(e->plan[i]);
        sm_free(e->map[i]);
    }
    sm_free(e->band);
    sm_free(e->workspace);
    if (!e->like) sm_pool_free(e->pool);
    sm_free(e);
}

/* What the threads share out beside products. */
typedef struct piece {
    engine *e;
    const float *images;
    size_t count, pixels, channels;
    maxpool_args pool;
} piece;

static void share(engine *e, piece *p, void (*task)(void *arg, size_t i)) {
    p->e = e;
    if (e->threads == 1)
        task(p, 0);
    else
        sm_pool_run(e->pool, e->threads, task, p);
}

/* map[0][pixel][image] = images[image][pixel], in squares that stay in L1. */
static void turn_images(void *arg, size_t i) {
    enum { SQUARE = 16 };
    const piece *p = arg;
    const size_t end = (i + 1) * p->pixels / p->e->threads;
    float *x = p->e->map[0];
    for (size_t p0 = i * p->pixels / p->e->threads; p0 < end; p0 += SQUARE)
        for (size_t b = 0; b < p->count; b++)
            for (size_t q = p0; q < smaller(p0 + SQUARE, end); q++)
                x[q * p->count + b] = p->images[b * p->pixels + q];
}

static void pool_channels(void *arg, size_t i) {
    const piece *p = arg;
    maxpool(&p->pool, i * p->channels / p->e->threads, (i + 1) * p->channels / p->e->threads);
}

/* Adds the time since *start to *sum and starts again. */
static void lap(double *start, double *sum) {
    if (!sum) return;
    const double now = clock_ns();
    *sum += now - *start;
    *start = now;
}

static sm_conv_args conv_of(const engine *e, size_t i, size_t row, size_t rows, size_t images) {
    const net_layer *l = &e->net->layers[i];
    return (sm_conv_args){.x = e->map[i],
                          .x_rs = (ptrdiff_t)(net_layer_pixels(l) * images),
                          .channels = l->channels,
                          .height = l->height,
                          .width = l->width,
                          .batch = images,
                          .kernel_h = l->kernel_h,
                          .kernel_w = l->kernel_w,
                          .stride_h = 1,
                          .stride_w = 1,
                          .pad_top = (ptrdiff_t)(l->kernel_h / 2) - (ptrdiff_t)row,
                          .pad_left = (ptrdiff_t)(l->kernel_w / 2),
                          .out_h = rows,
                          .out_w = l->width,
                          .y = e->band,
                          .y_rs = (ptrdiff_t)(rows * l->width * images),
                          .bias = l->bias,
                          .lo = l->lo,
                          .hi = INFINITY};
}

/* Convolution i on images [first, first + images) of the batch, pooled into the next layer's input:
 * that of the same part, or what the dense layers take, which have the whole batch innermost. */
static void run_conv(engine *e, size_t i, size_t first, size_t images, size_t count,
                     engine_times *times, double *start) {
    const net_layer *l = &e->net->layers[i];
    const size_t rows = band_rows(l, images), pooled = l->width / 2;
    const size_t pixel = e->net->layers[i + 1].conv ? images : count;
    float *next = e->map[i + 1] + (e->net->layers[i + 1].conv ? 0 : first);
    for (size_t row = 0, height; row < pooled_rows(l); row += height) {
        height = smaller(rows, pooled_rows(l) - row);
        const sm_conv_args c = conv_of(e, i, row, height, images);
        (void)sm_plan_run_conv(e->plan[i], &c, e->workspace); /* its K is the plan's */
        lap(start, times ? &times->product[i] : NULL);
        piece p = {.channels = l->out};
        p.pool = (maxpool_args){.x = e->band,
                                .y = next + row / 2 * pooled * pixel,
                                .x_rs = (size_t)c.y_rs,
                                .y_rs = l->height / 2 * pooled * pixel,
                                .y_pixel = pixel,
                                .rows = height / 2,
                                .width = l->width,
                                .batch = images};
        share(e, &p, pool_channels);
        lap(start, times ? &times->pool[i] : NULL);
    }
}

static sm_args dense_of(const engine *e, size_t i, size_t count, float *logits) {
    const net_layer *l = &e->net->layers[i];
    const int last = i + 1 == NET_LAYERS;
    return (sm_args){.x = e->map[i],
                     .x_rs = (ptrdiff_t)count,
                     .x_cs = 1,
                     .y = last ? logits : e->map[i + 1],
                     .y_rs = last ? 1 : (ptrdiff_t)count,
                     .y_cs = last ? (ptrdiff_t)l->out : 1,
                     .n = count,
                     .bias = l->bias,
                     .lo = l->lo,
                     .hi = INFINITY};
}

static void run_dense(engine *e, size_t count, float *logits, engine_times *times, double *start) {
    for (size_t i = CONVS; i < NET_LAYERS; i++) {
        const sm_args a = dense_of(e, i, count, logits);
        sm_plan_run(e->plan[i], &a, e->workspace);
        lap(start, times ? &times->product[i] : NULL);
    }
}

void engine_run(engine *e, const float *images, size_t count, float *logits, engine_times *times) {
    const size_t pixels = e->net->height * e->net->width;
    double start = times ? clock_ns() : 0;
    for (size_t first = 0; first < count; first += e->part) {
        const size_t part = smaller(e->part, count - first);
        piece p = {.images = images + first * pixels, .count = part, .pixels = pixels};
        share(e, &p, turn_images);
        lap(&start, times ? &times->input : NULL);
        for (size_t i = 0; i < CONVS; i++) run_conv(e, i, first, part, count, times, &start);
    }
    run_dense(e, count, logits, times, &start);
}

const float *engine_features(const engine *e) {
    return e->map[CONVS];
}

void engine_run_features(engine *e, const float *features, size_t count, float *logits) {
    memcpy(e->map[CONVS], features, e->net->layers[CONVS].channels * count * sizeof *features);
    run_dense(e, count, logits, NULL, NULL);
}

void engine_layer(const engine *e, size_t layer, sm_plan_info *info, size_t *columns) {
    *info = e->info[layer];
    *columns = columns_of(e, layer);
}

static void pack_conv(engine *e, size_t i, size_t images) {
    const sm_conv_args c = conv_of(e, i, 0, pooled_rows(&e->net->layers[i]), images);
    (void)sm_plan_pack_conv(e->plan[i], &c, e->workspace);
}

static void pack_once(engine *e, size_t i) {
    if (e->net->layers[i].conv) {
        for (size_t first = 0; first < e->batch; first += e->part)
            pack_conv(e, i, smaller(e->part, e->batch - first));
    } else {
        const sm_args a = dense_of(e, i, e->batch, NULL);
        sm_plan_pack_x(e->plan[i], &a, e->workspace);
    }
}

double engine_pack_ns(engine *e, size_t layer) {
    enum { CALLS = 5 };
    double best = INFINITY;
    for (int i = 0; i < CALLS; i++) {
        const double start = clock_ns();
        pack_once(e, layer);
        best = fmin(best, clock_ns() - start);
    }
    return best;
}

size_t engine_activation_bytes(const engine *e, size_t layer) {
    const net_layer *l = &e->net->layers[layer];
    const size_t pixels = l->pool ? l->height / 2 * (l->width / 2) : 1;
    return (l->channels * net_layer_pixels(l) + l->out * pixels) * e->batch * sizeof(float);
}
