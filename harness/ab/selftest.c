/* Runs the comparison on questions whose answer is known. What limits it is time: the rates are
 * only as good as the number of cells. */
#include "ab/selftest.h"
#include "harness.h"
#include "measure/axes.h"
#include "measure/clock.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KERNELS = 8 };
static const size_t AA_RUNS = 3, ENOUGH_CELLS = 200, FULL_KERNELS = 3;
/* Layers that stay in the caches of one core and whose calls are long against the clock's grain. */
enum { MIN_WEIGHTS = 1 << 16, MAX_WEIGHTS = 1 << 20 };
static const double INJECTED = 0.05;

typedef struct tally {
    size_t cells, count, ambiguous; /* count: of wrong answers */
} tally;

typedef struct selftest {
    const selftest_options *o;
    const char *kernels[MAX_KERNELS];
    size_t kernel_count, runs, aa_runs;
    ab_request request;
    char names[1024];
    double start_ns;
    json_t *rows, *head;
    tally aa, beside; /* cells without a delay: SLOW or FAST is wrong */
    tally injected;   /* cells with one: all but SLOW is */
} selftest;

static int is_sparse(const sm_kernel *k, int hand) {
    return strcmp(k->op, "spmm") == 0 && strcmp(k->format, "dense") != 0 &&
           (sm_isa_mask() >> k->level & 1) && (!hand || sm_isa_hand_written(k->isa));
}

/* The last tile of every format and level. */
static void choose_kernels(selftest *s, size_t most, int hand) {
    for (size_t i = sm_kernel_count(); i-- > 0 && s->kernel_count < most;) {
        const sm_kernel *k = sm_kernel_at(i);
        int known = !is_sparse(k, hand);
        for (size_t j = 0; j < s->kernel_count && !known; j++) {
            const sm_kernel *other = sm_kernel_find(s->kernels[j]);
            known = other->level == k->level && strcmp(other->format, k->format) == 0;
        }
        if (!known) s->kernels[s->kernel_count++] = k->name;
    }
}

static sm_status choose_layers(selftest *s, size_t count) {
    size_t taken = 0;
    for (size_t i = 0; i < sm_layer_count() && taken < count; i++) {
        const sm_layer *layer = sm_layer_at(i);
        if (layer->m * layer->k < MIN_WEIGHTS || layer->m * layer->k > MAX_WEIGHTS) continue;
        SM_TRY(sm_source_add_layers(&s->request.run.sources, layer->name));
        taken++;
    }
    return SM_OK;
}

static size_t ceil_div(size_t a, size_t b) {
    return (a + b - 1) / b;
}

/* As many cells as asked for, or a few more: kernels x two N x layers. At least two kernels, so
 * that something lies beside the slowed one. */
static sm_status plan(selftest *s) {
    const selftest_options *o = s->o;
    /* One kernel is slowed at a time: of few kernels on many layers that is soon enough of cells.
     */
    size_t most = o->full ? FULL_KERNELS : o->cells / 2 > 2 ? o->cells / 2 : 2;
    if (most > MAX_KERNELS) most = MAX_KERNELS;
    choose_kernels(s, most, 1);
    if (s->kernel_count == 0) choose_kernels(s, most, 0);
    for (size_t i = 0; i < s->kernel_count; i++) {
        const size_t used = strlen(s->names);
        (void)snprintf(s->names + used, sizeof s->names - used, "%s%s", i ? "," : "",
                       s->kernels[i]);
    }
    s->request.kernels = s->names;
    const size_t sizes = o->cells < 2 * s->kernel_count ? 1 : 2;
    SM_TRY(sm_axis_n(&s->request.run, sizes == 1 ? "128" : "32,128"));
    SM_TRY(choose_layers(s, ceil_div(o->cells, s->kernel_count * sizes)));
    SM_TRY(ab_request_complete(&s->request));
    const size_t slowed = sizes * s->request.run.sources.count;
    s->aa_runs = o->full ? ceil_div(ENOUGH_CELLS, slowed * s->kernel_count) : AA_RUNS;
    if (s->aa_runs < AA_RUNS) s->aa_runs = AA_RUNS;
    s->runs = s->aa_runs + (o->full ? ceil_div(ENOUGH_CELLS, slowed) : 1);
    return SM_OK;
}

static void count(selftest *s, const char *slowed, const json_t *record, const json_t *verdict) {
    size_t i;
    const json_t *cell;
    json_array_foreach(json_object_get(record, "cells"), i, cell) {
        const char *state = ab_text(json_array_get(json_object_get(verdict, "cells"), i), "state");
        const int slow = strcmp(state, "SLOW") == 0, fast = strcmp(state, "FAST") == 0;
        const int is_slowed = slowed && strcmp(ab_text(cell, "kernel"), slowed) == 0;
        tally *t = is_slowed ? &s->injected : slowed ? &s->beside : &s->aa;
        t->cells++;
        t->ambiguous += strcmp(state, "AMBIGUOUS") == 0;
        t->count += is_slowed ? !slow : slow || fast;
    }
}

