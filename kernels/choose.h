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

/* How many of `threads` have enough to do in a call with n columns, where one with `planned`
 * columns takes call_s on one thread, or 0: not known. That time is scaled by columns if there are
 * more, and by strips if there are fewer: n columns take no longer. With less work than LEAST_S
 * each, threads help nobody: two that are awake take 0.3 us longer than half of what one takes (Zen
 * 5, loops of calls). */
static inline size_t sm_busy_threads(size_t nr, double call_s, size_t planned, size_t n,
                                     size_t threads) {
    const double LEAST_S = 0.4e-6;
    const double times = n > planned
                             ? (double)n / (double)planned
                             : (double)sm_ceil_div(n, nr) / (double)sm_ceil_div(planned, nr);
    const double busy = call_s * times / LEAST_S;
    if (call_s <= 0 || busy >= (double)threads) return threads;
    return busy < 1 ? 1 : (size_t)busy;
}

#endif
