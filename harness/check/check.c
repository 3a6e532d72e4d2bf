/* Cases that touch every edge of a kernel's register tile, held against the oracle. */
#include "check/check.h"
#include "prune/prune.h"
#include <math.h>
#include <sparsemark/reference.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KT = 24, SIZES = 5, DENSITIES = 5 };

/* Who decides whether a weight is kept: it alone, eight neighbouring rows together (blocks of rows,
 * vector-wise N:M), or its place in a group of four columns (N:M). */
typedef enum shape { ALONE, ALIKE, IN_STEP, SHAPES } shape;

typedef struct check_case {
    size_t m, k, n, kt, mc, threads;
    double density; /* < 0: one nonzero */
    shape shape;
    int token, pad, bias, clamp, hollow, at_end;
} check_case;

typedef struct buffers {
    sm_csr w;
    sm_guarded x, y, bias;
    size_t *columns;
    double *ref, *bound;
} buffers;

static size_t around(size_t tile, size_t i) {
    const size_t sizes[SIZES] = {1, tile > 1 ? tile - 1 : 1, tile, tile + 1, 2 * tile + 3};
    return sizes[i];
}

static int keep(const check_case *c, sm_rng *rng, size_t row, size_t col) {
    const float chance = sm_rng_uniform(rng);
    if (c->hollow && (row == 0 || row + 1 == c->m)) return 0;
    if (c->shape == IN_STEP) return (double)((row + col) % 4) < 4.0 * c->density;
    if (c->shape == ALONE) return (double)chance < c->density;
    sm_rng alike;
    sm_rng_seed(&alike, row / 8 * c->k + col);
    return (double)sm_rng_uniform(&alike) < c->density;
}

static sm_status make_weights(const check_case *c, sm_rng *rng, sm_csr *out) {
    float *w = calloc(c->m * c->k, sizeof *w);
    if (!w) return sm_fail(SM_E_NOMEM, "no memory for the weights of a case");
    if (c->density < 0) {
        w[sm_rng_next(rng) % (c->m * c->k)] = 0.75f;
    } else {
        for (size_t i = 0; i < c->m * c->k; i++)
            if (keep(c, rng, i / c->k, i % c->k)) w[i] = sm_rng_normal(rng);
    }
    const sm_status status = sm_csr_from_dense(w, c->m, c->k, (ptrdiff_t)c->k, 1, out);
    free(w);
    return status;
}

static void buffers_free(buffers *b) {
    sm_csr_free(&b->w);
    sm_guarded_free(&b->x);
    sm_guarded_free(&b->y);
    sm_guarded_free(&b->bias);
    free(b->columns);
    free(b->ref);
    free(b->bound);
}

/* Leading dimension and element count of a matrix of `outer` lines of `inner` elements. */
static size_t extent(size_t outer, size_t inner, size_t pad) {
    return (outer - 1) * (inner + pad) + inner;
}

static sm_status make_buffers(const check_case *c, sm_rng *rng, buffers *b) {
    const size_t pad = c->pad ? 5 : 0;
    const size_t x_count = c->token ? extent(c->n, c->k, pad) : extent(c->k, c->n, pad);
    const size_t y_count = c->token ? extent(c->n, c->m, pad) : extent(c->m, c->n, pad);
    SM_TRY(make_weights(c, rng, &b->w));
    b->columns = malloc(c->n * sizeof *b->columns);
    b->ref = malloc(c->m * c->n * sizeof *b->ref);
    b->bound = malloc(c->m * c->n * sizeof *b->bound);
    if (sm_guarded_alloc(x_count * sizeof(float), c->at_end, &b->x) != 0 ||
        sm_guarded_alloc(y_count * sizeof(float), c->at_end, &b->y) != 0 ||
        sm_guarded_alloc(c->m * sizeof(float), c->at_end, &b->bias) != 0 || !b->columns ||
        !b->ref || !b->bound)
        return sm_fail(SM_E_NOMEM, "no memory for the operands of a case");
    float *x = b->x.data, *bias = b->bias.data;
    for (size_t i = 0; i < x_count; i++) x[i] = sm_rng_uniform(rng) - 0.5f;
    for (size_t i = 0; i < c->m; i++) bias[i] = sm_rng_uniform(rng) - 0.5f;
    for (size_t j = 0; j < c->n; j++) b->columns[j] = j;
    memset(b->y.data, 0xff, y_count * sizeof(float));
    return SM_OK;
}

static sm_args make_args(const check_case *c, const buffers *b) {
    const ptrdiff_t pad = c->pad ? 5 : 0;
    sm_args a = {.x = b->x.data, .y = b->y.data, .n = c->n};
    a.x_rs = c->token ? 1 : (ptrdiff_t)c->n + pad;
    a.x_cs = c->token ? (ptrdiff_t)c->k + pad : 1;
    a.y_rs = c->token ? 1 : (ptrdiff_t)c->n + pad;
    a.y_cs = c->token ? (ptrdiff_t)c->m + pad : 1;
    a.bias = c->bias ? b->bias.data : NULL;
    a.lo = c->clamp ? 0.0f : -INFINITY;
    a.hi = c->clamp ? 0.5f : INFINITY;
    return a;
}

