/* The doctor: conditions read from made files, statistics of pairs, grades, and a short A/A run. */
#include "scratch.h"

#include "doctor/doctor.h"
#include "machine/parts.h"
#include "measure/stats.h"
#include "measure/watch.h"
#include "prune/prune.h"
#include <errno.h>
#include <math.h>
#include <unistd.h>

/* A machine with nothing to complain about but what its files say. */
static machine_view good_view(void) {
    return (machine_view){.root = folder,
                          .cores = 4,
                          .threads = 4,
                          .allowed = 4,
                          .numa_nodes = 1,
                          .clock_call_ns = 20,
                          .clock_step_ns = 1,
                          .fixed_addresses = 1};
}

/* The finding of that name must have this verdict and this in its value. */
static void expect(const machine_view *view, const char *name, sm_verdict verdict,
                   const char *value) {
    sm_findings found;
    machine_findings(view, &found);
    for (size_t i = 0; i < found.count; i++) {
        const sm_finding *f = &found.items[i];
        if (strcmp(f->name, name) != 0) continue;
        if (f->verdict != verdict || strstr(f->value, value) == NULL)
            fail_msg("%s: %s '%s': expected %s with '%s'", name, sm_verdict_name(f->verdict),
                     f->value, sm_verdict_name(verdict), value);
        const size_t words = verdict == SM_VERDICT_OK ? 0 : 1;
        assert_int_equal(strlen(f->effect) > 0, words);
        assert_int_equal(strlen(f->advice) > 0, words);
        return;
    }
    fail_msg("no finding '%s'", name);
}

static void file_decides(const char *finding, const char *path, const char *text,
                         sm_verdict verdict, const char *value) {
    const machine_view view = good_view();
    write_text(path, text);
    expect(&view, finding, verdict, value);
}

static void test_frequency(void **unused) {
    (void)unused;
    static const char governor[] = "frequency governor", turbo[] = "turbo";
    static const char boost[] = "sys/devices/system/cpu/cpufreq/boost";
    static const char no_turbo[] = "sys/devices/system/cpu/intel_pstate/no_turbo";
    const machine_view view = good_view();
    expect(&view, governor, SM_VERDICT_NOTE, "not exposed");
    expect(&view, turbo, SM_VERDICT_NOTE, "not exposed");
    static const char first[] = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
    static const char last[] = "sys/devices/system/cpu/cpu13/cpufreq/scaling_governor";
    file_decides(governor, first, "performance\n", SM_VERDICT_OK, "performance");
    file_decides(governor, last, "powersave\n", SM_VERDICT_BAD, "performance powersave");
    file_decides(turbo, boost, "1\n", SM_VERDICT_NOTE, "on");
    file_decides(turbo, boost, "0\n", SM_VERDICT_OK, "off");
    file_decides(turbo, no_turbo, "0\n", SM_VERDICT_NOTE, "on");
    file_decides(turbo, no_turbo, "1\n", SM_VERDICT_OK, "off");
}

static void test_sharing(void **unused) {
    (void)unused;
    machine_view view = good_view();
    expect(&view, "hypervisor", SM_VERDICT_OK, "none");
    expect(&view, "SMT", SM_VERDICT_OK, "off");
    file_decides("SMT", "sys/devices/system/cpu/smt/active", "0\n", SM_VERDICT_OK, "off");
    view.cpu.virtualized = 1;
    expect(&view, "SMT", SM_VERDICT_NOTE, "hidden");
    expect(&view, "hypervisor", SM_VERDICT_NOTE, "unnamed");
    strcpy(view.cpu.hypervisor, "Maker");
    expect(&view, "hypervisor", SM_VERDICT_NOTE, "Maker");
    view.threads = 8;
    expect(&view, "SMT", SM_VERDICT_NOTE, "8 threads on 4 cores");
    expect(&view, "threads allowed", SM_VERDICT_NOTE, "4 of 8");
    file_decides("SMT", "sys/devices/system/cpu/smt/active", "1\n", SM_VERDICT_NOTE, "on");
    view.numa_nodes = 2;
    expect(&view, "NUMA", SM_VERDICT_NOTE, "2 nodes");
}

