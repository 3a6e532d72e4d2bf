/* Runs the cases of check.h on kernels whose packed weights and workspace lie between guard pages.
 * Shared by test_kernels.c (what this CPU can run) and emulated_kernels.c (AVX-512 through SIMDe).
 */
#ifndef KERNEL_CASES_H
#define KERNEL_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "check/check.h"
#include "driver.h"
#include "registry.h"
#include <stdlib.h>
#include <string.h>

/* Moves one stream of the packed weights to where reading past its end (at_end) or before its
 * beginning is a crash. */
static void guard_stream(void **stream, size_t bytes, int at_end, sm_guarded *g) {
    assert_int_equal(sm_guarded_alloc(bytes, at_end, g), 0);
    if (*stream) memcpy(g->data, *stream, bytes);
    sm_free(*stream);
    *stream = g->data;
}

enum { STREAMS = 3 };

static void guard_packed(sm_packed *p, int at_end, sm_guarded g[STREAMS]) {
    const size_t last = p->blocks * p->tiles;
    if (p->head16)
        guard_stream((void **)&p->head16, p->head_at[last] * sizeof *p->head16, at_end, &g[0]);
    if (p->head32)
        guard_stream((void **)&p->head32, p->head_at[last] * sizeof *p->head32, at_end, &g[0]);
    if (p->index16)
        guard_stream((void **)&p->index16, p->index_at[last] * sizeof *p->index16, at_end, &g[1]);
    if (p->index32)
        guard_stream((void **)&p->index32, p->index_at[last] * sizeof *p->index32, at_end, &g[1]);
    guard_stream((void **)&p->value, p->value_at[last] * sizeof *p->value, at_end, &g[2]);
}

/* The streams belong to the guards, not to sm_packed_free(). */
static void unguard_packed(sm_packed *p, sm_guarded g[STREAMS]) {
    p->head16 = p->index16 = NULL;
    p->head32 = p->index32 = NULL;
    p->value = NULL;
    for (size_t i = 0; i < STREAMS; i++) sm_guarded_free(&g[i]);
    sm_packed_free(p);
}

static sm_status multiply_guarded(void *context, const sm_kernel *kernel, const sm_csr *w,
                                  size_t kt, size_t mc, size_t threads, const sm_args *args) {
    int *turn = context;
    sm_packed p;
    sm_guarded g[STREAMS] = {{0}}, workspace;
    sm_pool *pool = NULL;
    const int at_end = ++*turn & 1;
    SM_TRY(sm_pack(w, kernel, kt, mc, threads, &p));
    p.ask_w = (sm_ask_w)(*turn / 2 % (SM_W_LINES + 1)); /* its kernel may have a copy for each */
    guard_packed(&p, at_end, g);
    assert_int_equal(
        sm_guarded_alloc(sm_driver_workspace(&p, args->n, threads), at_end, &workspace), 0);
    if (threads > 1) assert_int_equal(sm_pool_create(threads - 1, NULL, &pool), SM_OK);
    sm_driver_run(&p, args, threads, pool ? sm_pool_run : NULL, pool, workspace.data);
    sm_pool_free(pool);
    sm_guarded_free(&workspace);
    unguard_packed(&p, g);
    return SM_OK;
}

/* One call of the kernel itself: X ends, and Y ends, at a page that may not be touched, where the
 * driver has further buffers behind them. Element (k, j) of X is k % 5 + j % 3. */
static void check_ends(const sm_kernel *k, size_t cols, size_t n) {
    const size_t rows = k->mr + 1;
    float *w = sm_alloc(rows * cols, sizeof *w);
    assert_non_null(w);
    for (size_t i = 0; i < rows * cols; i++) w[i] = i % 3 == 0 ? 0.0f : (float)(i % 7 + 1);
    sm_csr csr;
    sm_packed p;
    sm_guarded x, y;
    assert_int_equal(sm_csr_from_dense(w, rows, cols, (ptrdiff_t)cols, 1, &csr), SM_OK);
    assert_int_equal(sm_pack(&csr, k, cols, rows, 1, &p), SM_OK);
    const int by_columns = sm_by_columns(k);
    const size_t pitch = by_columns ? sm_column_pitch(cols) : k->nr;
    const size_t floats = by_columns ? pitch * n : cols * k->nr;
    assert_int_equal(sm_guarded_alloc(floats * sizeof(float), 1, &x), 0);
    assert_int_equal(sm_guarded_alloc(rows * (by_columns ? n : k->nr) * sizeof(float), 1, &y), 0);
    for (size_t i = 0; i < floats; i++) {
        const size_t row = by_columns ? i % pitch : i / pitch;
        const size_t column = by_columns ? i / pitch : i % pitch;
        ((float *)x.data)[i] = row < cols ? (float)(row % 5 + column % 3) : 0.0f;
    }
    const sm_tile t = {.x = x.data,
                       .x_rs = (ptrdiff_t)k->nr,
                       .y = y.data,
                       .y_rs = (ptrdiff_t)k->nr,
                       .x_cs = (ptrdiff_t)pitch,
                       .y_cs = (ptrdiff_t)rows,
                       .n = n,
                       .lo = -1e6f,
                       .hi = 1e6f,
                       .clamp = 1,
                       .first = 1,
                       .last = 1};
    k->run(&p, &t);
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < n; j++) {
            float sum = 0;
            for (size_t c = 0; c < cols; c++) sum += w[r * cols + c] * (float)(c % 5 + j % 3);
            assert_float_equal(((float *)y.data)[by_columns ? j * rows + r : r * k->nr + j], sum,
                               1e-3);
        }
    sm_guarded_free(&x);
    sm_guarded_free(&y);
    sm_packed_free(&p);
    sm_csr_free(&csr);
    sm_free(w);
}

