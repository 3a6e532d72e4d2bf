/* A sweep as a result file: what was run, a line a cell or a layer left as it is, a line a claim
 * and pattern. */
#include "machine/machine.h"
#include "records/record.h"
#include "sensitivity/judge.h"
#include "sensitivity/report.h"
#include <math.h>
#include <string.h>

static json_t *pattern_json(const sweep *s, size_t pattern) {
    return json_string(sm_pattern_name(&s->o->axes.pattern[pattern]).s);
}

static json_t *layers_json(const sweep *s, const sweep_cell *c) {
    json_t *layers = json_array();
    for (size_t i = 0; i < NET_LAYERS; i++)
        if (c->layer == SWEEP_ALL ? sweep_takes(s, c->pattern, i) : c->layer == i)
            (void)json_array_append_new(layers, json_string(sweep_layer_name(s, i)));
    return layers;
}

static json_t *cell_json(const sweep *s, const sweep_cell *c) {
    return json_pack("{s:s, s:o, s:f, s:s, s:o, s:f, s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:I, s:I}",
                     "type", "sensitivity", "pattern", pattern_json(s, c->pattern), "sparsity",
                     c->sparsity, "layer", sweep_layer_name(s, c->layer), "layers",
                     layers_json(s, c), "zeros", c->zeros, "images", (json_int_t)s->dense.images,
                     "right", (json_int_t)c->right, "accuracy",
                     (double)c->right / (double)s->dense.images, "lost", c->lost.value, "lost_low",
                     c->lost.low, "lost_high", c->lost.high, "worse", (json_int_t)c->worse,
                     "better", (json_int_t)c->better, "changed", (json_int_t)c->changed);
}

static json_t *left_json(const sweep *s, size_t pattern, size_t layer) {
    return json_pack("{s:s, s:o, s:s, s:s}", "type", "left", "pattern", pattern_json(s, pattern),
                     "layer", sweep_layer_name(s, layer), "reason", s->why[pattern][layer]);
}

static json_t *judgement_json(const sweep *s, size_t claim, size_t pattern, const judgement *j) {
    json_t *lost = json_object(), *at = json_object();
    for (size_t i = 0; i < NET_LAYERS; i++) {
        if (!isnan(j->lost[i]))
            (void)json_object_set_new(lost, sweep_layer_name(s, i), json_real(j->lost[i]));
        if (!isnan(j->at[i]))
            (void)json_object_set_new(at, sweep_layer_name(s, i), json_real(j->at[i]));
    }
    const int judged = j->verdict != UNJUDGED;
    return json_pack("{s:s, s:s, s:o, s:s, s:o, s:o, s:s, s:o, s:o, s:o}", "type", "claim", "claim",
                     judge_claims[claim], "pattern", pattern_json(s, pattern), "verdict",
                     verdict_name(j->verdict), "lost", lost, "at", at, "decisive", j->decisive,
                     "value", judged ? json_real(j->value.value) : json_null(), "low",
                     judged ? json_real(j->value.low) : json_null(), "high",
                     judged ? json_real(j->value.high) : json_null());
}

/* Takes object over; 0 when done. */
static int add(json_t *objects, json_t *object) {
    return json_array_append_new(objects, object);
}

static int add_cells(const sweep *s, json_t *objects) {
    int failed = 0;
    for (size_t i = 0; i < s->count; i++) failed |= add(objects, cell_json(s, &s->cells[i]));
    for (size_t p = 0; p < s->o->axes.pattern_count; p++)
        for (size_t i = 0; i < NET_LAYERS; i++)
            if (s->chosen[i] && s->why[p][i][0]) failed |= add(objects, left_json(s, p, i));
    return failed;
}

static sm_status add_claims(const sweep *s, json_t *objects, int *failed) {
    for (size_t claim = 0; claim < JUDGE_CLAIMS; claim++)
        for (size_t p = 0; p < s->o->axes.pattern_count; p++) {
            judgement j;
            SM_TRY(judge(s, claim, p, &j));
            *failed |= add(objects, judgement_json(s, claim, p, &j));
        }
    return SM_OK;
}

static json_t *run_json(const sweep *s) {
    const sweep_options *o = s->o;
    char slug[64];
    json_t *run = sm_machine_identity();
    sm_machine_slug(slug, sizeof slug);
    json_t *options =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "command", "sensitivity", "weights",
                  o->weights, "data", o->data, "layers", o->layers ? o->layers : "*", "score",
                  o->random ? "random" : "magnitude", "seed", (json_int_t)o->axes.seed, "threads",
                  (json_int_t)o->axes.threads[0]);
    json_t *dense = json_pack("{s:I, s:I, s:f}", "images", (json_int_t)s->dense.images, "right",
                              (json_int_t)s->dense.right, "reference_error", s->dense.error);
    int failed = json_object_set_new(run, "machine", json_string(slug));
    failed |= json_object_set_new(run, "options", options);
    failed |= json_object_set_new(run, "dense", dense);
    if (!failed) return run;
    json_decref(run);
    return NULL;
}

sm_status sweep_write(const sweep *s, const char *path) {
    json_t *run = run_json(s), *objects = json_array();
    int failed = !run || !objects || add_cells(s, objects);
    sm_status status = failed ? SM_OK : add_claims(s, objects, &failed);
    if (failed) status = sm_fail(SM_E_NOMEM, "%s: no memory for its records", path);
    if (status == SM_OK) status = sm_records_write_whole(path, run, objects);
    json_decref(run);
    json_decref(objects);
    return status;
}
