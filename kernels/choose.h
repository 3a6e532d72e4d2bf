/* Choosing a kernel and its blocking for a matrix. Internal to the library. */
#ifndef SM_CHOOSE_H
#define SM_CHOOSE_H

#include "packed.h"

typedef struct sm_choice {
    const sm_kernel *kernel;
    size_t kt, mc;
    double choose_s, expected_s, dense_s, sparse_s;
    size_t candidates;
} sm_choice;

/* options are complete: every default is filled in, every name and mask is checked. */
sm_status sm_choose(const sm_csr *w, const sm_plan_options *options, sm_choice *out);

double sm_seconds(void); /* monotonic clock */

#endif
