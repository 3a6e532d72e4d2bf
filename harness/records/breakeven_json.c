/* Break-evens as JSON: the same numbers as the table, unrounded. */
#include "json.h"
#include "records/breakeven.h"

#include <math.h>

static json_t *crossing_json(const sm_crossing *crossing) {
    static const char *const kinds[] = {[SM_CROSSING_UNKNOWN] = "unknown",
                                        [SM_CROSSING_AT] = "at",
                                        [SM_CROSSING_BELOW] = "at-most",
                                        [SM_CROSSING_NEVER] = "never"};
    return json_pack("{s:s, s:o}", "state", kinds[crossing->kind], "sparsity",
                     sm_json_number(crossing->sparsity));
}

static json_t *points_json(const sm_curve *curve) {
    json_t *array = json_array();
    for (size_t i = 0; i < curve->count; i++) {
        const sm_curve_point *p = &curve->points[i];
        json_array_append_new(array, json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:b}", "sparsity",
                                               sm_json_number(p->sparsity), "speedup",
                                               sm_json_number(p->speedup), "ci_low",
                                               sm_json_number(p->ci_low), "ci_high",
                                               sm_json_number(p->ci_high), "bytes_share",
                                               sm_json_number(p->bytes_share), "cells",
                                               (json_int_t)p->cells, "marked", p->marked));
    }
    return array;
}

/* What curves and means have in common: the series. */
static json_t *series_json(const sm_record_set *set, const sm_curve *curve) {
    const sm_cell *cell = curve->cell;
    const json_t *run = json_array_get(set->runs, curve->run);
    return json_pack("{s:O, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:s}", "run_id",
                     json_object_get(run, "run_id"), "provenance", cell->provenance, "pattern",
                     cell->pattern, "dtype", cell->dtype, "format", sm_curve_format(curve), "peer",
                     curve->best ? "" : cell->peer, "isa", curve->best ? "" : cell->isa, "n",
                     (json_int_t)cell->n, "layout", cell->layout, "threads",
                     (json_int_t)cell->threads, "cache", cell->cache);
}

static json_t *curve_json(const sm_record_set *set, const sm_curve *curve) {
    char verdict[160];
    sm_curve_verdict(curve, verdict, sizeof verdict);
    const sm_curve_point *at[] = {sm_curve_near(curve, 0.5), sm_curve_near(curve, 0.7),
                                  sm_curve_near(curve, 0.9)};
    json_t *object = series_json(set, curve);
    json_t *own = json_pack("{s:s, s:I, s:I, s:o, s:o, s:o}", "layer", curve->cell->layer, "m",
                            (json_int_t)curve->cell->m, "k", (json_int_t)curve->cell->k,
                            "break_even", crossing_json(&curve->crossing), "break_even_earliest",
                            crossing_json(&curve->from_high), "break_even_latest",
                            crossing_json(&curve->from_low));
    json_object_update(object, own);
    json_decref(own);
    own = json_pack("{s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "speedup_50",
                    sm_json_number(at[0] ? at[0]->speedup : NAN), "speedup_70",
                    sm_json_number(at[1] ? at[1]->speedup : NAN), "speedup_90",
                    sm_json_number(at[2] ? at[2]->speedup : NAN), "bytes_share_70",
                    sm_json_number(at[1] ? at[1]->bytes_share : NAN), "marks",
                    sm_json_words(curve->marks), "verdict", verdict, "points", points_json(curve));
    json_object_update(object, own);
    json_decref(own);
    return object;
}

static json_t *mean_json(const sm_record_set *set, const sm_mean *mean) {
    json_t *object = series_json(set, mean->curve);
    json_t *own =
        json_pack("{s:o, s:o, s:o, s:s, s:I, s:I}", "sparsity", sm_json_number(mean->sparsity),
                  "speedup_geomean", sm_json_number(mean->speedup), "speedup_worst",
                  sm_json_number(mean->worst), "worst_layer", mean->worst_layer, "points",
                  (json_int_t)mean->points, "marked", (json_int_t)mean->marked);
    json_object_update(object, own);
    json_decref(own);
    return object;
}

static int has_cells(const sm_record_set *set, size_t run) {
    for (size_t i = 0; i < set->count; i++)
        if (set->run_of[i] == run) return 1;
    return 0;
}

/* Of a run that was resumed the first object, which all its cells belong to. */
static json_t *runs_json(const sm_record_set *set) {
    json_t *runs = json_array();
    for (size_t i = 0; i < json_array_size(set->runs); i++) {
        const json_t *run_id = json_object_get(json_array_get(set->runs, i), "run_id");
        size_t done;
        const size_t asked = sm_records_asked(set, i, &done);
        if (!has_cells(set, i)) continue;
        json_array_append_new(
            runs, json_pack("{s:s, s:I, s:I}", "run_id", json_string_value(run_id), "points_asked",
                            (json_int_t)asked, "points_measured", (json_int_t)done));
    }
    return runs;
}

json_t *sm_breakeven_json(const sm_record_set *set, const sm_breakeven *breakeven) {
    json_t *curves = json_array(), *means = json_array();
    for (size_t i = 0; i < breakeven->curve_count; i++)
        if (!breakeven->curves[i].redundant)
            json_array_append_new(curves, curve_json(set, &breakeven->curves[i]));
    for (size_t i = 0; i < breakeven->mean_count; i++)
        if (!breakeven->means[i].redundant)
            json_array_append_new(means, mean_json(set, &breakeven->means[i]));
    return json_pack("{s:i, s:o, s:o, s:o, s:I, s:I, s:I}", "schema", SM_SCHEMA_VERSION, "runs",
                     runs_json(set), "curves", curves, "means", means, "left_out_wrong",
                     (json_int_t)breakeven->wrong, "left_out_no_dense",
                     (json_int_t)breakeven->no_dense, "left_out_of_means",
                     (json_int_t)breakeven->apart);
}
