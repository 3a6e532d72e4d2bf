/* Cases that touch every edge of a kernel's register tile, held against the oracle. */
#ifndef CHECK_H
#define CHECK_H

#include <sparsemark/plan.h>
#include <stdint.h>

/* Multiplies w by args with this kernel, K tile and row block, on `threads` threads. */
typedef sm_status sm_multiply(void *context, const sm_kernel *kernel, const sm_csr *w, size_t kt,
                              size_t mc, size_t threads, const sm_args *args);

/* The multiply of the public API: a plan for exactly this kernel. context is not used. */
sm_multiply sm_check_by_plan;

typedef struct sm_check_result {
    size_t cases;
    double worst;         /* largest error / bound of all cases */
    char worst_case[128]; /* sizes, density and options of that case */
} sm_check_result;

/* Runs all cases of one kernel: rows, columns and K at 1, t - 1, t, t + 1 and 2 t + 3 around the
 * tile; no, one, 5 %, half and all weights, kept one by one, by rows alike or N of every four
 * columns; empty first and last rows; both layouts; padded strides; bias and clamp; several K tiles
 * and row blocks. Y starts as NaN; X, Y and bias end or
 * begin at a page that may not be touched. */
sm_status sm_check_kernel(const sm_kernel *kernel, uint64_t seed, sm_multiply *multiply,
                          void *context, sm_check_result *out);

/* `bytes` bytes that end (at_end) or begin beside a page without access; unaligned as they come.
 * sm_guarded_alloc() gives -1 when memory cannot be had. */
typedef struct sm_guarded {
    void *map;
    size_t map_bytes;
    void *data;
} sm_guarded;
int sm_guarded_alloc(size_t bytes, int at_end, sm_guarded *out); /* 0 when done */
void sm_guarded_free(sm_guarded *g);                             /* accepts a zeroed struct */

#endif
