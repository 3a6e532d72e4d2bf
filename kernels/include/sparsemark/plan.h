/* Plan once, multiply often: Y[M,N] = clamp(W[M,K] X[K,N] + bias). */
#ifndef SPARSEMARK_PLAN_H
#define SPARSEMARK_PLAN_H

#include <sparsemark/kernel.h>
#include <sparsemark/matrix.h>
#include <sparsemark/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef enum sm_layout {
    SM_FEATURE_MAJOR, /* X[K,N], Y[M,N]: N is contiguous (convolutions of one pixel) */
    SM_TOKEN_MAJOR,   /* X[N,K], Y[N,M]: K and M are contiguous (linear layers) */
    SM_IMAGE          /* X is unfolded from images by sm_plan_run_conv(), Y[M,N]; candidates are
                         timed with X[K,N], so that expected times leave unfolding out */
} sm_layout;

/* Operands of one multiplication. Element (k, n) of X is x[k * x_rs + n * x_cs], element (m, n) of
 * Y is y[m * y_rs + n * y_cs]; strides are in elements, one of each pair is 1 and the other is at
 * least the extent it steps over. No alignment is required; rows of whole cache lines are fastest,
 * for X may be read where it lies. Y must not overlap X, bias or the weights. A value of X that is
 * not finite may make its whole column of Y NaN, as a stored zero times infinity is, and no other;
 * so may sums that overflow in parts, clamped or not. */
typedef struct sm_args {
    const float *x;
    ptrdiff_t x_rs, x_cs;
    float *y;
    ptrdiff_t y_rs, y_cs;
    size_t n;
    const float *bias; /* M values, or NULL for none */
    float lo, hi; /* Y is clamped to [lo, hi], lo <= hi; -INFINITY and INFINITY for none, not 0 */
} sm_args;

/* Operands of one convolution: the plan's weights are [out channels, channels * kernel_h *
 * kernel_w], K in that order (as OIHW weights lie in memory). Images have the batch innermost:
 * element (c, i, j, b) of X is x[c * x_rs + (i * width + j) * batch + b], and column
 * n = (i * out_w + j) * batch + b of Y is image b's output pixel (i, j), at y[m * y_rs + n]. So one
 * layer's Y is the next one's X, and for one image both are CHW. Pixels outside of the image are
 * zero. Output row i reads from row i * stride_h - pad_top on: pad_top may be negative, so that a
 * band of the output's rows is a call of its own. Strips of the unfolded image are packed straight
 * from it; it never is in memory as a whole. */
typedef struct sm_conv_args {
    const float *x;
    ptrdiff_t x_rs; /* from a channel to the next */
    size_t channels, height, width, batch;
    size_t kernel_h, kernel_w;
    size_t stride_h, stride_w; /* 1 to 2^31 - 1 */
    ptrdiff_t pad_top, pad_left;
    size_t out_h, out_w;
    float *y;
    ptrdiff_t y_rs;    /* from an output channel to the next */
    const float *bias; /* as in sm_args */
    float lo, hi;
} sm_conv_args;

/* Runs task(arg, i) for every i < tasks, possibly at once, and returns when all are done. */
typedef void sm_parallel_for(void *pool, size_t tasks, void (*task)(void *arg, size_t i),
                             void *arg);

/* Zeroed fields mean "choose"; set size to sizeof(sm_plan_options). size is the struct's version:
 * later versions only add fields at the end. A smaller size, of an older header, leaves the fields
 * that it lacks zero; a larger one, of 4096 bytes at most, is taken when its further bytes are
 * zero, else SM_E_ARG. */
