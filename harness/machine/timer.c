/* What measuring itself costs here: the clock, and whether the CPU's counters can be read. */
#include "machine/parts.h"
#include "measure/clock.h"
#include <errno.h>
#include <linux/perf_event.h>
#include <math.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

void machine_clock(double *call_ns, double *step_ns) {
    enum { BATCHES = 20, CALLS = 1000 };
    *call_ns = *step_ns = INFINITY;
    /* The fastest batch: an interruption makes a batch slower, never faster. */
    for (int b = 0; b < BATCHES; b++) {
        const double start = clock_ns();
        double last = start;
        for (int i = 0; i < CALLS; i++) {
            const double now = clock_ns();
            if (now > last) *step_ns = fmin(*step_ns, now - last);
            last = now;
        }
        *call_ns = fmin(*call_ns, (last - start) / CALLS);
    }
    /* A clock that stood still through all of it steps more widely than that. */
    if (isinf(*step_ns)) *step_ns = BATCHES * CALLS * *call_ns;
}

int machine_counter_error(void) {
    struct perf_event_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.size = sizeof attributes;
    attributes.type = PERF_TYPE_HARDWARE;
    attributes.config = PERF_COUNT_HW_CPU_CYCLES;
    attributes.disabled = 1;
    attributes.exclude_kernel = 1;
    attributes.exclude_hv = 1;
    const long fd = syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
    if (fd < 0) return errno;
    (void)close((int)fd);
    return 0;
}
