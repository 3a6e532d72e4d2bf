/* Activations, output and the oracle's answer for one problem. */
#include "measure/operands.h"
#include "prune/prune.h"
#include <math.h>
#include <sparsemark/reference.h>
#include <stdlib.h>
#include <string.h>

enum { FEW_COLUMNS = 64 };

static void set_args(sm_operands *o) {
    const int token = o->layout == SM_TOKEN_MAJOR;
    o->args = (sm_args){.x = o->x,
                        .x_rs = token ? 1 : (ptrdiff_t)o->n,
                        .x_cs = token ? (ptrdiff_t)o->w.cols : 1,
                        .y = o->y,
                        .y_rs = token ? 1 : (ptrdiff_t)o->n,
                        .y_cs = token ? (ptrdiff_t)o->w.rows : 1,
                        .n = o->n,
                        .lo = -INFINITY,
                        .hi = INFINITY};
}

/* Ends, columns beside every multiple of 16 and 24 as far as they go, then seeded ones. */
static size_t pick_columns(size_t n, uint64_t seed, size_t *columns) {
    unsigned char *taken = calloc(n, 1);
    if (!taken) return 0;
    size_t count = 0;
    taken[0] = taken[n - 1] = 1;
    count = n > 1 ? 2 : 1;
    for (size_t edge = 8; edge < n && count < FEW_COLUMNS / 2; edge += 8) {
        count += !taken[edge - 1];
        taken[edge - 1] = 1;
        if (taken[edge]) continue;
        taken[edge] = 1;
        count++;
    }
    sm_rng rng;
    sm_rng_seed(&rng, seed);
    while (count < FEW_COLUMNS) {
        const size_t j = (size_t)(sm_rng_next(&rng) % n);
        count += !taken[j];
        taken[j] = 1;
    }
    size_t at = 0;
    for (size_t j = 0; j < n; j++)
        if (taken[j]) columns[at++] = j;
    free(taken);
    return at;
}

static sm_status ask_oracle(sm_operands *o, uint64_t seed) {
    const double products = (double)o->w.rows * (double)o->w.cols * (double)o->n;
    const int all = products <= 268435456.0 || o->n <= FEW_COLUMNS;
    o->columns = malloc((all ? o->n : FEW_COLUMNS) * sizeof *o->columns);
    if (o->columns && all) {
        for (size_t j = 0; j < o->n; j++) o->columns[j] = j;
        o->column_count = o->n;
    } else if (o->columns) {
        o->column_count = pick_columns(o->n, seed, o->columns);
    }
    o->ref = sm_alloc(o->w.rows * o->column_count, sizeof *o->ref);
    o->bound = sm_alloc(o->w.rows * o->column_count, sizeof *o->bound);
    if (!o->columns || o->column_count == 0 || !o->ref || !o->bound)
        return sm_fail(SM_E_NOMEM, "no memory for the oracle's answer");
    o->verified_share = (double)o->column_count / (double)o->n;
    sm_reference(&o->w, &o->args, o->columns, o->column_count, o->ref, o->bound);
    return SM_OK;
}

sm_status sm_operands_create(sm_csr *w, size_t n, sm_layout layout, uint64_t seed,
                             sm_operands *out) {
    *out = (sm_operands){.w = *w, .n = n, .layout = layout};
    *w = (sm_csr){0};
    sm_operands *o = out;
    o->x = sm_alloc(o->w.cols * n, sizeof *o->x);
    o->y = sm_alloc(o->w.rows * n, sizeof *o->y);
    if (!o->x || !o->y) {
        sm_operands_free(o);
        return sm_fail(SM_E_NOMEM, "no memory for X and Y with N = %zu", n);
    }
    sm_rng rng;
    sm_rng_seed(&rng, seed);
    for (size_t i = 0; i < o->w.cols * n; i++) o->x[i] = sm_rng_uniform(&rng) - 0.5f;
    set_args(o);
    const sm_status status = ask_oracle(o, seed);
    if (status != SM_OK) sm_operands_free(o);
    return status;
}

void sm_operands_free(sm_operands *o) {
    sm_csr_free(&o->w);
    sm_free(o->dense);
    sm_free(o->x);
    sm_free(o->y);
    free(o->columns);
    sm_free(o->ref);
    sm_free(o->bound);
    *o = (sm_operands){0};
}

sm_status sm_operands_dense(sm_operands *o) {
    if (o->dense) return SM_OK;
    o->dense = sm_alloc(o->w.rows * o->w.cols, sizeof *o->dense);
    if (!o->dense)
        return sm_fail(SM_E_NOMEM, "no memory for %zu x %zu dense weights", o->w.rows, o->w.cols);
    sm_csr_to_dense(&o->w, o->dense);
    return SM_OK;
}

void sm_operands_poison(sm_operands *o) {
    memset(o->y, 0xff, o->w.rows * o->n * sizeof *o->y);
}

double sm_operands_error(const sm_operands *o) {
    for (size_t i = 0; i < o->w.rows * o->n; i++)
        if (isnan(o->y[i])) return INFINITY;
    return sm_reference_error(&o->w, &o->args, o->columns, o->column_count, o->ref, o->bound);
}
