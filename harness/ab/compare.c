/* The whole comparison: open and match the builds, measure a block, measure again what stood out.
 */
#include "ab/ab.h"
#include "harness.h"
#include "machine/machine.h"
#include "measure/clock.h"
#include <math.h>
#include <string.h>

/* Of the time allowed, what the first block may take: the second is there for few cells, or for the
 * only one. */
static const double FIRST_SHARE = 0.5;
static const double DELTA = 0.03, DELTA_VIRTUAL = 0.05;

/* The control: the widest dense kernel of this very program, the same code in all arms. */
static const char *control_kernel(void) {
    const char *name = NULL;
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        if (strcmp(k->op, "spmm") == 0 && strcmp(k->format, "dense") == 0 &&
            (sm_isa_mask() >> k->level & 1))
            name = k->name;
    }
    return name;
}

static json_t *build_json(const ab_build *b) {
    const json_t *look = b->look;
    return json_pack("{s:s, s:s, s:I, s:I}", "file", b->path, "version", ab_text(look, "version"),
                     "abi", (json_int_t)ab_count(look, "abi"), "kernels",
                     (json_int_t)json_array_size(json_object_get(look, "kernels")));
}

static json_t *options_json(const ab_request *r, const json_t *machine) {
    const int virtualized =
        json_is_true(json_object_get(json_object_get(machine, "cpu"), "virtualized"));
    const double usual = virtualized ? DELTA_VIRTUAL : DELTA;
    json_t *inject = r->inject
                         ? json_pack("{s:s, s:f}", "kernel", r->inject, "share", r->inject_share)
                         : json_null();
    return json_pack("{s:f, s:I, s:o}", "delta", r->delta > 0 ? r->delta : usual, "seed",
                     (json_int_t)r->run.seed, "inject", inject);
}

static json_t *header(const ab_request *r, const ab_build *base, const ab_build *cand,
                      json_t *only) {
    json_t *machine = sm_machine_card(0);
    json_t *options = options_json(r, machine);
    return json_pack("{s:s, s:i, s:o, s:o, s:o, s:b, s:O, s:o, s:s, s:[]}", "type", "ab", "schema",
                     AB_SCHEMA, "machine", machine, "base", build_json(base), "cand",
                     build_json(cand), "identical", ab_builds_identical(base, cand), "only_in",
                     only, "options", options, "control", control_kernel(), "blocks");
}

static int check_injection(const ab_request *r, const json_t *record) {
    size_t i;
    const json_t *cell;
    if (!r->inject) return EXIT_CODE_OK;
    json_array_foreach(json_object_get(record, "cells"), i,
                       cell) if (strcmp(ab_text(cell, "kernel"), r->inject) ==
                                 0) return EXIT_CODE_OK;
    return complain(EXIT_CODE_USAGE, "--inject '%s': expected a kernel that is compared",
                    r->inject);
}

/* Where something stood out and time is left: those cells again. */
static int measure_again(const ab_block *block, json_t *record, json_t **verdict) {
    json_t *suspects = json_incref(json_object_get(*verdict, "suspects"));
    int code = EXIT_CODE_OK;
    if (json_array_size(suspects) > 0 && clock_ns() < block->deadline_ns) {
        json_decref(*verdict);
        *verdict = NULL;
        code = ab_rounds_run(block, suspects, record);
        if (code == EXIT_CODE_OK) code = ab_judge(record, verdict);
    }
    json_decref(suspects);
    return code;
}

static int measure(const ab_request *r, const ab_build *base, const ab_build *cand, json_t *record,
                   json_t **verdict) {
    const size_t cells = json_array_size(json_object_get(record, "cells"));
    const double start = clock_ns(), limit = r->time_s > 0 ? 1e9 * r->time_s : INFINITY;
    ab_block block = {.base_fd = base->fd, .cand_fd = cand->fd, .rounds = r->rounds};
    size_t needed;
    /* Asked even where it is given: a judge that is missing shall be found out now. */
    int code = ab_judge_rounds(cells, &needed);
    if (block.rounds == 0) block.rounds = needed;
    json_t *all = json_array();
    for (size_t i = 0; i < cells; i++)
        (void)json_array_append_new(all, json_integer((json_int_t)i));
    block.deadline_ns = start + FIRST_SHARE * limit;
    if (code == EXIT_CODE_OK) code = ab_rounds_run(&block, all, record);
    json_decref(all);
    if (code == EXIT_CODE_OK) code = ab_judge(record, verdict);
    block.deadline_ns = start + limit;
    if (code == EXIT_CODE_OK) code = measure_again(&block, record, verdict);
    return code;
}

int ab_compare(const ab_request *r, json_t **record, json_t **verdict) {
    ab_build base = {0}, cand = {0};
    json_t *only = NULL;
    *record = *verdict = NULL;
    int code = ab_build_open(r->base, &base);
    if (code == EXIT_CODE_OK) code = ab_build_open(r->cand, &cand);
    if (code == EXIT_CODE_OK) code = ab_builds_match(&base, &cand, r->common, &only);
    if (code == EXIT_CODE_OK && !(*record = header(r, &base, &cand, only)))
        code = complain(EXIT_CODE_USAGE, "%s, %s: expected names in UTF-8", r->base, r->cand);
    if (code == EXIT_CODE_OK) code = ab_cells_create(r, &base, &cand, *record);
    if (code == EXIT_CODE_OK) code = check_injection(r, *record);
    if (code == EXIT_CODE_OK) code = measure(r, &base, &cand, *record, verdict);
    json_decref(only);
    ab_build_close(&base);
    ab_build_close(&cand);
    return code;
}
