/* One kernel on one problem in four arms. X, Y and workspace are shared; only code and packed
 * weights are an arm's own. The plain clock, a few milliseconds a sample, suffices: what limits the
 * comparison is where code and data happen to lie, hence the fresh process for every round. */
#include "ab/arms.h"
#include "measure/clock.h"
#include <math.h>
#include <string.h>

enum { GLANCES = 3, MAX_CALLS = 1000000 };
static const double SAMPLE_NS = 2.5e6;

/* Four orders in which every arm has every place once, every build is as often first as last, and
 * each quartet has both builds at the same mean place: a drift hits all alike. */
static const size_t orders[][AB_ARMS] = {{AB_BASE, AB_CAND, AB_CAND_AGAIN, AB_BASE_AGAIN},
                                         {AB_CAND_AGAIN, AB_BASE_AGAIN, AB_BASE, AB_CAND},
                                         {AB_BASE_AGAIN, AB_CAND_AGAIN, AB_CAND, AB_BASE},
                                         {AB_CAND, AB_BASE, AB_BASE_AGAIN, AB_CAND_AGAIN}};

typedef struct arm {
    const ab_library *library;
    sm_plan *plan;
    const sm_operands *operands;
    void *workspace;
    double delay;
} arm;

const char *ab_arm_name(size_t i) {
    static const char *const names[] = {"base", "base again", "cand", "cand again"};
    return names[i];
}

static void call(const arm *a) {
    a->library->plan_run(a->plan, &a->operands->args, a->workspace);
}

static void delayed_call(const arm *a) {
    const double start = clock_ns();
    call(a);
    const double end = start + (1 + a->delay) * (clock_ns() - start);
    while (clock_ns() < end) {
    }
}

static double time_calls(const arm *a, size_t calls) {
    const double start = clock_ns();
    if (a->delay > 0)
        for (size_t i = 0; i < calls; i++) delayed_call(a);
    else
        for (size_t i = 0; i < calls; i++) call(a);
    return (clock_ns() - start) / (double)calls;
}

/* As many for all: those that fill a sample of the faster build. */
static size_t calls_a_sample(const arm *arms) {
    double best = INFINITY;
    for (size_t i = 0; i < AB_ARMS; i++) {
        call(&arms[i]);
        for (int glance = 0; glance < GLANCES; glance++) best = fmin(best, time_calls(&arms[i], 1));
    }
    return (size_t)fmin(fmax(SAMPLE_NS / fmax(best, 1), 1), MAX_CALLS);
}

/* One sample of every arm. */
static void run_quartet(const arm *arms, sm_watch *watch, ab_timing *out) {
    const size_t q = out->quartets++;
    for (size_t place = 0; place < AB_ARMS; place++) {
        const size_t i = orders[q % (sizeof orders / sizeof orders[0])][place];
        sm_watch_begin(watch);
        call(&arms[i]); /* after another arm nothing of its own is in the caches */
        out->ns[i][q] = time_calls(&arms[i], out->calls);
        out->taints[i][q] = sm_watch_end(watch);
    }
}

static int clean_enough(const ab_timing *t) {
    for (size_t i = 0; i < AB_ARMS; i++) {
        size_t clean = 0;
        for (size_t q = 0; q < t->quartets; q++) clean += t->taints[i][q] == 0;
        if (clean < AB_CLEAN) return 0;
    }
    return 1;
}

static void time_arms(const arm *arms, sm_watch *watch, ab_timing *out) {
    out->calls = calls_a_sample(arms);
    while (out->quartets < AB_MIN_QUARTETS ||
           (out->quartets < AB_MAX_QUARTETS && !clean_enough(out)))
        run_quartet(arms, watch, out);
}

static sm_status make_plans(const sm_operands *operands, const ab_case *what, arm *arms,
                            ab_timing *out) {
    /* Nothing is chosen by timing, so that equal code gets equal blocking. */
    const sm_plan_options options = {.size = sizeof options,
                                     .n = operands->n,
                                     .layout = operands->layout,
                                     .threads = 1,
                                     .kernel = what->kernel,
                                     .budget_s = -1};
    for (size_t i = 0; i < AB_ARMS; i++) {
        const size_t at = what->order[i];
        arm *a = &arms[at];
        *a = (arm){.library = &what->libraries[at], .operands = operands};
        if (at == AB_CAND || at == AB_CAND_AGAIN) a->delay = what->delay;
        const sm_status status = a->library->plan_create(&operands->w, &options, &a->plan);
        if (status != SM_OK)
            return sm_fail(status, "%s: no plan for %s: %s", ab_arm_name(at), what->kernel,
                           a->library->message());
        sm_plan_info info;
        a->library->plan_get_info(a->plan, &info);
        out->kt[at] = info.kt;
        out->mc[at] = info.mc;
    }
    return SM_OK;
}

static sm_status share_workspace(arm *arms) {
    size_t bytes = 0;
    for (size_t i = 0; i < AB_ARMS; i++) {
        const size_t wanted = arms[i].library->plan_workspace(arms[i].plan, arms[i].operands->n);
        if (wanted > bytes) bytes = wanted;
    }
    void *workspace = sm_alloc(bytes, 1);
    if (!workspace) return sm_fail(SM_E_NOMEM, "no memory for a workspace of %zu bytes", bytes);
    for (size_t i = 0; i < AB_ARMS; i++) arms[i].workspace = workspace;
    return SM_OK;
}

sm_status ab_arms_time(sm_operands *operands, const ab_case *what, sm_watch *watch,
                       ab_timing *out) {
    arm arms[AB_ARMS] = {0};
    *out = (ab_timing){0};
    sm_status status = make_plans(operands, what, arms, out);
    if (status == SM_OK) status = share_workspace(arms);
    int right = status == SM_OK;
    for (size_t i = 0; i < AB_ARMS && status == SM_OK; i++) {
        sm_operands_poison(operands);
        call(&arms[i]);
        out->error[i] = sm_operands_error(operands);
        right = right && out->error[i] <= 1.0;
    }
    if (right) time_arms(arms, watch, out);
    for (size_t i = 0; i < AB_ARMS; i++)
        if (arms[i].plan) arms[i].library->plan_free(arms[i].plan);
    sm_free(arms[0].workspace);
    return status;
}
