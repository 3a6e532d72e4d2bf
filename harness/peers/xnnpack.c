/* XNNPACK's sparse product: its convolution of 1x1 over channels-first images, which leaves out
 * zero weights. An image of 1 x N pixels and K channels is X[k, n]; there is no such product for
 * token-major activations. Weights are packed when the operator is created. */
#include "peers/family.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct xnnpack_api {
    int (*initialize)(const void *allocator);
    int (*create)(uint32_t padding_top, uint32_t padding_right, uint32_t padding_bottom,
                  uint32_t padding_left, uint32_t kernel_height, uint32_t kernel_width,
                  uint32_t stride_height, uint32_t stride_width, uint32_t dilation_height,
                  uint32_t dilation_width, uint32_t groups, size_t channels_in, size_t channels_out,
                  size_t channel_stride_in, size_t channel_stride_out, const float *kernel,
                  const float *bias, float min, float max, uint32_t flags, void **op);
    int (*setup)(void *op, size_t batch, size_t height, size_t width, const float *x, float *y,
                 void *pool);
    int (*run)(void *op, void *pool);
    int (*destroy)(void *op);
    void *(*create_pool)(size_t threads);
    void (*destroy_pool)(void *pool);
} xnnpack_api;

typedef struct xnnpack_state {
    const xnnpack_api *api;
    void *op, *pool; /* no pool: the caller's thread */
    size_t n;
} xnnpack_state;

static int start(const void *api) {
    const xnnpack_api *f = api;
    return f->initialize(NULL);
}

/* Threads belong to a pool, and a pool to a state. */
static void set_threads(const void *api, int threads) {
    (void)api;
    (void)threads;
}

static void describe(const void *api, sm_peer_info *info) {
    (void)api;
    (void)snprintf(info->version, sizeof info->version, "XNNPACK, version not told");
}

static void destroy(void *state) {
    xnnpack_state *s = state;
    if (s->op != NULL) (void)s->api->destroy(s->op);
    if (s->pool != NULL) s->api->destroy_pool(s->pool);
    free(s);
}

static sm_status prepare(const void *api, const sm_peer_problem *problem, void **state) {
    xnnpack_state *s = malloc(sizeof *s);
    if (s == NULL) return sm_fail(SM_E_NOMEM, "out of memory for a peer's state");
    *s = (xnnpack_state){.api = api, .n = problem->n};
    const size_t m = problem->m, k = problem->k;
    const int status = s->api->create(0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, k, m, k, m, problem->w, NULL,
                                      -INFINITY, INFINITY, 0, &s->op);
    const int threads = (int)problem->threads;
    if (status == 0 && threads > 1) s->pool = s->api->create_pool(problem->threads);
    if (status == 0 && (s->pool != NULL || threads <= 1)) {
        *state = s;
        return SM_OK;
    }
    destroy(s);
    return sm_fail(SM_E_ARG, "xnn_create_convolution2d_nchw_f32 gave status %d, expected 0",
                   status);
}

/* The set-up names the operands; it is short once their sizes were seen. */
static void run(void *state, const float *x, float *y) {
    const xnnpack_state *s = state;
    if (s->api->setup(s->op, 1, 1, s->n, x, y, s->pool) == 0) (void)s->api->run(s->op, s->pool);
}

static const peer_symbol symbols[] = {
    SYMBOL(xnnpack_api, "xnn_initialize", initialize),
    SYMBOL(xnnpack_api, "xnn_create_convolution2d_nchw_f32", create),
    SYMBOL(xnnpack_api, "xnn_setup_convolution2d_nchw_f32", setup),
    SYMBOL(xnnpack_api, "xnn_run_operator", run),
    SYMBOL(xnnpack_api, "xnn_delete_operator", destroy),
    SYMBOL(xnnpack_api, "pthreadpool_create", create_pool),
    SYMBOL(xnnpack_api, "pthreadpool_destroy", destroy_pool),
    {0},
};

const peer_family peer_xnnpack = {.symbols = symbols,
                                  .api_size = sizeof(xnnpack_api),
                                  .feature_only = 1,
                                  .start = start,
                                  .set_threads = set_threads,
                                  .describe = describe,
                                  .prepare = prepare,
                                  .run = run,
                                  .destroy = destroy};
