/* Taints: thread migration, involuntary switches, steal time, a slow probe before or after. */
#include "measure/watch.h"
#include "measure/clock.h"
#include "roof/roof.h"
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* The probe itself scatters by a few per cent; a neighbour costs it 15 % or more. */
static const double SLOW = 1.15;

struct sm_watch {
    double quiet_ns; /* fastest probe so far */
    double begin_ns;
    int cpu;
    long switches;
    unsigned long long steal;
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

void sm_watch_begin(sm_watch *w) {
    w->steal = steal_ticks();
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
    if (steal_ticks() != w->steal) taint |= TAINT_STEAL;
    return taint;
}
