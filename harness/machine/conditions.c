/* THE list of conditions that spoil timings: each check looks at one, says what it saw, what that
 * does to timings and what to do about it. Nothing is changed. */
#include "build_info.h"
#include "machine/parts.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>

static const double LOAD_PER_THREAD = 0.3, STEAL_BAD = 0.01;
static const double CLOCK_CALL_NS = 200, CLOCK_STEP_NS = 1000;

typedef const machine_view view;

static void fine(sm_finding *f, const char *value) {
    sm_finding_say(f, SM_VERDICT_OK, "", "", "%s", value);
}

static int first_line(view *v, const char *path, char *buf, size_t size) {
    char full[PATH_MAX];
    (void)snprintf(full, sizeof full, "%s%s", v->root, path);
    return machine_first_line(full, buf, size) == 0;
}

static void check_hypervisor(view *v, sm_finding *f) {
    if (!v->cpu.virtualized)
        fine(f, "none");
    else
        sm_finding_say(
            f, SM_VERDICT_NOTE, "neighbours take time and caches unseen",
            "ask for a dedicated host; without one, compare ratios of one run, not times", "%s",
            v->cpu.hypervisor[0] != 0 ? v->cpu.hypervisor : "unnamed");
}

static void check_steal(view *v, sm_finding *f) {
    sm_cpu_time time;
    if (sm_machine_cpu_time(v->root, &time) != 0 || time.total <= 0) {
        sm_finding_say(f, SM_VERDICT_NOTE, "whether a hypervisor takes time away is not known",
                       "mount /proc", "not readable");
        return;
    }
    const double share = time.stolen / time.total;
    if (share == 0)
        fine(f, "none since boot");
    else
        sm_finding_say(f, share < STEAL_BAD ? SM_VERDICT_NOTE : SM_VERDICT_BAD,
                       "the hypervisor gave this machine's time to others",
                       "ask for a dedicated host, or measure at a quieter hour",
                       "%.2f %% of the time since boot", 100 * share);
}

static const char *clock_advice(view *v) {
    return v->cpu.virtualized ? "nothing to do from inside: the host decides"
                              : "load a cpufreq driver, or fix the clock in the firmware";
}

static void check_governor(view *v, sm_finding *f) {
    char governor[96];
    machine_governor(v->root, governor, sizeof governor);
    if (strcmp(governor, "performance") == 0)
        fine(f, governor);
    else if (strcmp(governor, "not exposed") == 0)
        sm_finding_say(f, SM_VERDICT_NOTE, "the clock may move between samples", clock_advice(v),
                       "%s", governor);
    else
        sm_finding_say(f, SM_VERDICT_BAD, "the clock follows the load",
                       "sudo cpupower frequency-set -g performance", "%s", governor);
}

static void check_turbo(view *v, sm_finding *f) {
    char boost[16], no_turbo[16];
    const int amd = first_line(v, "/sys/devices/system/cpu/cpufreq/boost", boost, sizeof boost);
    const int intel =
        first_line(v, "/sys/devices/system/cpu/intel_pstate/no_turbo", no_turbo, sizeof no_turbo);
    if (!amd && !intel)
        sm_finding_say(f, SM_VERDICT_NOTE, "the clock may depend on temperature and neighbours",
                       clock_advice(v), "not exposed");
    else if (intel ? strcmp(no_turbo, "0") != 0 : strcmp(boost, "0") == 0)
        fine(f, "off");
    else
        sm_finding_say(f, SM_VERDICT_NOTE,
                       "the clock depends on temperature and on the other cores",
                       intel ? "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"
                             : "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost",
                       "on");
}

static void check_smt(view *v, sm_finding *f) {
    char active[16] = "";
    (void)first_line(v, "/sys/devices/system/cpu/smt/active", active, sizeof active);
    if (v->threads > v->cores || strcmp(active, "1") == 0)
        sm_finding_say(
            f, SM_VERDICT_NOTE, "siblings share a core's units",
            "leave siblings idle, or: echo off | sudo tee /sys/devices/system/cpu/smt/control",
            "on, %zu threads on %zu cores", v->threads, v->cores);
    else if (v->cpu.virtualized)
        sm_finding_say(f, SM_VERDICT_NOTE, "a neighbour may run on the sibling of this core",
                       "ask for whole cores, or measure at a quieter hour",
                       "hidden by the hypervisor");
    else
        fine(f, "off");
}

