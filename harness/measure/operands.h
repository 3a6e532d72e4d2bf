/* Activations, output and the oracle's answer for one problem. */
#ifndef OPERANDS_H
#define OPERANDS_H

#include <sparsemark/matrix.h>
#include <sparsemark/plan.h>

typedef struct sm_operands {
    sm_csr w;
    float *dense; /* row-major W for peers, or NULL until sm_operands_dense() */
    float *x, *y;
    size_t n;
    sm_layout layout;
    sm_args args;
    size_t *columns, column_count; /* columns of Y that the oracle covers */
    double *ref, *bound;
    double verified_share;
} sm_operands;

/* Takes w over (also on failure). X is seeded and uniform in [-0.5, 0.5). The oracle covers all
 * columns up to 2^28 products, else all rows of 64 columns: both ends, tile edges, seeded ones. */
sm_status sm_operands_create(sm_csr *w, size_t n, sm_layout layout, uint64_t seed,
                             sm_operands *out);
void sm_operands_free(sm_operands *o); /* accepts a zeroed struct */

sm_status sm_operands_dense(sm_operands *o);

/* Fills Y with NaN, so that what a kernel does not write shows. */
void sm_operands_poison(sm_operands *o);

/* Largest error / bound of what is in Y; infinity where anything in Y is not a number. */
double sm_operands_error(const sm_operands *o);

#endif
