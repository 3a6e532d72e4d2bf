/* What the tests of break-evens share: a set of records that is made cell by cell. */
#ifndef BREAKEVEN_CELLS_H
#define BREAKEVEN_CELLS_H

#include "records/breakeven.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_CELLS = 64 };

static sm_cell cells[MAX_CELLS];
static size_t run_of[MAX_CELLS];
static sm_record_set set;

static inline int reset(void **state) {
    (void)state;
    set = (sm_record_set){.runs = json_pack("[{s:s}, {s:s}]", "run_id", "r1", "run_id", "r2"),
                          .cells = cells,
                          .run_of = run_of};
    return set.runs ? 0 : -1;
}

static inline int clear(void **state) {
    (void)state;
    for (size_t i = 0; i < set.count; i++) sm_cell_free(&cells[i]);
    json_decref(set.runs);
    return 0;
}

/* A group of one cell, ISA avx2, +-4 % interval; the caller changes what its test is about. */
static inline sm_cell *add(const char *layer, const char *format, double sparsity, double speedup) {
    assert_true(set.count < MAX_CELLS);
    sm_cell *cell = &cells[set.count];
    run_of[set.count++] = 0;
    memset(cell, 0, sizeof *cell);
    cell->group_cells = 1;
#define SM_CELL_str(name) cell->name = strdup("");
#define SM_CELL_words(name) cell->name = strdup("");
#define SM_CELL_int(name)
#define SM_CELL_real(name)
#define SM_CELL_bool(name)
#define SM_CELL_reals(name)
#define SM_CELL_ints(name)
#define SM_CELL(kind, name) SM_CELL_##kind(name)
#include "records/cell.inc"
#undef SM_CELL
    free(cell->layer);
    free(cell->format);
    free(cell->isa);
    free(cell->provenance);
    cell->layer = strdup(layer);
    cell->format = strdup(format);
    cell->isa = strdup("avx2");
    cell->provenance = strdup("seeded-gaussian");
    cell->m = cell->k = cell->n = 512;
    cell->threads = 1;
    cell->sparsity = sparsity;
    cell->sparsity_asked = NAN;
    cell->speedup_dense = speedup;
    cell->speedup_ci_low = speedup / 1.04;
    cell->speedup_ci_high = speedup * 1.04;
    cell->bytes_dense_weights = 1000;
    cell->bytes_weights = (int64_t)(1500 * (1 - sparsity));
    return cell;
}

static inline void set_text(char **field, const char *text) {
    free(*field);
    *field = strdup(text);
}

static inline void assert_near(double expected, double found) {
    if (!(fabs(expected - found) < 1e-9)) fail_msg("expected %.12g, found %.12g", expected, found);
}

/* The curve of (layer, format as displayed), which must exist. */
static inline const sm_curve *curve_of(const sm_breakeven *b, const char *layer,
                                       const char *format) {
    for (size_t i = 0; i < b->curve_count; i++) {
        const sm_curve *curve = &b->curves[i];
        if (!strcmp(curve->cell->layer, layer) && !strcmp(sm_curve_format(curve), format))
            return curve;
    }
    fail_msg("no curve %s %s", layer, format);
    return NULL;
}

static inline void assert_verdict(const sm_curve *curve, const char *expected) {
    char verdict[160];
    sm_curve_verdict(curve, verdict, sizeof verdict);
    assert_string_equal(verdict, expected);
}

/* The cells from i on were timed together. */
static inline void one_group(size_t i) {
    for (size_t j = i; j < set.count; j++) cells[j].group_cells = (int64_t)(set.count - i);
}

#endif
