/* Taints: thread migration, involuntary switches, steal time, a slow probe before or after. */
#include "measure/watch.h"
#include "measure/clock.h"
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <sparsemark/plan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PROBE_M = 48, PROBE_K = 64, PROBE_N = 48 };
/* The probe itself scatters by a few per cent; a neighbour costs it 15 % or more. */
static const double SLOW = 1.15;

struct sm_watch {
    sm_plan *plan;
    void *workspace;
    float *x, *y;
    double quiet_ns; /* fastest probe so far */
    double begin_ns;
    int cpu;
    long switches;
    unsigned long long steal;
};

static double probe(sm_watch *w) {
    enum { CALLS = 3 };
    const sm_args args = {.x = w->x,
                          .x_rs = PROBE_N,
                          .x_cs = 1,
                          .y = w->y,
                          .y_rs = PROBE_N,
                          .y_cs = 1,
                          .n = PROBE_N,
                          .lo = -INFINITY,
                          .hi = INFINITY};
    double best = INFINITY; /* the first call refills L1 after the kernel that was timed */
    for (int i = 0; i < CALLS; i++) {
        const double start = clock_ns();
        sm_plan_run(w->plan, &args, w->workspace);
        const double ns = clock_ns() - start;
        if (ns < best) best = ns;
    }
    return best;
}

/* Steal ticks of all CPUs; 0 where the kernel does not say. */
static unsigned long long steal_ticks(void) {
    char text[256];
    unsigned long long v[8] = {0};
    const int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    const ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    if (got <= 0) return 0;
    text[got] = '\0';
    if (sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3],
               &v[4], &v[5], &v[6], &v[7]) != 8)
        return 0;
    return v[7];
}

static long switches(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nivcsw;
}

static sm_status make_plan(sm_watch *w) {
    float weights[PROBE_M * PROBE_K];
    for (size_t i = 0; i < PROBE_M * PROBE_K; i++) weights[i] = 1.0f / 64;
    sm_csr csr;
    SM_TRY(sm_csr_from_dense(weights, PROBE_M, PROBE_K, PROBE_K, 1, &csr));
    sm_plan_options options = {.size = sizeof options, .n = PROBE_N};
    for (size_t f = 0; f < sm_format_count(); f++)
        if (strcmp(sm_format_name(f), "dense") == 0) options.format_mask |= 1u << f;
    const sm_status status = sm_plan_create(&csr, &options, &w->plan);
    sm_csr_free(&csr);
    return status;
}

sm_status sm_watch_create(sm_watch **out) {
    enum { SETTLE = 200 };
    *out = NULL;
    sm_watch *w = calloc(1, sizeof *w);
    if (!w) return sm_fail(SM_E_NOMEM, "no memory for the probe");
    sm_status status = make_plan(w);
    if (status == SM_OK) {
        w->workspace = sm_alloc(sm_plan_workspace(w->plan, PROBE_N), 1);
        w->x = sm_alloc(PROBE_K * PROBE_N, sizeof *w->x);
        w->y = sm_alloc(PROBE_M * PROBE_N, sizeof *w->y);
        if (!w->workspace || !w->x || !w->y)
            status = sm_fail(SM_E_NOMEM, "no memory for the probe");
    }
    if (status != SM_OK) {
        sm_watch_free(w);
        return status;
    }
    for (size_t i = 0; i < PROBE_K * PROBE_N; i++) w->x[i] = 1.0f / 64;
    w->quiet_ns = INFINITY;
    for (int i = 0; i < SETTLE; i++) {
        const double ns = probe(w);
        if (ns < w->quiet_ns) w->quiet_ns = ns;
    }
    *out = w;
    return SM_OK;
}

void sm_watch_free(sm_watch *w) {
    if (!w) return;
    sm_plan_free(w->plan);
    sm_free(w->workspace);
    sm_free(w->x);
    sm_free(w->y);
    free(w);
}

void sm_watch_begin(sm_watch *w) {
    w->steal = steal_ticks();
    w->begin_ns = probe(w);
    w->cpu = sched_getcpu();
    w->switches = switches();
}

int64_t sm_watch_end(sm_watch *w) {
    int64_t taint = 0;
    if (switches() != w->switches) taint |= TAINT_SWITCHED;
    if (sched_getcpu() != w->cpu) taint |= TAINT_MIGRATED;
    const double end_ns = probe(w);
    if (end_ns < w->quiet_ns) w->quiet_ns = end_ns;
    if (w->begin_ns < w->quiet_ns) w->quiet_ns = w->begin_ns;
    if (fmax(w->begin_ns, end_ns) > SLOW * w->quiet_ns) taint |= TAINT_PROBE;
    if (steal_ticks() != w->steal) taint |= TAINT_STEAL;
    return taint;
}
