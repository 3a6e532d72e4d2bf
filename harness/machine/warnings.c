/* Conditions that spoil timings or make them incomparable. */
#include "build_info.h"
#include "machine/parts.h"
#include "peers/peer.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOAD_PER_CPU 0.3

typedef struct listener {
    void (*say)(void *arg, const char *text);
    void *arg;
    size_t count;
} listener;

static void warn(listener *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void warn(listener *to, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    to->say(to->arg, text);
    to->count++;
}

static void about_machine(listener *to) {
    machine_cpu cpu;
    machine_cpu_get(&cpu);
    if (cpu.virtualized)
        warn(to, "virtual machine%s%s%s: neighbours take time and caches unseen",
             cpu.hypervisor[0] ? " (" : "", cpu.hypervisor, cpu.hypervisor[0] ? ")" : "");
    char governor[128], line[256];
    machine_governor(governor, sizeof governor);
    if (strcmp(governor, "not exposed") == 0)
        warn(to, "frequency governor not exposed: the clock may move between samples");
    else if (strcmp(governor, "performance") != 0)
        warn(to, "frequency governor is %s, not performance", governor);
    size_t cores, threads;
    machine_totals(&cores, &threads);
    if (threads > cores)
        warn(to, "SMT is active (%zu threads on %zu cores): siblings share a core's units", threads,
             cores);
    if (machine_first_line("/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof line) == 0 &&
        strstr(line, "[never]") != NULL)
        warn(to, "transparent huge pages are off: large matrices miss the TLB");
}

static void about_load(listener *to) {
    sm_machine_sizes sizes;
    size_t cores, threads;
    double load[3];
    sm_machine_get_sizes(&sizes);
    machine_totals(&cores, &threads);
    if (machine_load(load) == 0 && load[0] > LOAD_PER_CPU * (double)threads)
        warn(to, "load average is %.2f on %zu hardware threads: other work is running", load[0],
             threads);
    if (sizes.threads < threads)
        warn(to, "only %zu of %zu hardware threads may be used", sizes.threads, threads);
    const double cpus = machine_cgroup_cpus("/proc/self/cgroup", "/sys/fs/cgroup");
    if (cpus > 0) warn(to, "a control group grants %.2f CPUs of time: runs are throttled", cpus);
    char line[256];
    unsigned long long t[8];
    if (machine_first_line("/proc/stat", line, sizeof line) != 0 ||
        sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3],
               &t[4], &t[5], &t[6], &t[7]) != 8)
        return;
    unsigned long long sum = 0;
    for (size_t i = 0; i < 8; i++) sum += t[i];
    if (t[7] > 0)
        warn(to, "the hypervisor took %.2f %% of the time since boot (steal)",
             100.0 * (double)t[7] / (double)sum);
}

static void about_environment(listener *to) {
    for (char **variable = environ; *variable != NULL; variable++)
        if (machine_steers_peers(*variable)) warn(to, "%s steers peers", *variable);
    if (sm_peer_steered()[0] != 0)
        warn(to, "%s was set and has been unset for this process", sm_peer_steered());
}

static void about_build(listener *to) {
    if (SM_BUILD_SANITIZE[0] != 0)
        warn(to, "built with sanitizers (%s): times mean nothing", SM_BUILD_SANITIZE);
    if (strcmp(SM_BUILD_TYPE, "Release") != 0)
        warn(to, "build type is '%s', not Release: times are not comparable", SM_BUILD_TYPE);
}

size_t sm_machine_warnings(void (*say)(void *arg, const char *text), void *arg) {
    listener to = {say, arg, 0};
    about_machine(&to);
    about_load(&to);
    about_environment(&to);
    about_build(&to);
    return to.count;
}
