/* A network timed against itself with dense kernels, and against PyTorch. */
#ifndef MODEL_BENCH_H
#define MODEL_BENCH_H

#include "measure/rounds.h"
#include "model/infer.h"
#include "model/torch.h"

/* Logits of two ways to compute the same differ by rounding: by this share of the largest, at most.
 */
#define MODEL_TOLERANCE 1e-4

/* What all points share; borrowed. */
typedef struct model_bench {
    const network *net;
    const float *images; /* [count][height * width] */
    const float *logits; /* [count][classes]: what every way has to give */
    uint32_t isa_mask;
    double precision;
    sm_watch *watch;
    const int *cpus;
} model_bench;

typedef struct model_layer {
    const net_layer *layer;
    sm_plan_info info, dense_info;
    size_t columns; /* of one product */
    double ns, dense_ns, pool_ns, pack_share;
    size_t activation_bytes;
} model_layer;

typedef struct model_point {
    size_t batch, threads, rounds, samples, quiet;
    sm_estimate time, dense_time, speedup;
    sm_estimate torch_time, torch_speedup; /* PyTorch / ours, where it takes part */
    sm_estimate torch_dense;               /* PyTorch / our dense */
    const char *torch_format;              /* memory format, "" where it takes no part */
    double input_ns, call_ns;              /* of the call that the layers' times are from */
    model_layer layers[NET_LAYERS];
    double error; /* largest difference of any logit as a share of the largest */
} model_point;

/* Measures one batch size within about `seconds`. torch may be NULL; else it runs `threads`
 * threads. Where error is above MODEL_TOLERANCE nothing was timed. */
sm_status model_measure(const model_bench *bench, size_t batch, size_t threads, torch_child *torch,
                        double seconds, model_point *out);

/* Bytes of a layer's packed weights, all of which a call reads. */
size_t model_weight_bytes(const model_layer *layer);

/* Largest |a - b| as a share of the largest |b|; infinite where one is NaN. */
double model_difference(const float *a, const float *b, size_t count);

#endif
