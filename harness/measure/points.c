/* From options to the list of points. */
#include "measure/session.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *layout_name(sm_layout layout) {
    return layout == SM_TOKEN_MAJOR ? "token" : "feature";
}

char *sm_readable(const char *key) {
    json_t *utf8 = json_string(key);
    char *text = malloc(3 * strlen(key) + 1), *end = text;
    for (const char *c = key; text && *c; c++) {
        const unsigned char byte = (unsigned char)*c;
        if (byte < ' ' || byte == 0x7f || (byte >= 0x80 && !utf8))
            end += snprintf(end, 4, "%%%02X", byte);
        else
            *end++ = *c;
    }
    if (text) *end = '\0';
    json_decref(utf8);
    return text;
}

/* "FILE:TENSOR:out-in" as far as it applies: which weights, and how they were read. */
static char *source_name(const sm_source *s) {
    const char *order = sm_source_order(s);
    char *name = NULL;
    if (asprintf(&name, "%s%s%s%s%s", s->path ? s->path : s->layer, s->tensor ? ":" : "",
                 s->tensor ? s->tensor : "", order ? ":" : "", order ? order : "") < 0)
        name = NULL;
    return name;
}

/* Everything that makes two points differ. */
static char *make_key(const sm_run_options *o, const sm_point *p) {
    const sm_source *s = p->source;
    char sparsity[32] = "own", *key = NULL;
    if (!isnan(p->sparsity)) snprintf(sparsity, sizeof sparsity, "%.6g", p->sparsity);
    char *name = source_name(s);
    if (name && asprintf(&key, "%s|%zux%zu|%s|%s|s=%s|n=%zu|%s|t=%zu|%s|f32|seed=%llu", name, s->m,
                         s->k, s->provenance, sm_pattern_name(&p->pattern).s, sparsity, p->n,
                         layout_name(p->layout), p->threads, p->cold ? "cold-weights" : "warm",
                         (unsigned long long)o->seed) < 0)
        key = NULL;
    free(name);
    char *text = key ? sm_readable(key) : NULL;
    free(key);
    return text;
}

/* A point that is there already (overlapping ranges, a file named twice) is measured once. */
static sm_status append(sm_points *points, const sm_run_options *o, const sm_point *point) {
    sm_point *grown = realloc(points->items, (points->count + 1) * sizeof *grown);
    if (grown) points->items = grown;
    char *key = make_key(o, point);
    if (!grown || !key) {
        free(key);
        return sm_fail(SM_E_NOMEM, "no memory for %zu points", points->count + 1);
    }
    for (size_t i = 0; i < points->count; i++) {
        if (strcmp(points->items[i].key, key) != 0) continue;
        free(key);
        return SM_OK;
    }
    points->items[points->count] = *point;
    points->items[points->count++].key = key;
    return SM_OK;
}

/* The explicit list of the quick sweep. */
static const struct quick {
    const char *layer;
    size_t n;
    double sparsity[16]; /* ends with -1 */
} quick[] = {
#define SM_QUICK(layer, n, ...) {layer, n, {__VA_ARGS__, -1}},
#include "quick.inc"
#undef SM_QUICK
};

static const sm_source *find_source(const sm_source_list *list, const char *layer) {
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].layer, layer) == 0) return &list->items[i];
    return NULL;
}

static sm_status add_quick(const sm_run_options *o, sm_points *points) {
    for (size_t q = 0; q < sizeof quick / sizeof quick[0]; q++) {
        const sm_source *source = find_source(&o->sources, quick[q].layer);
        if (!source)
            return sm_fail(SM_E_ARG, "harness/quick.inc: no built-in layer '%s'", quick[q].layer);
        for (const double *s = quick[q].sparsity; *s >= 0; s++) {
            const sm_point p = {.source = source, .sparsity = *s, .n = quick[q].n, .threads = 1};
            SM_TRY(append(points, o, &p));
        }
    }
    return SM_OK;
}

/* One pattern at every sparsity, or once where the file or the pattern fixes it. */
static sm_status add_sparsities(const sm_run_options *o, sm_point point, sm_points *points) {
    const int fixed = point.source->sparse || !isnan(sm_pattern_sparsity(&point.pattern));
    for (size_t d = 0; d < (fixed ? 1 : o->sparsity_count); d++) {
        point.sparsity = fixed ? (double)NAN : o->sparsity[d];
        SM_TRY(append(points, o, &point));
    }
    return SM_OK;
}

