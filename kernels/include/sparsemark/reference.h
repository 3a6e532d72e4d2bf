/* The oracle that every kernel is held against: double accumulators, plain loops, no packing. */
#ifndef SPARSEMARK_REFERENCE_H
#define SPARSEMARK_REFERENCE_H

#include <sparsemark/matrix.h>
#include <sparsemark/plan.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* y[m * count + i] = clamp(sum_k w[m, k] x[k, columns[i]] + bias[m]) in double, and
 * bound[m * count + i] the largest error that any order of f32 sums may have:
 * (nnz of the row + 1) * 2^-24 * (sum |w x| + |bias|) + what underflow of the products can add. */
void sm_reference(const sm_csr *w, const sm_args *args, const size_t *columns, size_t count,
                  double *y, double *bound);

/* Largest |args->y - y| / bound over all rows and the columns; infinity where Y is not a number, or
 * differs at all where there are neither products nor bias. */
double sm_reference_error(const sm_csr *w, const sm_args *args, const size_t *columns, size_t count,
                          const double *y, const double *bound);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
