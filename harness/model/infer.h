/* A network packed for one batch size: plans, buffers, threads. */
#ifndef INFER_H
#define INFER_H

#include "model/network.h"
#include <sparsemark/plan.h>

typedef struct engine_options {
    size_t batch, threads;
    uint32_t format_mask; /* of the plans */
    uint32_t isa_mask;
    double budget_s;     /* for choosing, a layer */
    const int *cpus;     /* threads - 1, or NULL */
    struct engine *like; /* NULL, or one with dense plans for the same network, batch and threads,
                            which lives longer: layers for which dense is chosen are that one's, so
                            that where weights lie makes no difference between the two */
} engine_options;

/* Where one call's time went, in ns. */
typedef struct engine_times {
    double input;               /* images into the layout of the activations */
    double product[NET_LAYERS]; /* packing included */
    double pool[NET_LAYERS];
} engine_times;

typedef struct engine engine;

/* Borrows net. */
sm_status engine_create(const network *net, const engine_options *options, engine **out);
void engine_free(engine *e); /* accepts NULL */

/* Makes a layer that of options.like: sparse turned out slower there. */
void engine_take_dense(engine *e, size_t layer);

/* Logits [count][classes] of count <= batch images [count][height * width]. Allocates nothing.
 * times may be NULL. */
void engine_run(engine *e, const float *images, size_t count, float *logits, engine_times *times);

/* What the convolutions made of the images of the last call, [channels of the first dense
 * layer][count]; and the logits from there, of a network that has the same convolutions. */
const float *engine_features(const engine *e);
void engine_run_features(engine *e, const float *features, size_t count, float *logits);

/* A layer's plan, and columns of one of its products: a convolution is computed a band of rows of
 * a part of the batch at a time. */
void engine_layer(const engine *e, size_t layer, sm_plan_info *info, size_t *columns);

/* ns that packing X takes of a whole call, on one thread, after engine_run() with the whole batch:
 * the shortest of a few. */
double engine_pack_ns(engine *e, size_t layer);

/* Activations that a layer reads and writes for the whole batch, in bytes. */
size_t engine_activation_bytes(const engine *e, size_t layer);

#endif
