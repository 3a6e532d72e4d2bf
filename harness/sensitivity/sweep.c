/* Runs the images through one pruned network after another. What the convolutions make of the
 * images is kept: while only dense layers are pruned it stays the same. Limit: the convolutions'
 * multiply-adds, for every setting that prunes one; memory for what they make of all images. */
#include "sensitivity/sweep.h"
#include "harness.h"
#include "machine/machine.h"
#include "measure/clock.h"
#include "measure/report.h"
#include "model/infer.h"
#include "sensitivity/pruned.h"
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 128, CHECKED = 2, CHECKED_PRUNED = 1 };

typedef struct runner {
    sweep *s;
    pruned *pruned;
    float *pixels, *logits, *features;
    size_t feature_count; /* of an image */
    size_t *dense;        /* predictions of the network as it was */
    int cpus[MAX_CPUS];
    size_t capacity; /* cells */
    double start_s;
} runner;

int sweep_takes(const sweep *s, size_t pattern, size_t layer) {
    return s->chosen[layer] && s->why[pattern][layer][0] == '\0';
}

const uint16_t *sweep_hits(const sweep *s, size_t pattern, size_t layer) {
    return s->hits + (pattern * NET_LAYERS + layer) * s->subject.images;
}

const char *sweep_layer_name(const sweep *s, size_t layer) {
    return layer == SWEEP_ALL ? "all" : s->subject.net.layers[layer].name;
}

static int matches(const char *globs, const char *name) {
    while (globs) {
        char glob[64];
        const size_t length = strcspn(globs, ",");
        (void)snprintf(glob, sizeof glob, "%.*s", (int)length, globs);
        if (fnmatch(glob, name, 0) == 0) return 1;
        globs = globs[length] ? globs + length + 1 : NULL;
    }
    return 0;
}

static sm_status choose_layers(sweep *s) {
    int any = 0;
    for (size_t i = 0; i < NET_LAYERS; i++) {
        s->chosen[i] = !s->o->layers || matches(s->o->layers, s->subject.net.layers[i].name);
        any |= s->chosen[i];
    }
    if (any) return SM_OK;
    return sm_fail(SM_E_ARG,
                   "--layers '%s': matches no layer of %s: expected globs of conv1, "
                   "conv2, dense1, dense2",
                   s->o->layers, s->o->weights);
}

static sm_status reserve(runner *r) {
    sweep *s = r->s;
    const sm_run_options *axes = &s->o->axes;
    const size_t images = s->subject.images;
    for (size_t p = 0; p < axes->pattern_count; p++) {
        s->settings[p] = axes->pattern[p].kind == SM_PATTERN_NM ? 1 : axes->sparsity_count;
        r->capacity += s->settings[p] * (NET_LAYERS + 1);
    }
    s->cells = calloc(r->capacity, sizeof *s->cells);
    const size_t hits = axes->pattern_count * NET_LAYERS * images;
    s->hits = sm_alloc(hits, sizeof *s->hits);
    r->dense = calloc(images, sizeof *r->dense);
    r->logits = sm_alloc(images * s->subject.net.classes, sizeof *r->logits);
    r->feature_count = net_layer_cols(&s->subject.net.layers[2]);
    r->features = sm_alloc(images * r->feature_count, sizeof *r->features);
    if (!s->cells || !s->hits || !r->dense || !r->logits || !r->features)
        return sm_fail(SM_E_NOMEM, "no memory for what the layers make of %zu images", images);
    memset(s->hits, 0, hits * sizeof *s->hits);
    return SM_OK;
}

/* Logits of all images. Where the convolutions are pruned as well, or nothing is kept yet, from the
 * images; the dense network's features are kept. */
static void infer(runner *r, engine *e, int from_images, int keep) {
    const model_subject *m = &r->s->subject;
    const size_t size = m->net.height * m->net.width, classes = m->net.classes;
    for (size_t i = 0, count; i < m->images; i += count) {
        count = m->images - i < BATCH ? m->images - i : BATCH;
        float *features = r->features + i * r->feature_count, *logits = r->logits + i * classes;
        if (!from_images) {
            engine_run_features(e, features, count, logits);
            continue;
        }
        engine_run(e, r->pixels + i * size, count, logits, NULL);
        if (keep) memcpy(features, engine_features(e), count * r->feature_count * sizeof *features);
    }
}

/* *error: of the first so many images' logits against the definition. */
static sm_status run_network(runner *r, const network *net, int from_images, int keep,
                             size_t checked, double *error) {
    const sm_run_options *axes = &r->s->o->axes;
    const engine_options options = {.batch = BATCH,
                                    .threads = axes->threads[0],
                                    .isa_mask = sm_axes_masks(axes->isa, axes->isa_count),
                                    .budget_s = -1, /* timing would make the choice, and so the
                                                       last digits, differ from run to run */
                                    .cpus = r->cpus + 1};
    engine *e;
    SM_TRY(engine_create(net, &options, &e));
    infer(r, e, from_images, keep);
    engine_free(e);
    const size_t images = r->s->subject.images;
    return model_check(net, r->pixels, r->logits, checked < images ? checked : images, error);
}

static sm_status run_dense(runner *r) {
    sweep *s = r->s;
    const model_subject *m = &s->subject;
    SM_TRY(run_network(r, &m->net, 1, 1, CHECKED, &s->dense.error));
    s->dense.images = m->images;
    for (size_t i = 0; i < m->images; i++) {
        r->dense[i] = model_predict(r->logits + i * m->net.classes, m->net.classes);
        s->dense.right += r->dense[i] == m->set.labels[i];
    }
    if (!(s->dense.error <= MODEL_TOLERANCE))
        (void)snprintf(s->wrong, sizeof s->wrong, "%.1e off the definition as it is",
                       s->dense.error);
    return SM_OK;
}

