/* For tests of pruning: rows of a job over tensors that are only named and shaped. */
#ifndef TESTS_PRUNE_ROWS_H
#define TESTS_PRUNE_ROWS_H

#include "prune/job.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_ROWS = 16 };

typedef struct fixture {
    sm_prune_request request;
    sm_prune_job job;
    sm_tensor tensors[MOST_ROWS];
    sm_prune_row rows[MOST_ROWS];
} fixture;

static inline void begin(fixture *f) {
    *f = (fixture){.request = {.input = "model"}};
    f->job.request = &f->request;
    f->job.rows = f->rows;
    f->job.model.items = f->tensors;
}

/* Sizes end at the first 0. */
static inline size_t add(fixture *f, const char *name, const char *type, size_t a, size_t b,
                         size_t c, size_t d) {
    const size_t at = f->job.model.count++, sizes[] = {a, b, c, d};
    assert_true(at < MOST_ROWS);
    sm_tensor *t = &f->tensors[at];
    t->name = (char *)(uintptr_t)name;
    snprintf(t->type, sizeof t->type, "%s", type);
    for (t->count = 1; t->rank < 4 && sizes[t->rank] > 0; t->rank++) {
        t->shape[t->rank] = sizes[t->rank];
        t->count *= sizes[t->rank];
    }
    f->rows[at].tensor = t;
    f->rows[at].order = t->rank == 4 ? SM_ORDER_OIHW : SM_ORDER_OUT_IN;
    memcpy(f->rows[at].shape_before, t->shape, sizeof t->shape);
    return at;
}

#endif
