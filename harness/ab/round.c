/* One round: every cell once, problem by problem, in an order shuffled with a recorded seed.
 * Loading and packing follow that seed too, so that no build always gets the better memory. */
#include "ab/round.h"
#include "ab/ab.h"
#include "ab/arms.h"
#include "harness.h"
#include "input/input.h"
#include "machine/machine.h"
#include "prune/prune.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CELL_SECONDS = 300, CONTROL_SIDE = 256, CONTROL_N = 64 };

typedef struct round_state {
    const json_t *points, *cells, *inject;
    const char *control; /* name of its kernel */
    uint64_t seed;       /* of weights and activations */
    sm_rng rng;          /* of the order */
    ab_library libraries[AB_ARMS], own[AB_ARMS];
    sm_watch *watch;
    json_t *done;
    char wrong[512];
    int trace;
} round_state;

void ab_trace(int trace, const char *format, ...) {
    char line[256];
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    const size_t size = length < (int)sizeof line - 1 ? (size_t)length : sizeof line - 2;
    line[size] = '\n';
    if (ftruncate(trace, 0) == 0) (void)!pwrite(trace, line, size + 1, 0);
}

json_t *ab_error(int code, const char *text) {
    return json_pack("{s:s, s:i}", "error", text, "code", code);
}

static void shuffle(sm_rng *rng, size_t *items, size_t count) {
    for (size_t i = 0; i < count; i++) items[i] = i;
    for (size_t i = count; i > 1; i--) {
        const size_t j = (size_t)(sm_rng_next(rng) % i), kept = items[i - 1];
        items[i - 1] = items[j];
        items[j] = kept;
    }
}

static json_t *arms_json(const ab_timing *t) {
    json_t *ns = json_array(), *taints = json_array(), *blocking = json_array();
    for (size_t i = 0; i < AB_ARMS; i++) {
        json_t *times = json_array(), *bits = json_array();
        for (size_t q = 0; q < t->quartets; q++) {
            (void)json_array_append_new(times, json_real(t->ns[i][q]));
            (void)json_array_append_new(bits, json_integer(t->taints[i][q]));
        }
        (void)json_array_append_new(ns, times);
        (void)json_array_append_new(taints, bits);
        (void)json_array_append_new(
            blocking, json_pack("[I, I]", (json_int_t)t->kt[i], (json_int_t)t->mc[i]));
    }
    return json_pack("{s:I, s:o, s:o, s:o}", "calls", (json_int_t)t->calls, "blocking", blocking,
                     "ns", ns, "taints", taints);
}

static void note_wrong(round_state *s, const ab_timing *t, const char *kernel, const char *layer) {
    for (size_t i = 0; i < AB_ARMS && s->wrong[0] == '\0'; i++)
        if (!(t->error[i] <= 1.0))
            (void)snprintf(s->wrong, sizeof s->wrong,
                           "%s: %s on %s is wrong: its error is %.3g times what rounding may do",
                           ab_arm_name(i), kernel, layer, t->error[i]);
}

/* index: of the cell, or that past the last one for the control. */
static sm_status run_cell(round_state *s, size_t index, sm_operands *operands, const char *layer) {
    const json_t *cell = json_array_get(s->cells, index);
    ab_case what = {.libraries = cell ? s->libraries : s->own,
                    .kernel =
                        cell ? json_string_value(json_object_get(cell, "kernel")) : s->control};
    const char *delayed = json_string_value(json_object_get(s->inject, "kernel"));
    if (cell && delayed && strcmp(delayed, what.kernel) == 0)
        what.delay = json_number_value(json_object_get(s->inject, "share"));
    shuffle(&s->rng, what.order, AB_ARMS);
    (void)alarm(CELL_SECONDS);
    ab_trace(s->trace, "in %s on %s", what.kernel, layer);
    ab_timing timing;
    SM_TRY(ab_arms_time(operands, &what, s->watch, &timing));
    note_wrong(s, &timing, what.kernel, layer);
    json_t *entry = arms_json(&timing);
    if (json_object_set_new(entry, "cell", cell ? json_integer((json_int_t)index) : json_null()) ||
        json_array_append_new(s->done, entry))
        return sm_fail(SM_E_NOMEM, "no memory for the samples of a round");
    return SM_OK;
}

static size_t count_of(const json_t *object, const char *key) {
    return (size_t)json_integer_value(json_object_get(object, key));
}

/* The one of a file's matrices that a point names. */
static const sm_source *find_source(const sm_source_list *list, const json_t *point) {
    const char *tensor = json_string_value(json_object_get(point, "tensor"));
    for (size_t i = 0; i < list->count; i++) {
        const sm_source *s = &list->items[i];
        if (s->m == count_of(point, "m") && s->k == count_of(point, "k") &&
            (!tensor || (s->tensor && strcmp(s->tensor, tensor) == 0)))
            return s;
    }
    return NULL;
}

