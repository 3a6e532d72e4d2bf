/* The exhaustive search that a plan's choice is held against: every kernel asked for, at every K
 * tile in factors of two around the library's own, is packed whole and glanced at; the fastest of
 * these are then glanced at in turn, and the fastest few of those compete in the group. No sample
 * taken here is reported: what is reported are the group's own, so that a lucky glance wins
 * nothing. Few trials are kept packed at once, as all together would be larger than memory. */
#include "measure/group.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TRIALS = 512, SMALLEST_KT = 32, KEPT = 20, FINALISTS = 6, TURNS = 12 };
static const double HOPELESS = 3.0; /* times the best so far */
static const double LOOK_NS = 2e6;  /* as long as one that is not hopeless is looked at */

typedef struct trial {
    const sm_kernel *kernel;
    size_t kt;
    double ns;
} trial;

typedef struct sweep {
    group *g;
    double best_ns;
    size_t count;
    trial items[MAX_TRIALS];
} sweep;

static sm_plan_options options_of(const sweep *s, const trial *t) {
    sm_plan_options options = sm_group_plan_options(s->g);
    options.kernel = t->kernel->name;
    options.kt = t->kt;
    options.budget_s = -1;
    return options;
}

static sm_status pack(const sweep *s, const trial *t, sm_candidate *out) {
    const sm_plan_options options = options_of(s, t);
    return sm_candidate_plan(&s->g->operands, &options, out);
}

/* Packs, glances and forgets; kt 0 is the library's own, and becomes it. */
static sm_status try_one(sweep *s, trial *t) {
    enum { MIN_LOOKS = 3, MAX_LOOKS = 30 };
    sm_candidate c;
    t->ns = INFINITY;
    const sm_status status = pack(s, t, &c);
    if (status != SM_OK) return status == SM_E_LIMIT ? SM_OK : status; /* another format may fit */
    t->kt = c.info.kt;
    t->ns = sm_candidate_glance(&c, 2);
    if (t->ns < HOPELESS * s->best_ns) {
        const int looks = (int)fmin(fmax(LOOK_NS / t->ns, MIN_LOOKS), MAX_LOOKS);
        t->ns = fmin(t->ns, sm_candidate_glance(&c, looks));
    }
    s->best_ns = fmin(s->best_ns, t->ns);
    sm_candidate_free(&c);
    if (s->count < MAX_TRIALS) s->items[s->count++] = *t;
    return SM_OK;
}

/* From the library's own K tile down to the smallest and up to the largest. */
static sm_status try_kernel(sweep *s, const sm_kernel *kernel) {
    trial own = {.kernel = kernel};
    SM_TRY(try_one(s, &own));
    if (own.ns > HOPELESS * s->best_ns) return SM_OK;
    for (size_t kt = own.kt / 2; kt >= SMALLEST_KT; kt /= 2) {
        trial t = {.kernel = kernel, .kt = kt};
        SM_TRY(try_one(s, &t));
    }
    for (size_t kt = own.kt, last = 0; kt > last && kt < s->g->operands.w.cols;) {
        trial t = {.kernel = kernel, .kt = 2 * kt};
        last = kt;
        SM_TRY(try_one(s, &t));
        kt = t.kt; /* no larger than the format allows */
    }
    return SM_OK;
}

static int by_time(const void *a, const void *b) {
    const trial *p = a, *q = b;
    return (p->ns > q->ns) - (p->ns < q->ns);
}

/* Glances at the fastest trials in turn, so that a slow moment of the machine hits all alike. */
static sm_status look_again(sweep *s) {
    const size_t kept = s->count < KEPT ? s->count : KEPT;
    sm_candidate c[KEPT] = {{0}};
    sm_status status = SM_OK;
    for (size_t i = 0; i < kept && status == SM_OK; i++) {
        status = pack(s, &s->items[i], &c[i]);
        s->items[i].ns = INFINITY;
    }
    for (int turn = 0; turn < TURNS && status == SM_OK; turn++)
        for (size_t i = 0; i < kept; i++)
            s->items[i].ns = fmin(s->items[i].ns, sm_candidate_glance(&c[i], 1));
    for (size_t i = 0; i < kept; i++) sm_candidate_free(&c[i]);
    s->count = kept;
    return status;
}

static sm_status add_finalists(const sweep *s) {
    const size_t full = s->g->count + FINALISTS;
    for (size_t i = 0; i < s->count && s->g->count < full; i++) {
        const sm_plan_options options = options_of(s, &s->items[i]);
        SM_TRY(sm_group_add_plan(s->g, &options));
    }
    return SM_OK;
}

sm_status sm_group_sweep(group *g) {
    sweep *s = calloc(1, sizeof *s);
    if (!s) return sm_fail(SM_E_NOMEM, "no memory to sweep over kernels");
    s->g = g;
    s->best_ns = INFINITY;
    sm_status status = SM_OK;
    /* Wide levels come last in the list: first here, so that slow ones are seen to be hopeless. */
    for (size_t i = sm_kernel_count(); i-- > 0 && status == SM_OK;)
        if (sm_group_allows(g->session->options, sm_kernel_at(i)))
            status = try_kernel(s, sm_kernel_at(i));
    qsort(s->items, s->count, sizeof s->items[0], by_time);
    if (status == SM_OK) status = look_again(s);
    qsort(s->items, s->count, sizeof s->items[0], by_time);
    if (status == SM_OK) status = add_finalists(s);
    free(s);
    return status;
}