static void test_load(void **unused) {
    (void)unused;
    const machine_view view = good_view();
    expect(&view, "load", SM_VERDICT_NOTE, "not readable");
    file_decides("load", "proc/loadavg", "1.20 9 9 1/2 3\n", SM_VERDICT_OK, "1.20 on 4");
    file_decides("load", "proc/loadavg", "1.21 0 0 1/2 3\n", SM_VERDICT_BAD, "1.21 on 4");
    file_decides("load", "proc/loadavg", "high\n", SM_VERDICT_NOTE, "not readable");
    expect(&view, "CPU quota", SM_VERDICT_OK, "none");
    write_text("proc/self/cgroup", "0::/a\n");
    file_decides("CPU quota", "sys/fs/cgroup/a/cpu.max", "max 100000\n", SM_VERDICT_OK, "none");
    file_decides("CPU quota", "sys/fs/cgroup/a/cpu.max", "150000 100000\n", SM_VERDICT_BAD, "1.50");
    file_decides("swap", "proc/meminfo", "SwapTotal: 4096 kB\nSwapFree: 4096 kB\n", SM_VERDICT_OK,
                 "none");
    file_decides("swap", "proc/meminfo", "MemFree: 1 kB\nSwapTotal: 4096 kB\nSwapFree: 1024 kB\n",
                 SM_VERDICT_NOTE, "3 MiB");
}

static void test_steal(void **unused) {
    (void)unused;
    const machine_view view = good_view();
    static const char stat[] = "proc/stat";
    expect(&view, "steal", SM_VERDICT_NOTE, "not readable");
    file_decides("steal", stat, "cpu 100 0 0 900 0 0 0 0 0 0\ncpu0 1\n", SM_VERDICT_OK, "none");
    file_decides("steal", stat, "cpu 100 0 0 895 0 0 0 5 0 0\n", SM_VERDICT_NOTE, "0.50 %");
    file_decides("steal", stat, "cpu 100 0 0 880 0 0 0 20 0 0\n", SM_VERDICT_BAD, "2.00 %");
    file_decides("steal", stat, "cpu 1 2 3\n", SM_VERDICT_NOTE, "not readable");
    write_text(stat, "cpu 10 20 30 400 50 6 7 80 1 1\n");
    sm_cpu_time time;
    assert_int_equal(sm_machine_cpu_time(folder, &time), 0);
    const double ticks = (double)sysconf(_SC_CLK_TCK);
    assert_true(fabs(time.total * ticks - 603) < 1e-6);
    assert_true(fabs(time.stolen * ticks - 80) < 1e-6);
    assert_true(fabs(time.busy * ticks - 73) < 1e-6);
    assert_int_not_equal(sm_machine_cpu_time("/nonexistent", &time), 0);
}

static void test_memory(void **unused) {
    (void)unused;
    machine_view view = good_view();
    static const char pages[] = "transparent huge pages", aslr[] = "address randomisation";
    static const char thp[] = "sys/kernel/mm/transparent_hugepage/enabled";
    static const char random[] = "proc/sys/kernel/randomize_va_space";
    expect(&view, pages, SM_VERDICT_NOTE, "not exposed");
    file_decides(pages, thp, "[always] madvise never\n", SM_VERDICT_OK, "always");
    file_decides(pages, thp, "always [madvise] never\n", SM_VERDICT_OK, "madvise");
    file_decides(pages, thp, "always madvise [never]\n", SM_VERDICT_NOTE, "never");
    expect(&view, aslr, SM_VERDICT_OK, "off for this process");
    view.fixed_addresses = 0;
    expect(&view, aslr, SM_VERDICT_NOTE, "on");
    write_text(random, "2\n");
    expect(&view, aslr, SM_VERDICT_NOTE, "on");
    write_text(random, "0\n");
    expect(&view, aslr, SM_VERDICT_OK, "off");
}