static sm_status make_matrix(const round_state *s, const json_t *point, sm_csr *out) {
    char control[] = "control";
    const sm_source seeded = {.layer = control,
                              .m = point ? count_of(point, "m") : CONTROL_SIDE,
                              .k = point ? count_of(point, "k") : CONTROL_SIDE};
    const double sparsity = json_number_value(json_object_get(point, "sparsity"));
    const char *path = json_string_value(json_object_get(point, "path"));
    sm_pattern pattern = {0};
    if (point) SM_TRY(sm_pattern_parse(ab_text(point, "pattern"), &pattern));
    if (!path) return sm_source_matrix(&seeded, &pattern, sparsity, s->seed, out);
    sm_source_list list = {0};
    sm_status status = sm_source_add_path(&list, path);
    const sm_source *source = status == SM_OK ? find_source(&list, point) : NULL;
    if (source)
        status = sm_source_matrix(source, &pattern, sparsity, s->seed, out);
    else if (status == SM_OK)
        status = sm_fail(SM_E_FORMAT, "%s: expected %zu x %zu weights as before", path, seeded.m,
                         seeded.k);
    sm_source_list_free(&list);
    return status;
}

static sm_status make_operands(const round_state *s, const json_t *point, sm_operands *out) {
    const char *layout = ab_text(point, "layout");
    sm_csr w;
    SM_TRY(make_matrix(s, point, &w));
    return sm_operands_create(&w, point ? count_of(point, "n") : CONTROL_N,
                              strcmp(layout, "token") == 0 ? SM_TOKEN_MAJOR : SM_FEATURE_MAJOR,
                              s->seed + 1, out);
}

static int selected(const json_t *select, size_t cell) {
    size_t i;
    const json_t *chosen;
    json_array_foreach(select, i, chosen) {
        if ((size_t)json_integer_value(chosen) == cell) return 1;
    }
    return 0;
}

/* All selected cells of one point; the point past the last one is the control's. */
static sm_status run_point(round_state *s, size_t point, const json_t *select) {
    const size_t count = json_array_size(s->cells);
    const json_t *p = json_array_get(s->points, point);
    const char *layer = p ? json_string_value(json_object_get(p, "layer")) : "the control";
    size_t *order = malloc((count + 1) * sizeof *order);
    sm_operands operands = {0};
    sm_status status = SM_OK;
    if (!order) return sm_fail(SM_E_NOMEM, "no memory for the order of %zu cells", count);
    shuffle(&s->rng, order, count + 1);
    for (size_t i = 0; i <= count && status == SM_OK && !s->wrong[0]; i++) {
        const json_t *cell = json_array_get(s->cells, order[i]);
        if (cell ? count_of(cell, "point") != point || !selected(select, order[i]) : p != NULL)
            continue;
        if (!operands.y) status = make_operands(s, p, &operands);
        if (status == SM_OK) status = run_cell(s, order[i], &operands, layer);
    }
    if (operands.y) sm_operands_free(&operands);
    free(order);
    return status;
}

static sm_status load(round_state *s, const json_t *question) {
    size_t order[AB_ARMS];
    shuffle(&s->rng, order, AB_ARMS);
    for (size_t i = 0; i < AB_ARMS; i++) {
        const size_t arm = order[i];
        const char *fd = arm == AB_BASE || arm == AB_BASE_AGAIN ? "base_fd" : "cand_fd";
        SM_TRY(ab_library_open((int)count_of(question, fd), &s->libraries[arm]));
        ab_library_own(&s->own[arm]);
    }
    return sm_watch_create(&s->watch);
}

static sm_status run_points(round_state *s, const json_t *question) {
    const size_t count = json_array_size(s->points) + 1;
    size_t *order = malloc(count * sizeof *order);
    if (!order) return sm_fail(SM_E_NOMEM, "no memory for the order of %zu points", count);
    shuffle(&s->rng, order, count);
    sm_status status = SM_OK;
    for (size_t i = 0; i < count && status == SM_OK && !s->wrong[0]; i++)
        status = run_point(s, order[i], json_object_get(question, "select"));
    free(order);
    return status;
}

json_t *ab_round(const json_t *question, int trace) {
    const json_t *options = json_object_get(question, "options");
    const json_t *shuffle_seed = json_object_get(question, "shuffle");
    round_state s = {.points = json_object_get(question, "points"),
                     .cells = json_object_get(question, "cells"),
                     .control = json_string_value(json_object_get(question, "control")),
                     .inject = json_object_get(options, "inject"),
                     .seed = (uint64_t)json_integer_value(json_object_get(options, "seed")),
                     .done = json_array(),
                     .trace = trace};
    sm_rng_seed(&s.rng, (uint64_t)json_integer_value(shuffle_seed));
    (void)alarm(CELL_SECONDS);
    (void)sm_machine_pin(0); /* the arms of a quartet run on one core */
    ab_trace(trace, "while the libraries were loaded");
    sm_status status = load(&s, question);
    if (status == SM_OK) status = run_points(&s, question);
    json_t *answer;
    if (status != SM_OK)
        answer =
            ab_error(status == SM_E_ISA ? EXIT_CODE_NOT_COMPARABLE : EXIT_CODE_USAGE, sm_message());
    else if (s.wrong[0])
        answer = ab_error(EXIT_CODE_WRONG, s.wrong);
    else
        answer =
            json_pack("{s:I, s:O}", "shuffle", json_integer_value(shuffle_seed), "cells", s.done);
    sm_watch_free(s.watch);
    json_decref(s.done);
    return answer;
}
