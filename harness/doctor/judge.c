/* From the numbers of the A/A run to a grade and to advice. Pure. */
#include "build_info.h"
#include "doctor/doctor.h"
#include <math.h>
#include <string.h>

/* 2 % is the precision that a run stops at unless told otherwise. */
const sm_grade sm_grades[SM_GRADES] = {
    {"quiet", 0.01, 0.90, "differences of 1 % can be shown"},
    {"fair", 0.02, 0.50, "good enough for the default --precision 2%"},
    {"noisy", 0.05, 0.20, "only large differences can be shown"},
    {"unusable", INFINITY, 0, "do not measure here and now"},
};

static const double QUIET_NOTE = 0.9, QUIET_BAD = 0.5, STEAL_BAD = 0.01;
static const double OTHERS_NOTE = 0.05, OTHERS_BAD = 0.25;
static const double DRIFT_NOTE = 1.05, DRIFT_BAD = 1.25, BIAS_OK = 0.002, BIAS_BAD = 0.02;

const sm_grade *sm_grade_of(double detectable, double quiet_share) {
    for (size_t i = 0; i + 1 < SM_GRADES; i++)
        if (detectable <= sm_grades[i].detectable && quiet_share >= sm_grades[i].quiet_share)
            return &sm_grades[i];
    return &sm_grades[SM_GRADES - 1]; /* NaN too */
}

int sm_doctor_build_counts(void) {
    return strcmp(SM_BUILD_TYPE, "Release") == 0 && SM_BUILD_SANITIZE[0] == 0;
}

static sm_verdict grade_up(double value, double note, double bad) {
    return value > bad ? SM_VERDICT_BAD : value > note ? SM_VERDICT_NOTE : SM_VERDICT_OK;
}

/* What to do about what disturbed most samples. */
static const char *quiet_advice(const sm_aa *aa) {
    static const struct {
        int64_t taint;
        const char *advice;
    } causes[SM_TAINTS] = {
        {TAINT_MIGRATED, "threads move between CPUs: taskset -c 0 sparsemark ..."},
        {TAINT_SWITCHED, "other work on this machine takes the CPU: stop it"},
        {TAINT_STEAL, "the hypervisor takes the CPU: ask for a dedicated host"},
        {TAINT_PROBE, "a neighbour shares the core, or the clock moves: measure at a quieter hour, "
                      "ask for whole cores"},
    };
    size_t most = 0;
    for (size_t bit = 1; bit < SM_TAINTS; bit++)
        if (aa->tainted[bit] > aa->tainted[most]) most = bit;
    for (size_t i = 0; i < SM_TAINTS; i++)
        if (causes[i].taint == INT64_C(1) << most) return causes[i].advice;
    return "";
}

static void check_quiet(const sm_aa *aa, sm_finding *f) {
    const double share = sm_aa_quiet_share(aa);
    sm_finding_say(f, grade_up(1 - share, 1 - QUIET_NOTE, 1 - QUIET_BAD),
                   "disturbed samples are left out: runs take longer and say less",
                   quiet_advice(aa), "%.1f %% of %zu", 100 * share, aa->samples);
}

static void check_steal(const sm_aa *aa, sm_finding *f) {
    if (isnan(aa->steal_share))
        sm_finding_say(f, SM_VERDICT_NOTE, "whether a hypervisor took time away is not known",
                       "mount /proc", "not readable");
    else
        sm_finding_say(f, grade_up(aa->steal_share, 0, STEAL_BAD),
                       "the hypervisor gave time to others",
                       "ask for a dedicated host, or measure at a quieter hour", "%.2f %%",
                       100 * aa->steal_share);
}

static void check_others(const sm_aa *aa, sm_finding *f) {
    if (isnan(aa->others_cpus))
        sm_finding_say(f, SM_VERDICT_NOTE, "whether other work ran is not known", "mount /proc",
                       "not readable");
    else
        sm_finding_say(f, grade_up(aa->others_cpus, OTHERS_NOTE, OTHERS_BAD),
                       "other processes ran during the A/A run",
                       "stop them; top shows which they are", "%.2f hardware threads",
                       aa->others_cpus);
}

static void check_drift(const sm_aa *aa, sm_finding *f) {
    const double drift = fmax(aa->rows[SM_AA_SPARSE].drift, aa->rows[SM_AA_DENSE].drift);
    sm_finding_say(f, grade_up(drift, DRIFT_NOTE, DRIFT_BAD),
                   "times depend on the moment: those of different minutes do not compare",
                   "compare ratios of one run (speedup), never times", "%.2f", drift);
}

static void check_copies(const sm_aa *aa, sm_finding *f) {
    double bias = 0;
    for (size_t i = 0; i < SM_AA_ROWS; i++)
        /* What the interval of no difference covers is no bias. */
        if (!isnan(aa->rows[i].bias) && aa->rows[i].bias > aa->rows[i].pairs.floor)
            bias = fmax(bias, aa->rows[i].bias);
    sm_finding_say(f, grade_up(bias, BIAS_OK, BIAS_BAD),
                   "where data lies in memory matters that much", "believe no difference below it",
                   "%.2f %%", 100 * bias);
}

void sm_aa_findings(const sm_aa *aa, sm_findings *out) {
    static const struct {
        const char *name;
        void (*look)(const sm_aa *aa, sm_finding *f);
    } checks[] = {
        {"quiet samples", check_quiet},         {"steal meanwhile", check_steal},
        {"other work meanwhile", check_others}, {"drift of times", check_drift},
        {"two copies differ by", check_copies},
    };
    out->count = sizeof checks / sizeof checks[0];
    for (size_t i = 0; i < out->count; i++) {
        out->items[i] = (sm_finding){.name = checks[i].name};
        checks[i].look(aa, &out->items[i]);
    }
}
