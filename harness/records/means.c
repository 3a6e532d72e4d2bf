/* Geometric means over layers at one sparsity, as asked for where it was: layers of other shapes
 * reach others with the same blocks. With the layer that fares worst: a mean alone hides the layer
 * that gets slower. No mean mixes runs, provenances or conditions. */
#include "records/breakeven.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct item {
    const sm_curve *curve;
    const sm_curve_point *point;
    int percent;
} item;

static int compare_int(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

static int compare_series(const sm_curve *a, const sm_curve *b) {
    const sm_cell *p = a->cell, *q = b->cell;
    int c = compare_int((int64_t)a->run, (int64_t)b->run);
    if (!c) c = strcmp(p->provenance, q->provenance);
    if (!c) c = strcmp(p->pattern, q->pattern);
    if (!c) c = strcmp(p->dtype, q->dtype);
    if (!c) c = strcmp(p->layout, q->layout);
    if (!c) c = compare_int(p->threads, q->threads);
    if (!c) c = strcmp(p->cache, q->cache);
    if (!c) c = compare_int(p->n, q->n);
    if (!c) c = compare_int(b->best, a->best);
    if (!c) c = strcmp(sm_curve_format(a), sm_curve_format(b));
    return c || a->best ? c : strcmp(p->isa, q->isa);
}

static int by_series(const void *x, const void *y) {
    const item *a = x, *b = y;
    int c = compare_series(a->curve, b->curve);
    if (!c) c = a->percent - b->percent;
    return c ? c : (a->curve > b->curve) - (a->curve < b->curve);
}

/* Of two curves behind each of which is one series: whether it is the same. */
static int same_kernels(const sm_curve *a, const sm_curve *b) {
    return strcmp(a->cell->format, b->cell->format) == 0 && strcmp(a->cell->isa, b->cell->isa) == 0;
}

static sm_mean mean_of(const item *items, size_t count) {
    sm_mean mean = {.curve = items->curve,
                    .sparsity = items->percent / 100.0,
                    .worst = INFINITY,
                    .points = count,
                    .redundant = 1};
    double log_sum = 0;
    for (size_t i = 0; i < count; i++) {
        const sm_curve_point *point = items[i].point;
        log_sum += log(point->speedup);
        mean.marked += point->marked != 0;
        mean.redundant &= items[i].curve->redundant && same_kernels(items[i].curve, items->curve);
        if (point->speedup >= mean.worst) continue;
        mean.worst = point->speedup;
        mean.worst_layer = items[i].curve->cell->layer;
    }
    mean.speedup = exp(log_sum / (double)count);
    return mean;
}

enum { PERCENTS = 101 };

/* A layer counts once at a percent, with the nearest of its points. Returns how many it adds. */
static size_t add_items(const sm_curve *curve, item *items) {
    const sm_curve_point *nearest[PERCENTS] = {NULL};
    size_t count = 0;
    for (size_t i = 0; i < curve->count; i++) {
        const sm_curve_point *p = &curve->points[i];
        for (int at = 0; at < PERCENTS && !p->apart; at++) {
            if (!(p->asked[at / 64] >> at % 64 & 1)) continue;
            const double off = fabs(p->sparsity - at / 100.0);
            if (!nearest[at] || off < fabs(nearest[at]->sparsity - at / 100.0)) nearest[at] = p;
        }
    }
    for (int at = 0; at < PERCENTS; at++)
        if (nearest[at]) items[count++] = (item){curve, nearest[at], at};
    return count;
}

sm_status sm_means_compute(sm_breakeven *breakeven) {
    size_t most = 1, count = 0;
    for (size_t i = 0; i < breakeven->curve_count; i++)
        for (size_t j = 0; j < breakeven->curves[i].count; j++)
            most += breakeven->curves[i].points[j].cells; /* a cell asks for one */
    item *items = calloc(most, sizeof *items);
    breakeven->means = calloc(most, sizeof *breakeven->means);
    if (!items || !breakeven->means) {
        free(items);
        return sm_fail(SM_E_NOMEM, "no memory for the means of %zu cells", most);
    }
    for (size_t i = 0; i < breakeven->curve_count; i++)
        count += add_items(&breakeven->curves[i], items + count);
    qsort(items, count, sizeof *items, by_series);
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && items[next].percent == items[i].percent &&
                           !compare_series(items[i].curve, items[next].curve);
             next++) {
        }
        breakeven->means[breakeven->mean_count++] = mean_of(items + i, next - i);
    }
    free(items);
    return SM_OK;
}
