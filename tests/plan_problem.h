/* A problem with its oracle's answer, for the tests of plans and threads. */
#ifndef PLAN_PROBLEM_H
#define PLAN_PROBLEM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <sparsemark/plan.h>
#include <sparsemark/reference.h>
#include <stdlib.h>
#include <string.h>

typedef struct problem {
    sm_csr w;
    float *x, *y;
    sm_args args;
} problem;

/* Deterministic values in [-0.5, 0.5), never 0. */
static inline float value_of(size_t i) {
    return (float)(i * 2654435761u >> 8 & 0xffff) / 65536.0f - 0.5f + 1e-6f;
}

/* Which elements stay. */
static inline int alike_in_eights(size_t r, size_t c) {
    return (r / 8 * 7 + c * 5) % 3 == 0;
}

static inline int scattered(size_t r, size_t c) {
    return value_of(r * 1009 + c) > 0.2f;
}

static inline int one_a_row(size_t r, size_t c) {
    return c == r * 7 % 512;
}

/* Keeps element (r, c) where keep says so; X token-major or feature-major, tightly packed. */
static inline void make_problem(size_t m, size_t k, size_t n, int token,
                                int (*keep)(size_t r, size_t c), problem *p) {
    float *w = sm_alloc(m * k, sizeof *w);
    p->x = sm_alloc(k * n, sizeof *p->x);
    p->y = sm_alloc(m * n, sizeof *p->y);
    assert_true(w && p->x && p->y);
    for (size_t i = 0; i < m * k; i++) w[i] = keep(i / k, i % k) ? value_of(i) : 0.0f;
    for (size_t i = 0; i < k * n; i++) p->x[i] = value_of(i + 12345);
    assert_int_equal(sm_csr_from_dense(w, m, k, (ptrdiff_t)k, 1, &p->w), SM_OK);
    sm_free(w);
    p->args = (sm_args){.x = p->x,
                        .x_rs = token ? 1 : (ptrdiff_t)n,
                        .x_cs = token ? (ptrdiff_t)k : 1,
                        .y = p->y,
                        .y_rs = token ? 1 : (ptrdiff_t)n,
                        .y_cs = token ? (ptrdiff_t)m : 1,
                        .n = n,
                        .lo = -INFINITY,
                        .hi = INFINITY};
}

static inline void free_problem(problem *p) {
    sm_csr_free(&p->w);
    sm_free(p->x);
    sm_free(p->y);
}

static inline void run_plan(const sm_plan *plan, const problem *p) {
    void *workspace = sm_alloc(sm_plan_workspace(plan, p->args.n), 1);
    assert_non_null(workspace);
    memset(p->y, 0xff, p->w.rows * p->args.n * sizeof *p->y);
    sm_plan_run(plan, &p->args, workspace);
    sm_free(workspace);
}

/* error / bound of what is in Y. */
static inline double error_of(const problem *p) {
    const size_t n = p->args.n;
    size_t *columns = sm_alloc(n, sizeof *columns);
    double *y = sm_alloc(p->w.rows * n, sizeof *y), *bound = sm_alloc(p->w.rows * n, sizeof *bound);
    assert_true(columns && y && bound);
    for (size_t j = 0; j < n; j++) columns[j] = j;
    sm_reference(&p->w, &p->args, columns, n, y, bound);
    const double error = sm_reference_error(&p->w, &p->args, columns, n, y, bound);
    sm_free(columns);
    sm_free(y);
    sm_free(bound);
    return error;
}

/* Element (k, n) of an unfolded image, as plan.h says. */
static inline float unfolded(const sm_conv_args *c, size_t k, size_t n) {
    const size_t window = c->kernel_h * c->kernel_w, pixel = n / c->batch;
    const ptrdiff_t i = (ptrdiff_t)(pixel / c->out_w * c->stride_h + k % window / c->kernel_w);
    const ptrdiff_t j = (ptrdiff_t)(pixel % c->out_w * c->stride_w + k % c->kernel_w);
    const ptrdiff_t row = i - c->pad_top, col = j - c->pad_left;
    if (row < 0 || row >= (ptrdiff_t)c->height || col < 0 || col >= (ptrdiff_t)c->width) return 0;
    const size_t at = ((size_t)row * c->width + (size_t)col) * c->batch + n % c->batch;
    return c->x[(ptrdiff_t)(k / window) * c->x_rs + (ptrdiff_t)at];
}

#endif
