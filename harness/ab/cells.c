/* What is compared: every kernel chosen on every point. */
#include "ab/ab.h"
#include "harness.h"
#include "measure/axes.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

sm_status ab_request_complete(ab_request *request) {
    sm_run_options *o = &request->run;
    if (o->sources.count == 0)
        SM_TRY(sm_source_add_layers(&o->sources, "bert-base/attention,resnet50/conv4-expand"));
    if (o->sparsity_count == 0) SM_TRY(sm_axis_sparsity_default(o, "0.7"));
    if (o->n_count == 0 && !o->n_native) SM_TRY(sm_axis_n(o, "32,128"));
    return sm_axes_complete(o);
}

static json_t *point_json(const sm_point *p) {
    const sm_source *s = p->source;
    const double fixed = s->sparse ? s->sparsity : sm_pattern_sparsity(&p->pattern);
    json_t *point = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:f}", "layer", s->layer, "provenance", s->provenance,
        "pattern", sm_pattern_name(&p->pattern).s, "m", (json_int_t)s->m, "k", (json_int_t)s->k,
        "n", (json_int_t)p->n, "layout", p->layout == SM_TOKEN_MAJOR ? "token" : "feature",
        "sparsity", isnan(p->sparsity) ? fixed : p->sparsity);
    if (!point || !s->path) return point;
    int failed = json_object_set_new(point, "path", json_string(s->path));
    if (s->tensor) failed |= json_object_set_new(point, "tensor", json_string(s->tensor));
    if (!failed) return point;
    json_decref(point);
    return NULL;
}

static json_t *points_json(const sm_run_options *o, sm_status *status) {
    sm_points points;
    json_t *list = json_array();
    *status = sm_points_create(o, &points);
    if (*status != SM_OK) return list;
    for (size_t i = 0; i < points.count && *status == SM_OK; i++)
        if (json_array_append_new(list, point_json(&points.items[i])) != 0)
            *status = sm_fail(SM_E_ARG, "%s: expected a name in UTF-8", points.items[i].key);
    sm_points_free(&points);
    return list;
}

/* Level bits of this program, by name: a build may number its levels otherwise. */
static int level_wanted(const sm_run_options *o, const char *isa) {
    const uint32_t mask = sm_axes_masks(o->isa, o->isa_count);
    for (size_t i = 0; i < sm_isa_count(); i++)
        if (strcmp(sm_isa_name(i), isa) == 0) return mask >> i & 1;
    return 0;
}

typedef enum breadth { HAND_WRITTEN, SPARSE, ALL } breadth;

static int is_of(const json_t *kernel, breadth wanted) {
    const char *isa = ab_text(kernel, "isa");
    const int sparse = strcmp(ab_text(kernel, "op"), "spmm") == 0 &&
                       strcmp(ab_text(kernel, "format"), "dense") != 0;
    return wanted == ALL || (sparse && (wanted == SPARSE || sm_isa_hand_written(isa)));
}

/* The kernels of both builds, as they were looked at. */
typedef struct offer {
    const json_t *base, *cand;
} offer;

static int is_usable(const offer *o, const char *name) {
    return json_is_true(json_object_get(ab_find_kernel(o->base, name), "usable")) &&
           json_is_true(json_object_get(ab_find_kernel(o->cand, name), "usable"));
}

static int add_named(const char *names, const offer *o, json_t *chosen) {
    for (const char *word = names; word;) {
        char name[128];
        const size_t length = strcspn(word, ",");
        (void)snprintf(name, sizeof name, "%.*s", length < sizeof name ? (int)length : 127, word);
        word = word[length] == ',' ? word + length + 1 : NULL;
        const json_t *in_base = ab_find_kernel(o->base, name);
        const json_t *in_cand = ab_find_kernel(o->cand, name);
        if (!in_base && !in_cand)
            return complain(EXIT_CODE_USAGE,
                            "--kernels '%s': expected all, or names of kernels in both builds",
                            name);
        if (!in_base || !in_cand)
            return complain(EXIT_CODE_NOT_COMPARABLE, "--kernels %s: only one build has it", name);
        if (!is_usable(o, name))
            return complain(EXIT_CODE_NOT_COMPARABLE,
                            "--kernels %s: level %s is not usable on this machine", name,
                            ab_text(in_base, "isa"));
        size_t i = 0;
        while (i < json_array_size(chosen) &&
               strcmp(json_string_value(json_array_get(chosen, i)), name) != 0)
            i++;
        if (i == json_array_size(chosen)) (void)json_array_append_new(chosen, json_string(name));
    }
    return EXIT_CODE_OK;
}

static void add_matching(const ab_request *r, const offer *o, breadth wanted, json_t *chosen) {
    size_t i;
    const json_t *kernel;
    json_array_foreach(json_object_get(o->base, "kernels"), i, kernel) {
        const char *name = ab_text(kernel, "name");
        if (is_usable(o, name) && is_of(kernel, wanted) &&
            level_wanted(&r->run, ab_text(kernel, "isa")))
            (void)json_array_append_new(chosen, json_string(name));
    }
}

static int choose(const ab_request *r, const offer *o, json_t *chosen) {
    const int all = r->kernels && strcmp(r->kernels, "all") == 0;
    if (r->kernels && !all) return add_named(r->kernels, o, chosen);
    add_matching(r, o, all ? ALL : HAND_WRITTEN, chosen);
    /* Levels that have nothing written by hand were asked for, or there are no others. */
    if (json_array_size(chosen) == 0) add_matching(r, o, SPARSE, chosen);
    if (json_array_size(chosen) > 0) return EXIT_CODE_OK;
    return complain(EXIT_CODE_NOT_COMPARABLE,
                    "no kernel is in both builds, usable here and of a level of --isa");
}

static int cross(const json_t *kernels, const json_t *points, json_t *cells) {
    size_t i;
    const json_t *kernel;
    for (size_t p = 0; p < json_array_size(points); p++) {
        json_array_foreach(kernels, i, kernel) {
            json_t *cell = json_pack("{s:O, s:I}", "kernel", kernel, "point", (json_int_t)p);
            if (json_array_append_new(cells, cell) != 0)
                return complain(EXIT_CODE_USAGE, "no memory for a list of cells");
        }
    }
    return EXIT_CODE_OK;
}

int ab_cells_create(const ab_request *request, const ab_build *base, const ab_build *cand,
                    json_t *record) {
    const offer offered = {base->look, cand->look};
    sm_status status;
    json_t *points = points_json(&request->run, &status);
    json_t *kernels = json_array(), *cells = json_array();
    int code = status == SM_OK ? EXIT_CODE_OK : complain_status(status);
    if (code == EXIT_CODE_OK) code = choose(request, &offered, kernels);
    if (code == EXIT_CODE_OK) code = cross(kernels, points, cells);
    json_decref(kernels);
    (void)json_object_set_new(record, "points", points);
    (void)json_object_set_new(record, "cells", cells);
    return code;
}