/* Padding between the lines of Y belongs to the caller: it must still be what it was. */
static int padding_touched(const check_case *c, const buffers *b) {
    const size_t pad = c->pad ? 5 : 0, inner = c->token ? c->m : c->n;
    const size_t outer = c->token ? c->n : c->m;
    const float *y = b->y.data;
    for (size_t i = 0; i + 1 < outer; i++)
        for (size_t j = 0; j < pad; j++)
            if (!isnan(y[i * (inner + pad) + inner + j])) return 1;
    return 0;
}

static sm_status run_case(const sm_kernel *kernel, const check_case *c, sm_rng *rng,
                          sm_multiply *multiply, void *context, double *error) {
    buffers b = {0};
    sm_status status = make_buffers(c, rng, &b);
    if (status == SM_OK) {
        const sm_args args = make_args(c, &b);
        status = multiply(context, kernel, &b.w, c->kt, c->mc, c->threads, &args);
        if (status == SM_OK) {
            sm_reference(&b.w, &args, b.columns, c->n, b.ref, b.bound);
            *error = sm_reference_error(&b.w, &args, b.columns, c->n, b.ref, b.bound);
            if (padding_touched(c, &b)) *error = INFINITY;
        }
    }
    buffers_free(&b);
    return status;
}

static void describe(const check_case *c, char *text, size_t size) {
    static const char *const shapes[SHAPES] = {"", " rows alike", " in step"};
    char density[32] = "one nonzero";
    if (c->density >= 0)
        snprintf(density, sizeof density, "density %.2f%s", c->density, shapes[c->shape]);
    snprintf(text, size, "m=%zu k=%zu n=%zu kt=%zu mc=%zu threads=%zu %s %s%s%s%s%s", c->m, c->k,
             c->n, c->kt, c->mc, c->threads, density, c->token ? "token" : "feature",
             c->pad ? " padded" : "", c->bias ? " bias" : "", c->clamp ? " clamp" : "",
             c->hollow ? " empty-ends" : "");
}

/* The options that are not crossed with the sizes come from a counter's hash. */
static check_case make_case(const sm_kernel *k, size_t i, uint64_t bits) {
    static const double densities[DENSITIES] = {0, -1, 0.05, 0.5, 1};
    check_case c = {.kt = KT};
    c.m = around(k->mr, i % SIZES);
    c.n = around(k->nr, i / SIZES % SIZES);
    c.k = around(KT, i / SIZES / SIZES % SIZES);
    c.density = densities[i / SIZES / SIZES / SIZES % DENSITIES];
    c.token = bits & 1;
    c.pad = bits >> 1 & 1;
    c.bias = bits >> 2 & 1;
    c.clamp = bits >> 3 & 1;
    c.hollow = c.m > 2 && (bits >> 4 & 1);
    c.at_end = bits >> 5 & 1;
    c.mc = bits >> 6 & 1 ? k->mr : 4 * k->mr;
    c.threads = bits >> 7 & 1 ? 1 : 1 + (bits >> 8 & 3);
    if (bits >> 10 & 1) c.kt = c.k;
    c.shape = (bits >> 11 & 255) % SHAPES;
    return c;
}

sm_status sm_check_kernel(const sm_kernel *kernel, uint64_t seed, sm_multiply *multiply,
                          void *context, sm_check_result *out) {
    sm_rng rng;
    sm_rng_seed(&rng, seed);
    *out = (sm_check_result){.worst = -1};
    for (size_t i = 0; i < SIZES * SIZES * SIZES * DENSITIES; i++, out->cases++) {
        const check_case c = make_case(kernel, i, sm_rng_next(&rng) >> 20);
        double error = 0;
        SM_TRY(run_case(kernel, &c, &rng, multiply, context, &error));
        if (error <= out->worst) continue;
        out->worst = error;
        describe(&c, out->worst_case, sizeof out->worst_case);
    }
    return SM_OK;
}

sm_status sm_check_by_plan(void *context, const sm_kernel *kernel, const sm_csr *w, size_t kt,
                           size_t mc, size_t threads, const sm_args *args) {
    (void)context;
    const sm_plan_options options = {.size = sizeof options,
                                     .kernel = kernel->name,
                                     .n = args->n,
                                     .threads = threads,
                                     .kt = kt,
                                     .mc = mc,
                                     .budget_s = -1};
    sm_plan *plan;
    SM_TRY(sm_plan_create(w, &options, &plan));
    void *workspace = sm_alloc(sm_plan_workspace(plan, args->n), 1);
    sm_status status = SM_OK;
    if (workspace)
        sm_plan_run(plan, args, workspace);
    else
        status = sm_fail(SM_E_NOMEM, "no memory for a workspace");
    sm_free(workspace);
    sm_plan_free(plan);
    return status;
}
