/* sm_csr: the canonical sparse matrix. Everything is packed from it and unpacks to it. */
#ifndef SPARSEMARK_MATRIX_H
#define SPARSEMARK_MATRIX_H

#include <sparsemark/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* W[rows, cols] in compressed sparse row form; rows are outputs (M), columns are inputs (K).
 * Invariants, checked by sm_csr_check(): row_ptr[0] == 0, row_ptr never decreases,
 * row_ptr[rows] == nnz, columns strictly increase within a row and are < cols, values are finite
 * and not zero. Owned where made by sm_csr_alloc(), sm_csr_from_dense() or
 * sm_plan_unpack(), and then released by sm_csr_free(). Arrays are 64-byte aligned. */
typedef struct sm_csr {
    size_t rows, cols, nnz;
    uint32_t *row_ptr; /* rows + 1 */
    uint32_t *col;     /* nnz */
    float *val;        /* nnz */
} sm_csr;

/* Allocates a matrix with room for nnz nonzeros; row_ptr is zeroed, col and val are not set.
 * SM_E_LIMIT beyond 2^32 - 1 rows, columns or nonzeros or where nnz > rows * cols; SM_E_NOMEM. */
sm_status sm_csr_alloc(size_t rows, size_t cols, size_t nnz, sm_csr *out);

/* Releases the arrays and zeroes the struct. Accepts a zeroed struct. */
void sm_csr_free(sm_csr *csr);

/* SM_OK, or SM_E_FORMAT with the row and the broken invariant. */
sm_status sm_csr_check(const sm_csr *csr);

/* Builds a matrix from dense w[rows * cols]; element (r, c) is w[r * rs + c * cs] (strides in
 * elements). Zeros of either sign are dropped; NaN or infinity is SM_E_FORMAT. */
sm_status sm_csr_from_dense(const float *w, size_t rows, size_t cols, ptrdiff_t rs, ptrdiff_t cs,
                            sm_csr *out);

/* Writes every element, zeros included, to w[r * cols + c]. */
void sm_csr_to_dense(const sm_csr *csr, float *w);

/* 64-byte aligned allocation of count * size bytes, overflow-checked; NULL when it cannot be had.
 * A size of zero gives a pointer that may be freed. Release with sm_free(). */
void *sm_alloc(size_t count, size_t size);
void sm_free(void *p);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