/* Rows that follow each other and differ much in length: formats that sort them store Y where the
 * rows were. With and without bias, in one K tile and in three. */
static void check_uneven_rows(const sm_kernel *k) {
    enum { COLS = 420, N = 3, LONG = 5 };
    const size_t rows = 5 * k->mr + 3;
    float *w = sm_alloc(rows * COLS, sizeof *w), *bias = sm_alloc(rows, sizeof *bias);
    float *x = sm_alloc(COLS * N, sizeof *x), *y = sm_alloc(rows * N, sizeof *y);
    assert_true(w && bias && x && y);
    for (size_t r = 0; r < rows; r++) bias[r] = (float)(r % 11);
    for (size_t i = 0; i < COLS * N; i++) x[i] = (float)(i % 13) - 6.0f;
    for (size_t i = 0; i < rows * COLS; i++)
        w[i] = i / COLS % LONG == 0 || i % COLS % 9 == 0 ? (float)(i % 7 + 1) : 0.0f;
    sm_csr csr;
    assert_int_equal(sm_csr_from_dense(w, rows, COLS, COLS, 1, &csr), SM_OK);
    for (size_t turn = 0; turn < 4; turn++) {
        sm_packed p;
        assert_int_equal(sm_pack(&csr, k, turn & 1 ? COLS / 3 : COLS, rows, 1, &p), SM_OK);
        if (strcmp(k->format, "nm") == 0) assert_true(p.head32[0] & SM_ROWS_GIVEN);
        void *workspace = sm_alloc(sm_driver_workspace(&p, N, 1), 1);
        assert_non_null(workspace);
        const sm_args a = {.x = x,
                           .x_rs = N,
                           .x_cs = 1,
                           .y = y,
                           .y_rs = N,
                           .y_cs = 1,
                           .n = N,
                           .bias = turn & 2 ? bias : NULL,
                           .lo = -1e4f,
                           .hi = 1e6f};
        sm_driver_run(&p, &a, 1, NULL, NULL, workspace);
        for (size_t i = 0; i < rows * N; i++) {
            float sum = turn & 2 ? bias[i / N] : 0.0f;
            for (size_t c = 0; c < COLS; c++) sum += w[i / N * COLS + c] * x[c * N + i % N];
            assert_float_equal(y[i], sum < -1e4f ? -1e4f : sum, 1e-3);
        }
        sm_free(workspace);
        sm_packed_free(&p);
    }
    sm_csr_free(&csr);
    sm_free(w);
    sm_free(bias);
    sm_free(x);
    sm_free(y);
}

static void check_one_kernel(const sm_kernel *k, const char *how) {
    /* Kernels for few columns have a copy for each number of them. */
    for (size_t n = sm_by_columns(k) ? 1 : k->nr; n <= k->nr; n++)
        for (size_t cols = 1; cols <= 35; cols++) check_ends(k, cols, n);
    check_uneven_rows(k);
    sm_check_result r;
    int turn = 0;
    if (sm_check_kernel(k, 1, multiply_guarded, &turn, &r) != SM_OK)
        fail_msg("%s: %s", k->name, sm_message());
    print_message("%s: %s, %zu cases, error/bound %.3g\n", k->name, how, r.cases, r.worst);
    if (!(r.worst <= 1.0))
        fail_msg("%s: error/bound %g in case %s", k->name, r.worst, r.worst_case);
    assert_true(r.cases >= 600);
}

#endif