static void test_clock(void **unused) {
    (void)unused;
    machine_view view = good_view();
    static const char source[] = "clock source";
    static const char path[] = "sys/devices/system/clocksource/clocksource0/current_clocksource";
    expect(&view, source, SM_VERDICT_NOTE, "not exposed");
    file_decides(source, path, "tsc\n", SM_VERDICT_OK, "tsc");
    file_decides(source, path, "kvm-clock\n", SM_VERDICT_OK, "kvm-clock");
    file_decides(source, path, "hpet\n", SM_VERDICT_BAD, "hpet");
    expect(&view, "clock", SM_VERDICT_OK, "20 ns a reading, steps of 1 ns");
    view.clock_call_ns = 900;
    expect(&view, "clock", SM_VERDICT_BAD, "900 ns a reading");
    view.clock_call_ns = 20;
    view.clock_step_ns = 1e6;
    expect(&view, "clock", SM_VERDICT_BAD, "steps of 1000000 ns");
    expect(&view, "hardware counters", SM_VERDICT_OK, "readable");
    view.counter_error = EACCES;
    expect(&view, "hardware counters", SM_VERDICT_NOTE, "not allowed");
    view.counter_error = ENOENT;
    expect(&view, "hardware counters", SM_VERDICT_NOTE, "not there");
    double call_ns, step_ns;
    machine_clock(&call_ns, &step_ns);
    assert_true(call_ns > 0 && call_ns < 1e6);
    assert_true(step_ns > 0 && isfinite(step_ns));
}

typedef struct heard {
    const char *name;
    int said;
} heard;

static void listen(void *arg, const char *text) {
    heard *h = arg;
    const size_t length = strlen(h->name);
    h->said |= strncmp(text, h->name, length) == 0 && text[length] == ' ';
}

/* A run warns of every condition that is not fine and may matter to it, and of no other. */
static void test_warnings_follow_findings(void **unused) {
    (void)unused;
    sm_findings found;
    sm_machine_findings(&found);
    for (size_t i = 0; i < found.count; i++) {
        const sm_finding *f = &found.items[i];
        if (strcmp(f->name, "load") == 0) continue; /* may change between two looks */
        heard h = {.name = f->name};
        sm_machine_warnings(listen, &h);
        assert_int_equal(h.said, f->warns && f->verdict != SM_VERDICT_OK);
    }
}

static void test_pairs(void **unused) {
    (void)unused;
    const double first[] = {1.0, 1.1, 0.9, 1.2, 0.8, 1.0, 1.0, 90},
                 second[] = {1, 1, 1, 1, 1, 1, 1, 1};
    int64_t taint[8] = {[7] = TAINT_PROBE};
    sm_pairs p = sm_pairs_of(first, second, taint, 8);
    assert_int_equal(p.count, 8);
    assert_int_equal(p.quiet, 7);
    assert_false(p.noisy);
    assert_true(fabs(p.ratio - 1) < 1e-12);
    assert_true(fabs(p.scatter - 0.1) < 1e-12);
    assert_true(fabs(p.floor - 0.2) < 1e-12); /* seven values: their whole range */
    for (size_t i = 0; i < 4; i++) taint[i] = TAINT_STEAL;
    p = sm_pairs_of(first, second, taint, 8); /* three quiet ones are too few */
    assert_int_equal(p.quiet, 3);
    assert_true(p.noisy);
    assert_true(p.floor > 1);
}

