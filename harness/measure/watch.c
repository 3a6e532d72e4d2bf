/* Taints: thread migration, involuntary switches, steal time, a slow probe before or after. */
#include "measure/watch.h"
#include "machine/machine.h"
#include "measure/clock.h"
#include "roof/roof.h"
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

/* The probe itself scatters by a few per cent; a neighbour costs it 15 % or more. */
static const double SLOW = 1.15;

struct sm_watch {
    double quiet_ns; /* fastest probe so far */
    double begin_ns;
    double patience_ns, waited_ns;
    double others_ns; /* waited elsewhere */
    int cpu;
    long switches;
    double stolen_s;
};

static double probe(void) {
    enum { CALLS = 3 };
    double best = INFINITY; /* the first call warms up after the kernel that was timed */
    for (int i = 0; i < CALLS; i++) {
        const double start = clock_ns();
        sm_roof_probe();
        const double ns = clock_ns() - start;
        if (ns < best) best = ns;
    }
    return best;
}

/* Of all hardware threads; 0 where the kernel does not say. */
static double stolen_s(void) {
    sm_cpu_time t;
    (void)sm_machine_cpu_time("", &t);
    return t.stolen;
}

static long switches(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nivcsw;
}

sm_status sm_watch_create(sm_watch **out) {
    enum { SETTLE = 200 };
    *out = NULL;
    sm_watch *w = calloc(1, sizeof *w);
    if (!w) return sm_fail(SM_E_NOMEM, "no memory for the probe");
    w->quiet_ns = INFINITY;
    for (int i = 0; i < SETTLE; i++) {
        const double ns = probe();
        if (ns < w->quiet_ns) w->quiet_ns = ns;
    }
    *out = w;
    return SM_OK;
}

void sm_watch_free(sm_watch *w) {
    free(w);
}

void sm_watch_patience(sm_watch *w, double seconds) {
    w->patience_ns = 1e9 * seconds;
    w->waited_ns = 0;
    w->others_ns = 0;
}

void sm_watch_wait(sm_watch *w) {
    static const struct timespec nap = {0, 2000000};
    const double before_ns = w->waited_ns;
    while (w->waited_ns < w->patience_ns && w->waited_ns - before_ns < w->patience_ns / 8) {
        const double start = clock_ns();
        if (probe() <= SLOW * w->quiet_ns) return;
        (void)nanosleep(&nap, NULL);
        w->waited_ns += clock_ns() - start;
    }
}

double sm_watch_waited_ns(const sm_watch *w) {
    return w->waited_ns + w->others_ns;
}

void sm_watch_add_wait(sm_watch *w, double ns) {
    w->others_ns += ns;
}

void sm_watch_begin(sm_watch *w) {
    w->stolen_s = stolen_s();
    w->begin_ns = probe();
    w->cpu = sched_getcpu();
    w->switches = switches();
}

int64_t sm_watch_end(sm_watch *w) {
    int64_t taint = 0;
    if (switches() != w->switches) taint |= TAINT_SWITCHED;
    if (sched_getcpu() != w->cpu) taint |= TAINT_MIGRATED;
    const double end_ns = probe();
    if (end_ns < w->quiet_ns) w->quiet_ns = end_ns;
    if (w->begin_ns < w->quiet_ns) w->quiet_ns = w->begin_ns;
    if (fmax(w->begin_ns, end_ns) > SLOW * w->quiet_ns) taint |= TAINT_PROBE;
    if (stolen_s() != w->stolen_s) taint |= TAINT_STEAL;
    return taint;
}