static void check_load(view *v, sm_finding *f) {
    double load[3];
    if (machine_load(v->root, load) != 0)
        sm_finding_say(f, SM_VERDICT_NOTE, "whether other work is running is not known",
                       "mount /proc", "not readable");
    else if (load[0] <= LOAD_PER_THREAD * (double)v->threads)
        sm_finding_say(f, SM_VERDICT_OK, "", "", "%.2f on %zu hardware threads", load[0],
                       v->threads);
    else
        sm_finding_say(f, SM_VERDICT_BAD, "other work is running",
                       "stop it, or wait until the load is near 0", "%.2f on %zu hardware threads",
                       load[0], v->threads);
}

static void check_allowed(view *v, sm_finding *f) {
    if (v->allowed == v->threads)
        fine(f, "all");
    else
        sm_finding_say(f, SM_VERDICT_NOTE,
                       "others run on the rest and share caches and memory with this one",
                       "nothing to do where the limit is meant: say it with the numbers",
                       "%zu of %zu", v->allowed, v->threads);
}

static void check_quota(view *v, sm_finding *f) {
    char list[PATH_MAX], mount[PATH_MAX];
    (void)snprintf(list, sizeof list, "%s/proc/self/cgroup", v->root);
    (void)snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", v->root);
    const double cpus = machine_cgroup_cpus(list, mount);
    if (cpus == 0)
        fine(f, "none");
    else
        sm_finding_say(f, SM_VERDICT_BAD, "runs are throttled",
                       "lift the quota of the control group (docker --cpus, systemd CPUQuota)",
                       "%.2f CPUs", cpus);
}