static void count(runner *r, sweep_cell *c) {
    const model_subject *m = &r->s->subject;
    uint16_t *hits = c->layer == SWEEP_ALL
                         ? NULL
                         : r->s->hits + (c->pattern * NET_LAYERS + c->layer) * m->images;
    for (size_t i = 0; i < m->images; i++) {
        const size_t now = model_predict(r->logits + i * m->net.classes, m->net.classes);
        const int was_right = r->dense[i] == m->set.labels[i], right = now == m->set.labels[i];
        c->changed += now != r->dense[i];
        c->right += (size_t)right;
        c->worse += (size_t)(was_right && !right);
        c->better += (size_t)(!was_right && right);
        if (hits) hits[i] = (uint16_t)(hits[i] + right);
    }
    c->lost = interval_paired(c->worse, c->better, m->images);
}

/* Prunes a layer, or notes why it does not take the pattern. */
static sm_status prune(runner *r, const sweep_cell *c, size_t layer, size_t zeros[2]) {
    sweep *s = r->s;
    size_t weights, zero;
    const sm_status status =
        pruned_layer(r->pruned, layer, &s->o->axes.pattern[c->pattern], c->sparsity);
    if (status == SM_E_ARG) {
        (void)snprintf(s->why[c->pattern][layer], SWEEP_WHY, "%s", sm_message());
        return SM_OK;
    }
    if (status != SM_OK) return status;
    pruned_count(r->pruned, layer, &weights, &zero);
    zeros[0] += zero;
    zeros[1] += weights;
    return SM_OK;
}

static sm_status run_cell(runner *r, size_t pattern, double sparsity, size_t layer) {
    sweep *s = r->s;
    sweep_cell *c = &s->cells[s->count];
    const size_t first = layer == SWEEP_ALL ? 0 : layer;
    const size_t end = layer == SWEEP_ALL ? NET_LAYERS : layer + 1;
    size_t zeros[2] = {0}, taken = 0;
    int convs = 0;
    *c = (sweep_cell){.pattern = pattern, .layer = layer, .sparsity = sparsity};
    pruned_reset(r->pruned);
    for (size_t i = first; i < end; i++) {
        if (!sweep_takes(s, pattern, i)) continue;
        SM_TRY(prune(r, c, i, zeros));
        const int takes = sweep_takes(s, pattern, i);
        taken += (size_t)takes;
        convs |= takes && s->subject.net.layers[i].conv;
    }
    if (taken == 0 || (layer == SWEEP_ALL && taken == 1)) return SM_OK;
    network net;
    double error;
    SM_TRY(pruned_network(r->pruned, &net));
    const sm_status status = run_network(r, &net, convs, 0, CHECKED_PRUNED, &error);
    network_free(&net);
    if (status != SM_OK) return status;
    c->zeros = (double)zeros[0] / (double)zeros[1];
    count(r, c);
    s->count++;
    if (!(error <= MODEL_TOLERANCE))
        (void)snprintf(s->wrong, sizeof s->wrong,
                       "%.1e off the definition with %s pruned by %s "
                       "to %g",
                       error, sweep_layer_name(s, layer),
                       sm_pattern_name(&s->o->axes.pattern[pattern]).s, sparsity);
    return SM_OK;
}

static void say_progress(const runner *r, size_t done, size_t total, const char *what) {
    const double elapsed = clock_ns() / 1e9 - r->start_s;
    const double left = done ? elapsed * (double)(total - done) / (double)done : 0;
    if (done) sm_progress(done, total, elapsed, left, what);
}

static sm_status run_cells(runner *r) {
    sweep *s = r->s;
    const sm_run_options *axes = &s->o->axes;
    size_t done = 0;
    for (size_t p = 0; p < axes->pattern_count; p++) {
        const sm_pattern *pattern = &axes->pattern[p];
        for (size_t i = 0; i < s->settings[p]; i++) {
            const double sparsity =
                pattern->kind == SM_PATTERN_NM ? sm_pattern_sparsity(pattern) : axes->sparsity[i];
            say_progress(r, done, r->capacity, sm_pattern_name(pattern).s);
            for (size_t layer = 0; layer <= SWEEP_ALL && !s->wrong[0]; layer++)
                SM_TRY(run_cell(r, p, sparsity, layer));
            done += NET_LAYERS + 1;
        }
    }
    return SM_OK;
}

static sm_status run(runner *r) {
    sweep *s = r->s;
    const sweep_options *o = s->o;
    SM_TRY(model_subject_read(o->weights, o->weights_order, o->data, o->images, &s->subject));
    SM_TRY(choose_layers(s));
    SM_TRY(model_subject_pixels(&s->subject, s->subject.images, &r->pixels));
    SM_TRY(reserve(r));
    SM_TRY(pruned_create(o->weights, &s->subject.file, &s->subject.orders, &s->subject.net,
                         o->random, o->axes.seed, &r->pruned));
    sm_machine_cpus(r->cpus, MAX_CPUS);
    r->start_s = clock_ns() / 1e9;
    SM_TRY(run_dense(r));
    return s->wrong[0] ? SM_OK : run_cells(r);
}

sm_status sweep_run(const sweep_options *options, sweep *out) {
    runner r = {.s = out};
    *out = (sweep){.o = options};
    const sm_status status = run(&r);
    sm_progress_clear();
    pruned_free(r.pruned);
    sm_free(r.pixels);
    sm_free(r.logits);
    sm_free(r.features);
    free(r.dense);
    return status;
}

void sweep_free(sweep *s) {
    model_subject_free(&s->subject);
    free(s->cells);
    sm_free(s->hits);
}
