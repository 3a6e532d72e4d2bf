/* Choosing a kernel and its blocking for a matrix. Internal to the library. */
#ifndef SM_CHOOSE_H
#define SM_CHOOSE_H

#include "packed.h"

typedef struct sm_choice {
    const sm_kernel *kernel;
    size_t kt, mc;
    double choose_s, expected_s, dense_s, sparse_s;
    size_t candidates;
    sm_packed packed; /* W, where choosing had all of it packed: the caller's; else no kernel */
    double pack_s;    /* what packing it took, a part of choose_s */
} sm_choice;

/* options are complete: every default is filled in, every name and mask is checked. */
sm_status sm_choose(const sm_csr *w, const sm_plan_options *options, sm_choice *out);

/* Rows are only cut for threads where strips do not divide evenly among them. */
static inline size_t sm_row_parts(const sm_plan_options *o, const sm_kernel *kernel) {
    return sm_ceil_div(o->n, kernel->nr) % o->threads == 0 ? 1 : o->threads;
}

#endif
