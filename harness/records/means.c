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

/* How far an item is from its percent: a layer counts once there, with the nearest of its points.
 */
static double off(const item *it) {
    return fabs(it->point->asked - it->percent / 100.0);
}

sm_status sm_means_compute(sm_breakeven *breakeven) {
    size_t points = 0, count = 0;
    for (size_t i = 0; i < breakeven->curve_count; i++) points += breakeven->curves[i].count;
    item *items = calloc(points ? points : 1, sizeof *items);
    breakeven->means = calloc(points ? points : 1, sizeof *breakeven->means);
    if (!items || !breakeven->means) {
        free(items);
        return sm_fail(SM_E_NOMEM, "no memory for the means of %zu points", points);
    }
    for (size_t i = 0; i < breakeven->curve_count; i++) {
        const sm_curve *curve = &breakeven->curves[i];
        for (size_t j = 0; j < curve->count; j++) {
            const sm_curve_point *point = &curve->points[j];
            if (point->apart) continue;
            const item it = {curve, point, (int)lround(100 * point->asked)};
            item *last = count > 0 ? items + count - 1 : NULL;
            if (!last || last->curve != curve || last->percent != it.percent)
                items[count++] = it;
            else if (off(&it) < off(last))
                *last = it;
        }
    }
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