typedef struct sm_plan_options {
    size_t size;
    size_t n;         /* N to choose for and to share among threads; 0 = 128. Another N runs, may be
                         shared less evenly, and may round differently */
    sm_layout layout; /* layout to choose for; a plan runs all */
    size_t threads;   /* 0 or 1 = one; 4096 at most. Also the most tasks that parallel_for gets: an
                         sm_pool's threads + 1, for the caller. Other numbers of threads, or another
                         mc, may round differently */
    uint32_t isa_mask;    /* levels that may be used; 0 = all usable. An unusable one: SM_E_ISA */
    uint32_t format_mask; /* 1u << format that may be used; 0 = all */
    const char *kernel;   /* exactly this kernel, or NULL */
    size_t kt;            /* columns of W in a K tile, 0 = choose; at most what the format stores */
    size_t mc;       /* rows of W in a row block, 0 = choose; in whole tiles, about 65536 at most */
    double budget_s; /* seconds to spend on timing candidates; 0 = 0.05; < 0 = do not time */
    /* NULL: the plan owns threads - 1 threads of its own, which behave as pool.h says. */
    sm_parallel_for *parallel_for;
    void *pool;      /* outlives all calls */
    const int *cpus; /* threads - 1 CPU numbers that the plan's own threads are pinned to, or NULL;
                        the calling thread stays where it is. Read by sm_plan_create() only */
} sm_plan_options;

typedef struct sm_bytes {
    size_t values, indices, pointers;
} sm_bytes;

typedef struct sm_plan_info {
    const sm_kernel *kernel;
    size_t rows, cols, nnz, kt, mc, threads;
    size_t index_bits;
    sm_bytes bytes;    /* of the packed weights */
    double pack_s;     /* time to pack W for the chosen kernel; may be part of choose_s */
    double choose_s;   /* time spent on choosing */
    double expected_s; /* a call's shortest time while choosing, on one thread; 0: none was timed */
    double dense_s, sparse_s; /* the same of the best dense and the best sparse candidate, or 0; of
                                 one that is far behind as told from a sample */
    size_t candidates;        /* how many were timed */
} sm_plan_info;

typedef struct sm_plan sm_plan;

/* Packs w for the fastest usable kernel: by timing the candidates within the budget, on a sample of
 * w and, where the budget allows, the first of them on whole calls; nobody reports these. Dense is
 * kept unless sparse wins by 5 %, or with fewer than eight columns of w by a quarter; matrices of
 * more than 2^20 elements and less than 1 % nonzeros are not held against it, and where X of one
 * strip has more than 2^24 elements nothing is timed.
 * options may be NULL: all are chosen. *out is NULL where this fails.
 * w is checked by sm_csr_check() and copied, not kept. SM_E_ARG (w is NULL or has no row or column,
 * unknown kernel, no kernel fits the masks), SM_E_FORMAT, SM_E_ISA (also: the kernel's level is not
 * in isa_mask), SM_E_LIMIT, SM_E_NOMEM. */
sm_status sm_plan_create(const sm_csr *w, const sm_plan_options *options, sm_plan **out);
void sm_plan_free(sm_plan *plan); /* accepts NULL */

void sm_plan_get_info(const sm_plan *plan, sm_plan_info *out);

/* Bytes of workspace that sm_plan_run() needs for up to n columns; it must be 64-byte aligned. */
size_t sm_plan_workspace(const sm_plan *plan, size_t n);

/* Multiplies. Re-entrant, allocates nothing, cannot fail. Concurrent calls need a workspace each;
 * calls on one plan that owns threads take turns. Where the plan timed its kernel, a call takes no
 * more threads than have 0.4 us of work each, and runs without parallel_for where that is one. */
void sm_plan_run(const sm_plan *plan, const sm_args *args, void *workspace);

/* Does only the part of sm_plan_run() that packs X into strips, on one thread: for profiles. */
void sm_plan_pack_x(const sm_plan *plan, const sm_args *args, void *workspace);

/* The same for a convolution. N is out_h * out_w * batch. SM_E_ARG, and nothing done, where
 * channels * kernel_h * kernel_w is not the plan's K, a stride is 0, or a pad is 2^31 or more
 * either way. Takes some 32 KiB of stack. */
sm_status sm_plan_run_conv(const sm_plan *plan, const sm_conv_args *args, void *workspace);
sm_status sm_plan_pack_conv(const sm_plan *plan, const sm_conv_args *args, void *workspace);

/* Gives back the matrix that was packed, exactly. */
sm_status sm_plan_unpack(const sm_plan *plan, sm_csr *out);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