static void check_huge_pages(view *v, sm_finding *f) {
    char line[64];
    char *word = NULL;
    if (first_line(v, "/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof line))
        word = strchr(line, '[');
    if (word != NULL) word[strcspn(word, "]")] = 0;
    /* Large arrays ask for them: sm_alloc(). */
    if (word != NULL && (strcmp(word + 1, "always") == 0 || strcmp(word + 1, "madvise") == 0))
        fine(f, word + 1);
    else
        sm_finding_say(f, SM_VERDICT_NOTE, "large matrices miss the TLB",
                       "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled", "%s",
                       word != NULL ? word + 1 : "not exposed");
}

static void check_aslr(view *v, sm_finding *f) {
    char line[16];
    if (v->fixed_addresses)
        fine(f, "off for this process");
    else if (first_line(v, "/proc/sys/kernel/randomize_va_space", line, sizeof line) &&
             strcmp(line, "0") == 0)
        fine(f, "off");
    else
        sm_finding_say(f, SM_VERDICT_NOTE, "cache conflicts differ from one process to the next",
                       "where processes are compared: setarch -R sparsemark ...", "on");
}

static void check_numa(view *v, sm_finding *f) {
    if (v->numa_nodes <= 1)
        fine(f, "one node");
    else
        sm_finding_say(f, SM_VERDICT_NOTE, "memory may lie at another node than the core",
                       "numactl --cpunodebind=0 --membind=0 sparsemark ...", "%zu nodes",
                       v->numa_nodes);
}

static void check_swap(view *v, sm_finding *f) {
    char path[PATH_MAX], line[128];
    double total = 0, unused = 0;
    (void)snprintf(path, sizeof path, "%s/proc/meminfo", v->root);
    FILE *in = fopen(path, "r");
    while (in != NULL && fgets(line, sizeof line, in) != NULL) {
        (void)sscanf(line, "SwapTotal: %lf", &total);
        (void)sscanf(line, "SwapFree: %lf", &unused);
    }
    if (in != NULL) (void)fclose(in);
    if (total <= unused)
        fine(f, "none in use");
    else
        sm_finding_say(f, SM_VERDICT_NOTE, "operands may be paged out",
                       "free memory, then: sudo swapoff -a", "%.0f MiB in use",
                       (total - unused) / 1024);
}

static void check_clock_source(view *v, sm_finding *f) {
    static const char *const in_registers[] = {"tsc", "kvm-clock", "hyperv_clocksource_tsc_page"};
    char source[64];
    if (!first_line(v, "/sys/devices/system/clocksource/clocksource0/current_clocksource", source,
                    sizeof source)) {
        sm_finding_say(f, SM_VERDICT_NOTE, "how the clock is read is not known",
                       "go by what reading it costs, below", "not exposed");
        return;
    }
    for (size_t i = 0; i < sizeof in_registers / sizeof in_registers[0]; i++)
        if (strcmp(source, in_registers[i]) == 0) {
            fine(f, source);
            return;
        }
    sm_finding_say(f, SM_VERDICT_BAD, "the clock is read from a device: slow and coarse",
                   "boot with clocksource=tsc tsc=reliable", "%s", source);
}

static void check_timer(view *v, sm_finding *f) {
    const int good = v->clock_call_ns <= CLOCK_CALL_NS && v->clock_step_ns <= CLOCK_STEP_NS;
    sm_finding_say(f, good ? SM_VERDICT_OK : SM_VERDICT_BAD,
                   "short calls cannot be told apart when kernels are chosen",
                   "use another clock source: see above", "%.0f ns a reading, steps of %.0f ns",
                   v->clock_call_ns, v->clock_step_ns);
}

static void check_counters(view *v, sm_finding *f) {
    if (v->counter_error == 0)
        fine(f, "readable");
    else if (v->counter_error == EACCES || v->counter_error == EPERM)
        sm_finding_say(f, SM_VERDICT_NOTE, "causes cannot be counted",
                       "sudo sysctl kernel.perf_event_paranoid=1", "not allowed");
    else
        sm_finding_say(f, SM_VERDICT_NOTE, "causes cannot be counted",
                       "nothing to do from inside: this machine passes no counters on",
                       "not there");
}

static void check_build(view *v, sm_finding *f) {
    (void)v;
    if (SM_BUILD_SANITIZE[0] != 0)
        sm_finding_say(f, SM_VERDICT_BAD, "times mean nothing", "cmake --preset release",
                       "%s with sanitizers %s", SM_BUILD_TYPE, SM_BUILD_SANITIZE);
    else if (strcmp(SM_BUILD_TYPE, "Release") != 0)
        sm_finding_say(f, SM_VERDICT_BAD, "times are not comparable", "cmake --preset release",
                       "%s", SM_BUILD_TYPE);
    else
        fine(f, SM_BUILD_TYPE);
}

static const struct check {
    const char *name;
    void (*look)(view *v, sm_finding *f);
    int warns;
} checks[] = {
    {"build", check_build, 1},
    {"hypervisor", check_hypervisor, 1},
    {"steal", check_steal, 1},
    {"load", check_load, 1},
    {"threads allowed", check_allowed, 1},
    {"CPU quota", check_quota, 1},
    {"frequency governor", check_governor, 1},
    {"turbo", check_turbo, 1},
    {"SMT", check_smt, 1},
    {"NUMA", check_numa, 1},
    {"transparent huge pages", check_huge_pages, 1},
    {"swap", check_swap, 1},
    {"address randomisation", check_aslr, 0},
    {"clock source", check_clock_source, 1},
    {"clock", check_timer, 1},
    {"hardware counters", check_counters, 0},
};

void machine_findings(view *v, sm_findings *out) {
    enum { CHECKS = sizeof checks / sizeof checks[0] };
    _Static_assert((int)CHECKS <= (int)SM_MAX_FINDINGS, "more conditions than findings");
    out->count = CHECKS;
    for (size_t i = 0; i < CHECKS; i++) {
        out->items[i] = (sm_finding){.name = checks[i].name, .warns = checks[i].warns};
        checks[i].look(v, &out->items[i]);
    }
}

void machine_view_read(machine_view *out) {
    sm_machine_sizes sizes;
    *out = (machine_view){.root = "", .numa_nodes = machine_numa_nodes()};
    sm_machine_get_sizes(&sizes);
    out->allowed = sizes.threads;
    machine_cpu_get(&out->cpu);
    machine_totals(&out->cores, &out->threads);
    machine_clock(&out->clock_call_ns, &out->clock_step_ns);
    out->counter_error = machine_counter_error();
    enum { ASK = -1 };
    const int flags = personality((unsigned long)ASK);
    out->fixed_addresses = flags != -1 && (flags & ADDR_NO_RANDOMIZE);
}

void sm_machine_findings(sm_findings *out) {
    machine_view v;
    machine_view_read(&v);
    machine_findings(&v, out);
}
