/* Rounds of interleaved samples, and what they say. */
#include "measure/rounds.h"
#include "measure/clock.h"
#include "measure/gbench.h"
#include "measure/stats.h"
#include <stdlib.h>

enum { CHECK_EVERY = 3 };
static const double SAMPLE_NS = 4e6;

static void place(void *arg) {
    sm_candidate *c = arg;
    sm_candidate_place(c);
    sm_watch_wait(c->watch);
}

static void before(void *arg) {
    sm_candidate *c = arg;
    sm_watch_begin(c->watch);
}

static void after(void *arg) {
    sm_candidate *c = arg;
    c->last_taint = sm_watch_end(c->watch) | (c->crowded ? TAINT_SWITCHED : 0);
}

static double timer(void *arg, int64_t iterations) {
    sm_candidate *c = arg;
    return c->other_timer(c->other_arg, iterations);
}

static sm_status reserve(sm_candidate *c) {
    if (!c->ns) c->ns = malloc(MAX_ROUNDS * sizeof *c->ns);
    if (!c->taints) c->taints = malloc(MAX_ROUNDS * sizeof *c->taints);
    if (!c->ns || !c->taints) return sm_fail(SM_E_NOMEM, "no memory for samples");
    const double calls = SAMPLE_NS / sm_candidate_glance(c, 2);
    c->iterations = calls < 1 ? 1 : calls > 1e6 ? 1000000 : (int64_t)calls;
    return SM_OK;
}

static sm_status run_round(sm_candidate **candidates, size_t count, size_t round) {
    sm_timed items[MAX_CANDIDATES] = {0};
    double ns[MAX_CANDIDATES];
    for (size_t i = 0; i < count; i++) {
        /* Start elsewhere each round, and turn round every second one. */
        const size_t step = (i + round / 2) % count;
        sm_candidate *c = candidates[round % 2 ? count - 1 - step : step];
        items[i] = (sm_timed){.name = c->name,
                              .place = place,
                              .call = sm_candidate_call,
                              .before = before,
                              .after = after,
                              .timer = c->other_timer ? timer : NULL,
                              .arg = c,
                              .iterations = c->iterations};
    }
    if (sm_gbench_round(items, count, ns) != 0)
        return sm_fail(SM_E_IO, "Google Benchmark did not time all of %zu candidates", count);
    for (size_t i = 0; i < count; i++) {
        sm_candidate *c = items[i].arg;
        c->ns[round] = ns[i];
        c->taints[round] = c->last_taint;
    }
    return SM_OK;
}

static sm_estimate estimate(const double *clean, size_t clean_count, const double *all,
                            size_t count) {
    sm_estimate e = {.noisy = clean_count < MIN_CLEAN};
    const double *v = e.noisy ? all : clean;
    e.used = e.noisy ? count : clean_count;
    e.median = sm_quantile(v, e.used, 0.5);
    e.p25 = sm_quantile(v, e.used, 0.25);
    sm_median_interval(v, e.used, &e.low, &e.high);
    return e;
}

sm_estimate sm_rounds_time(const sm_candidate *c, size_t rounds) {
    double clean[MAX_ROUNDS];
    size_t count = 0;
    for (size_t i = 0; i < rounds; i++)
        if (!c->taints[i]) clean[count++] = c->ns[i];
    return estimate(clean, count, c->ns, rounds);
}

sm_estimate sm_rounds_ratio(const sm_candidate *dense, const sm_candidate *c, size_t rounds) {
    double clean[MAX_ROUNDS], all[MAX_ROUNDS];
    size_t count = 0;
    for (size_t i = 0; i < rounds; i++) {
        all[i] = dense->ns[i] / c->ns[i];
        if (!dense->taints[i] && !c->taints[i]) clean[count++] = all[i];
    }
    return estimate(clean, count, all, rounds);
}

int sm_estimate_converged(const sm_estimate *e, double precision) {
    return !e->noisy && (e->high - e->low) / 2 <= precision * e->median;
}

static int all_converged(sm_candidate **candidates, size_t count, size_t base, double precision,
                         size_t rounds) {
    for (size_t i = 0; i < count; i++) {
        if (i == base && count > 1) continue;
        const sm_estimate e = i == base ? sm_rounds_time(candidates[i], rounds)
                                        : sm_rounds_ratio(candidates[base], candidates[i], rounds);
        if (!sm_estimate_converged(&e, precision)) return 0;
    }
    return 1;
}

sm_status sm_rounds_run(sm_candidate **candidates, size_t count, size_t base, double precision,
                        double seconds, size_t *rounds) {
    const sm_watch *watch = candidates[0]->watch;
    const double deadline = clock_ns() + 1e9 * seconds - sm_watch_waited_ns(watch);
    *rounds = 0;
    for (size_t i = 0; i < count; i++) SM_TRY(reserve(candidates[i]));
    while (*rounds < MAX_ROUNDS) {
        SM_TRY(run_round(candidates, count, *rounds));
        ++*rounds;
        if (*rounds < MIN_ROUNDS) continue;
        if (clock_ns() > deadline + sm_watch_waited_ns(watch)) break;
        if (*rounds % CHECK_EVERY == 0 &&
            all_converged(candidates, count, base, precision, *rounds))
            break;
    }
    return SM_OK;
}
