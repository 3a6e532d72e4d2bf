/* The doctor's findings as one JSON object. */
#include "json.h"
#include "doctor/doctor.h"
#include <math.h>

static json_t *row_json(const sm_aa_row *row) {
    const sm_pairs *p = &row->pairs;
    const double quiet = (double)p->quiet / (double)p->count;
    json_t *json =
        json_pack("{s:s, s:s, s:I, s:I, s:b}", "name", row->name, "kernel", row->kernel, "pairs",
                  (json_int_t)p->count, "quiet_pairs", (json_int_t)p->quiet, "noisy", p->noisy);
    const struct {
        const char *name;
        double value;
    } reals[] = {
        {"ratio", p->ratio},
        {"bias", row->bias},
        {"noise_floor", p->floor},
        {"scatter", p->scatter},
        {"detectable", row->detectable},
        {"rounds_for_1_percent", sm_pairs_rounds(p->scatter, quiet, 0.01)},
        {"time_ns_median", row->time_ns},
        {"drift", row->drift},
    };
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++)
        (void)json_object_set_new(json, reals[i].name, sm_json_number(reals[i].value));
    return json;
}

static json_t *run_json(const sm_aa *aa) {
    static const char *const taints[SM_TAINTS] = {"migrated", "switched", "steal", "probe"};
    json_t *rows = json_array(), *counts = json_object();
    sm_findings findings;
    for (size_t i = 0; i < SM_AA_ROWS; i++)
        (void)json_array_append_new(rows, row_json(&aa->rows[i]));
    for (size_t i = 0; i < SM_TAINTS; i++)
        (void)json_object_set_new(counts, taints[i], json_integer((json_int_t)aa->tainted[i]));
    sm_aa_findings(aa, &findings);
    return json_pack("{s:i, s:i, s:i, s:f, s:i, s:f, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "m",
                     SM_AA_M, "k", SM_AA_K, "n", SM_AA_N, "sparsity", SM_AA_SPARSITY, "threads", 1,
                     "seconds", aa->seconds, "rounds", (json_int_t)aa->rounds, "samples",
                     (json_int_t)aa->samples, "quiet_samples", (json_int_t)aa->quiet, "taints",
                     counts, "steal_share", sm_json_number(aa->steal_share), "others_cpus",
                     sm_json_number(aa->others_cpus), "rows", rows, "findings",
                     sm_findings_json(&findings));
}

static json_t *thresholds_json(void) {
    json_t *list = json_array();
    for (size_t i = 0; i < SM_GRADES; i++) {
        const sm_grade *g = &sm_grades[i];
        (void)json_array_append_new(
            list, json_pack("{s:s, s:o, s:f, s:s}", "grade", g->name, "detectable_at_most",
                            sm_json_number(g->detectable), "quiet_share_at_least", g->quiet_share,
                            "meaning", g->meaning));
    }
    return list;
}

json_t *sm_doctor_json(const sm_findings *conditions, const sm_aa *aa) {
    const double detectable = sm_aa_detectable(aa), quiet = sm_aa_quiet_share(aa);
    json_t *identity = sm_machine_identity();
    json_t *slug = json_incref(json_object_get(identity, "slug"));
    double floor = 0;
    for (size_t i = 0; i < SM_AA_ROWS; i++) floor = fmax(floor, aa->rows[i].pairs.floor);
    return json_pack("{s:s, s:i, s:o, s:o, s:b, s:s, s:f, s:f, s:f, s:o, s:o, s:o}", "type",
                     "doctor", "schema", 1, "machine", slug, "identity", identity, "build_counts",
                     sm_doctor_build_counts(), "grade", sm_grade_of(detectable, quiet)->name,
                     "noise_floor", floor, "quiet_share", quiet, "detectable", detectable,
                     "thresholds", thresholds_json(), "conditions", sm_findings_json(conditions),
                     "run", run_json(aa));
}