/* The digit of a mixed-radix number that has `count` values; the rest stays in *number. */
static size_t take(size_t *number, size_t count) {
    const size_t digit = *number % count;
    *number /= count;
    return digit;
}

/* All combinations of one source with the axes. */
static sm_status add_source(const sm_run_options *o, const sm_source *s, sm_points *points) {
    const size_t n_count = o->n_native ? 1 : o->n_count;
    if (o->n_native && s->n == 0)
        return sm_fail(SM_E_ARG, "--n native: %s has no N of its own: expected --n with numbers",
                       s->path ? s->path : s->layer);
    const size_t total =
        n_count * o->layout_count * o->threads_count * o->cold_count * o->pattern_count;
    for (size_t i = 0; i < total; i++) {
        size_t at = i;
        const size_t p = take(&at, o->pattern_count), c = take(&at, o->cold_count);
        const size_t t = take(&at, o->threads_count), l = take(&at, o->layout_count);
        const sm_point point = {.source = s,
                                .pattern = o->pattern[p],
                                .n = o->n_native ? s->n : o->n[at],
                                .layout = o->layout[l],
                                .threads = o->threads[t],
                                .cold = o->cold[c]};
        if (point.cold && point.threads > 1)
            return sm_fail(SM_E_ARG,
                           "--cache cold-weights: expected --threads 1 beside it, as every "
                           "copy of the weights would have threads of its own");
        SM_TRY(add_sparsities(o, point, points));
    }
    return SM_OK;
}

/* What is sparse keeps its sparsity, or with --reprune goes up from it. */
static sm_status check_sparsity(const sm_run_options *o) {
    const char *option = o->sparsity_given ? "--sparsity" : NULL;
    for (size_t i = 0; i < o->pattern_count; i++)
        if (o->pattern[i].kind != SM_PATTERN_UNSTRUCTURED) option = "--pattern";
    for (size_t i = 0; i < o->sources.count; i++) {
        const sm_source *s = &o->sources.items[i];
        const char *colon = s->tensor ? ":" : "", *tensor = s->tensor ? s->tensor : "";
        if (s->sparse && option)
            return sm_fail(SM_E_ARG,
                           "%s: %s%s%s is sparse already and keeps its own: expected only dense "
                           "layers beside it%s",
                           option, s->path, colon, tensor, s->valueless ? "" : ", or --reprune");
        if (s->sparse || s->sparsity < SM_SPARSE_FROM) continue;
        for (size_t d = 0; d < o->sparsity_count; d++)
            if (o->sparsity[d] < s->sparsity - 0.002) /* pruning to a share may overshoot it */
                return sm_fail(SM_E_ARG,
                               "--reprune: %s%s%s has %.1f %% zeros already: expected --sparsity "
                               "from there on, got %g",
                               s->path, colon, tensor, 100 * s->sparsity, o->sparsity[d]);
    }
    return SM_OK;
}

sm_status sm_points_create(const sm_run_options *o, sm_points *out) {
    *out = (sm_points){0};
    sm_status status = check_sparsity(o);
    if (o->quick) status = add_quick(o, out);
    for (size_t i = 0; i < o->sources.count && !o->quick && status == SM_OK; i++)
        status = add_source(o, &o->sources.items[i], out);
    if (status != SM_OK) sm_points_free(out);
    return status;
}

void sm_points_free(sm_points *points) {
    for (size_t i = 0; i < points->count; i++) free(points->items[i].key);
    free(points->items);
    *points = (sm_points){0};
}

double sm_point_estimate(const sm_run_options *o, const sm_point *p) {
    /* Two dense and two sparse calls a round at an assumed 60 and 40 GFLOP/s, a dozen rounds, what
     * a sample takes at least, and a fixed part for the matrix, the oracle and choosing. */
    const double weights = (double)p->source->m * (double)p->source->k;
    const double products = weights * (double)p->n;
    double sparsity = p->source->sparse ? p->source->sparsity : sm_pattern_sparsity(&p->pattern);
    if (isnan(sparsity)) sparsity = p->sparsity;
    const double density = 1.0 - sparsity;
    const double kernels = o->sweep ? 60.0 : o->kernels_all || o->kernels_count > 1 ? 8.0 : 2.0;
    const double call = 2.0 * products * (4.0 / 60e9 + kernels * density / 40e9);
    const double seconds = 12.0 * (call + 0.006 * (kernels + 2.0)) + 0.3 + 60e-9 * weights;
    return seconds;
}
