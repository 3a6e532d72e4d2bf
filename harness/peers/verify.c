/* Is a peer's product right? Operands are small integers, so that every order of summation gives
 * the same floats and the comparison can be exact. Output starts as NaN: it must be overwritten. */
#include "peers/family.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>

typedef struct operands {
    size_t m, k, n;
    sm_layout layout;
    float *w, *x, *y;
    sm_csr csr;
} operands;

/* -4 ... 4, about two in three of them zero where sparse is set. */
static float small_integer(uint32_t *state, int sparse) {
    *state = *state * 1664525u + 1013904223u;
    const uint32_t high = *state >> 8;
    if (sparse && high % 3 != 0) return 0;
    return (float)(int)(high / 3 % 9) - 4;
}

static int make(operands *o) {
    uint32_t state = (uint32_t)(o->m * 131 + o->k * 17 + o->n);
    o->w = sm_alloc(o->m * o->k, sizeof *o->w);
    o->x = sm_alloc(o->k * o->n, sizeof *o->x);
    o->y = sm_alloc(o->m * o->n, sizeof *o->y);
    if (o->w == NULL || o->x == NULL || o->y == NULL) return -1;
    for (size_t i = 0; i < o->m * o->k; i++) o->w[i] = small_integer(&state, 1);
    for (size_t i = 0; i < o->k * o->n; i++) o->x[i] = small_integer(&state, 0);
    for (size_t i = 0; i < o->m * o->n; i++) o->y[i] = NAN;
    return sm_csr_from_dense(o->w, o->m, o->k, (ptrdiff_t)o->k, 1, &o->csr) == SM_OK ? 0 : -1;
}

static void release(operands *o) {
    sm_free(o->w);
    sm_free(o->x);
    sm_free(o->y);
    sm_csr_free(&o->csr);
}

static int is_right(const operands *o) {
    const int token = o->layout == SM_TOKEN_MAJOR;
    for (size_t r = 0; r < o->m; r++) {
        for (size_t c = 0; c < o->n; c++) {
            float sum = 0;
            for (size_t i = 0; i < o->k; i++)
                sum += o->w[r * o->k + i] * (token ? o->x[c * o->k + i] : o->x[i * o->n + c]);
            /* Not <=: a NaN left in place must count as wrong. */
            if (!(o->y[token ? c * o->m + r : r * o->n + c] == sum)) return 0;
        }
    }
    return 1;
}

static int try_one(const peer_library *library, operands *o, int threads, char *reason,
                   size_t size) {
    const char *layout = o->layout == SM_TOKEN_MAJOR ? "token" : "feature";
    const sm_peer_problem problem = {o->m, o->k, o->n, o->layout, o->w, &o->csr, (size_t)threads};
    void *state = NULL;
    library->family->set_threads(library->api, threads);
    if (library->family->prepare(library->api, &problem, &state) != SM_OK) {
        (void)snprintf(reason, size, "cannot prepare m %zu k %zu n %zu: %s", o->m, o->k, o->n,
                       sm_message());
        return -1;
    }
    library->family->run(state, o->x, o->y);
    library->family->destroy(state);
    if (is_right(o)) return 0;
    (void)snprintf(reason, size, "wrong product at m %zu k %zu n %zu, %s-major, threads %d", o->m,
                   o->k, o->n, layout, threads);
    return -1;
}

int peer_verify(const peer_library *library, char *reason, size_t reason_size) {
    static const size_t sizes[][3] = {{1, 1, 1},    {3, 5, 1},    {5, 3, 2},    {17, 29, 7},
                                      {33, 65, 19}, {129, 97, 1}, {67, 131, 65}};
    for (size_t i = 0; i < 4 * (sizeof sizes / sizeof sizes[0]); i++) {
        operands o = {.m = sizes[i / 4][0],
                      .k = sizes[i / 4][1],
                      .n = sizes[i / 4][2],
                      .layout = i % 2 == 0 ? SM_FEATURE_MAJOR : SM_TOKEN_MAJOR};
        if (o.layout == SM_TOKEN_MAJOR && library->family->feature_only) continue;
        int status = make(&o);
        if (status != 0)
            (void)snprintf(reason, reason_size, "out of memory");
        else
            status = try_one(library, &o, i % 4 < 2 ? 1 : 2, reason, reason_size);
        release(&o);
        if (status != 0) return status;
    }
    return 0;
}