/* The formula behind `detectable` says what the interval of a run really is. */
static void test_floor(void **unused) {
    (void)unused;
    enum { PAIRS = 120, RUNS = 300 };
    static const double SIGMA = 0.02;
    double sum = 0, scatter = 0;
    sm_rng rng;
    sm_rng_seed(&rng, 7);
    for (int r = 0; r < RUNS; r++) {
        double first[PAIRS], second[PAIRS];
        int64_t taint[PAIRS] = {0};
        for (size_t i = 0; i < PAIRS; i++) {
            first[i] = 1 + SIGMA * (double)sm_rng_normal(&rng);
            second[i] = 1;
        }
        const sm_pairs p = sm_pairs_of(first, second, taint, PAIRS);
        sum += p.floor / RUNS;
        scatter += p.scatter / RUNS;
    }
    assert_true(fabs(scatter / (SIGMA / 1.4826) - 1) < 0.05);
    assert_true(fabs(sm_pairs_floor(scatter, PAIRS) / sum - 1) < 0.15);
    const double rounds = sm_pairs_rounds(scatter, 0.5, 0.004);
    assert_true(sm_pairs_floor(scatter, rounds / 2) <= 0.004);
    assert_true(sm_pairs_floor(scatter, rounds / 2 - 1) > 0.004);
    assert_true(sm_pairs_rounds(scatter, 1, 1) == 9); /* a run takes no fewer */
    assert_true(isinf(sm_pairs_rounds(scatter, 0, 0.01)));
}

static void grade_is(double detectable, double quiet, const char *name) {
    assert_string_equal(sm_grade_of(detectable, quiet)->name, name);
}

static void test_grades(void **unused) {
    (void)unused;
    grade_is(0, 1, "quiet");
    grade_is(0.01, 0.9, "quiet");
    grade_is(0.0101, 1, "fair");
    grade_is(0, 0.899, "fair");
    grade_is(0.02, 0.5, "fair");
    grade_is(0.0201, 1, "noisy");
    grade_is(0, 0.499, "noisy");
    grade_is(0.05, 0.2, "noisy");
    grade_is(0.0501, 1, "unusable");
    grade_is(0, 0.199, "unusable");
    grade_is(NAN, 1, "unusable");
    grade_is(0, NAN, "unusable");
}

/* A run on a machine that nothing disturbs. */
static sm_aa good_run(void) {
    const sm_pairs pairs = {.count = 100, .quiet = 100, .ratio = 1, .floor = .001, .scatter = .003};
    sm_aa aa = {.rounds = 100, .samples = 400, .quiet = 400, .seconds = 2};
    for (size_t i = 0; i < SM_AA_ROWS; i++)
        aa.rows[i] =
            (sm_aa_row){"sparse", "k", pairs, .bias = 0, .detectable = 0.001, .drift = 1.01};
    return aa;
}

static const sm_finding *finding(const sm_aa *aa, const char *name) {
    static sm_findings found;
    sm_aa_findings(aa, &found);
    for (size_t i = 0; i < found.count; i++)
        if (strstr(found.items[i].name, name) != NULL) return &found.items[i];
    fail_msg("no finding '%s'", name);
    return NULL;
}

static void test_run_findings(void **unused) {
    (void)unused;
    static const char *const names[] = {"quiet", "steal", "other", "drift", "copies"};
    sm_aa aa = good_run();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(finding(&aa, names[i])->verdict, SM_VERDICT_OK);
    aa.quiet = 300;
    aa.tainted[1] = 100;
    assert_int_equal(finding(&aa, "quiet")->verdict, SM_VERDICT_NOTE);
    assert_non_null(strstr(finding(&aa, "quiet")->advice, "stop it"));
    aa.quiet = 100;
    aa.tainted[2] = 200;
    assert_int_equal(finding(&aa, "quiet")->verdict, SM_VERDICT_BAD);
    assert_non_null(strstr(finding(&aa, "quiet")->advice, "dedicated host"));
    aa.steal_share = 0.001;
    assert_int_equal(finding(&aa, "steal")->verdict, SM_VERDICT_NOTE);
    aa.others_cpus = 1;
    assert_int_equal(finding(&aa, "other")->verdict, SM_VERDICT_BAD);
    aa.steal_share = aa.others_cpus = NAN;
    assert_int_equal(finding(&aa, "steal")->verdict, SM_VERDICT_NOTE);
    assert_int_equal(finding(&aa, "other")->verdict, SM_VERDICT_NOTE);
    aa.rows[SM_AA_DENSE].drift = 1.7;
    assert_int_equal(finding(&aa, "drift")->verdict, SM_VERDICT_BAD);
    aa.rows[SM_AA_SPARSE].bias = 0.012;
    assert_int_equal(finding(&aa, "copies")->verdict, SM_VERDICT_NOTE);
    aa.rows[SM_AA_SPARSE].pairs.floor = 0.013; /* the interval holds "no difference" */
    assert_int_equal(finding(&aa, "copies")->verdict, SM_VERDICT_OK);
    aa.rows[SM_AA_DENSE].detectable = 0.03;
    assert_true(sm_aa_detectable(&aa) == 0.03);
}