static int run_one(selftest *s, size_t number) {
    const char *slowed =
        number < s->aa_runs ? NULL : s->kernels[(number - s->aa_runs) % s->kernel_count];
    const double spent_s = (clock_ns() - s->start_ns) / 1e9;
    const double left_s = fmax(s->o->request.time_s - spent_s, 1e-3);
    if (s->o->request.time_s > 0) s->request.time_s = left_s / (double)(s->runs - number);
    s->request.inject = slowed;
    s->request.inject_share = INJECTED;
    s->request.run.seed = s->o->request.run.seed + number;
    json_t *record, *verdict;
    const int code = ab_compare(&s->request, &record, &verdict);
    if (code == EXIT_CODE_OK) {
        count(s, slowed, record, verdict);
        json_t *row = json_pack(
            "{s:o, s:O, s:O, s:O}", "injected", slowed ? json_string(slowed) : json_null(),
            "counts", json_object_get(verdict, "counts"), "disturbed",
            json_object_get(verdict, "disturbed"), "cells", json_object_get(verdict, "cells"));
        (void)json_array_append_new(s->rows, row);
        if (!s->head)
            s->head = json_pack("{s:O, s:O}", "machine", json_object_get(record, "machine"),
                                "library", json_object_get(record, "base"));
    }
    json_decref(record);
    json_decref(verdict);
    return code;
}

/* {"cells", "count", "ambiguous", "rate", "low", "high"}, the interval being that of the rate. */
static json_t *rate(const tally *t, const json_t *interval) {
    return json_pack("{s:I, s:I, s:I, s:f, s:O, s:O}", "cells", (json_int_t)t->cells, "count",
                     (json_int_t)t->count, "ambiguous", (json_int_t)t->ambiguous, "rate",
                     (double)t->count / (double)t->cells, "low", json_array_get(interval, 0),
                     "high", json_array_get(interval, 1));
}

static int add_rates(const selftest *s, json_t *result) {
    const tally *a = &s->aa, *b = &s->beside;
    const tally untouched = {a->cells + b->cells, a->count + b->count, a->ambiguous + b->ambiguous};
    const struct {
        const char *name;
        const tally *tally;
    } rates[] = {{"aa", a}, {"untouched", &untouched}, {"missed", &s->injected}};
    enum { RATES = sizeof rates / sizeof rates[0] };
    json_t *counts = json_array(), *intervals = NULL;
    for (size_t i = 0; i < RATES; i++)
        (void)json_array_append_new(counts, json_pack("[I, I]", (json_int_t)rates[i].tally->count,
                                                      (json_int_t)rates[i].tally->cells));
    const int code = ab_judge_rates(counts, &intervals);
    for (size_t i = 0; i < RATES && code == EXIT_CODE_OK; i++)
        (void)json_object_set_new(result, rates[i].name,
                                  rate(rates[i].tally, json_array_get(intervals, i)));
    json_decref(counts);
    json_decref(intervals);
    return code;
}

static int verdict_of(const selftest *s) {
    if (s->aa.count + s->beside.count > 0) return EXIT_CODE_REGRESSION;
    /* Said to be the same or faster, although it is known to be slower. */
    if (s->injected.count > s->injected.ambiguous) return EXIT_CODE_REGRESSION;
    return s->injected.ambiguous > 0 ? EXIT_CODE_UNDECIDED : EXIT_CODE_OK;
}

int selftest_run(const selftest_options *options, json_t **result) {
    selftest s = {.o = options, .request = options->request, .rows = json_array()};
    *result = NULL;
    s.request.cand = s.request.base;
    s.start_ns = clock_ns();
    const sm_status status = plan(&s);
    int code = status == SM_OK ? EXIT_CODE_OK : complain_status(status);
    for (size_t i = 0; i < s.runs && code == EXIT_CODE_OK; i++) code = run_one(&s, i);
    if (code == EXIT_CODE_OK) {
        *result = json_pack("{s:s, s:i, s:f, s:f, s:O}", "type", "selftest", "schema", AB_SCHEMA,
                            "delta", s.request.delta, "injected_share", INJECTED, "runs", s.rows);
        (void)json_object_update(*result, s.head);
        code = add_rates(&s, *result);
        if (code != EXIT_CODE_OK) {
            json_decref(*result);
            *result = NULL;
        }
    }
    json_decref(s.rows);
    json_decref(s.head);
    sm_source_list_free(&s.request.run.sources);
    return code == EXIT_CODE_OK ? verdict_of(&s) : code;
}