/* What does not exist is null: JSON has no NaN and no infinity. */
static void test_json(void **unused) {
    (void)unused;
    sm_aa aa = good_run();
    aa.steal_share = NAN;
    aa.rows[SM_AA_SPEEDUP].bias = NAN;
    aa.rows[SM_AA_SPEEDUP].pairs.quiet = 0;
    sm_findings conditions = {.count = 1};
    conditions.items[0] = (sm_finding){.name = "load"};
    sm_finding_say(&conditions.items[0], SM_VERDICT_OK, "dropped", "dropped", "%d", 3);
    json_t *json = sm_doctor_json(&conditions, &aa);
    assert_non_null(json);
    const json_t *run = json_object_get(json, "run");
    const json_t *row = json_array_get(json_object_get(run, "rows"), SM_AA_SPEEDUP);
    assert_true(json_is_null(json_object_get(run, "steal_share")));
    assert_true(json_is_null(json_object_get(row, "bias")));
    assert_true(json_is_null(json_object_get(row, "rounds_for_1_percent")));
    const json_t *load = json_array_get(json_object_get(json, "conditions"), 0);
    assert_string_equal(json_string_value(json_object_get(load, "value")), "3");
    assert_string_equal(json_string_value(json_object_get(load, "advice")), "");
    assert_string_equal(json_string_value(json_object_get(json, "grade")), "quiet");
    json_decref(json);
}

static void test_run(void **unused) {
    (void)unused;
    sm_aa aa;
    assert_int_equal(sm_aa_run(0.01, &aa), SM_OK);
    assert_false(aa.wrong);
    assert_int_equal(aa.rounds, 9); /* as few as the engine takes */
    assert_int_equal(aa.samples, 4 * aa.rounds);
    assert_true(aa.quiet <= aa.samples);
    size_t bits = 0;
    for (size_t i = 0; i < SM_TAINTS; i++) bits += aa.tainted[i];
    assert_true(bits >= aa.samples - aa.quiet);
    for (size_t i = 0; i < SM_AA_ROWS; i++) {
        const sm_aa_row *row = &aa.rows[i];
        assert_int_equal(row->pairs.count, aa.rounds);
        assert_true(row->pairs.ratio > 0 && row->pairs.floor >= 0 && row->pairs.scatter >= 0);
        assert_true(row->drift >= 1);
        assert_int_equal(isnan(row->bias), i == SM_AA_SPEEDUP);
        assert_true(row->detectable >= (isnan(row->bias) ? 0 : row->bias));
    }
    assert_null(strstr(aa.rows[SM_AA_SPARSE].kernel, "dense"));
    assert_non_null(strstr(aa.rows[SM_AA_DENSE].kernel, "dense"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_frequency),
        SCRATCH_TEST(test_sharing),
        SCRATCH_TEST(test_load),
        SCRATCH_TEST(test_steal),
        SCRATCH_TEST(test_memory),
        SCRATCH_TEST(test_clock),
        cmocka_unit_test(test_warnings_follow_findings),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_floor),
        cmocka_unit_test(test_grades),
        cmocka_unit_test(test_run_findings),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
