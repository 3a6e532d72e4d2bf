/* Inside pruning: weights of any order seen as the matrix W[M, K], and the rules that make a mask.
 * Scores are numbers, the pattern fits the tensor. */
#ifndef SM_PRUNE_MASK_H
#define SM_PRUNE_MASK_H

#include <sparsemark/prune.h>
#include <stddef.h>
#include <stdint.h>

enum { SM_MOST_M = 16 }; /* of N:M */

/* Row o, column k = i * space + s of the matrix is element o * out_step + i * in_step + s *
 * space_step of the tensor. space: places of a convolution's window, 1 for a matrix. */
typedef struct sm_weights {
    size_t out, in, space;
    size_t out_step, in_step, space_step;
} sm_weights;

/* SM_E_ARG where the order has another rank. */
sm_status sm_weights_make(const size_t *shape, size_t rank, sm_weights_order order,
                          sm_weights *out);

/* A walk along a row of the matrix. */
typedef struct sm_row_walk {
    size_t at, s; /* the element, its place in the window */
} sm_row_walk;

static inline sm_row_walk sm_row_start(const sm_weights *w, size_t o, size_t k) {
    const size_t i = k / w->space, s = k % w->space;
    return (sm_row_walk){o * w->out_step + i * w->in_step + s * w->space_step, s};
}

static inline void sm_row_next(const sm_weights *w, sm_row_walk *walk) {
    walk->at += w->space_step;
    if (++walk->s < w->space) return;
    walk->s = 0;
    walk->at += w->in_step - w->space * w->space_step;
}

typedef struct sm_mask_job {
    const float *score;
    sm_weights weights;
    const sm_prune_options *options;
    uint8_t *mask;
    float *threshold;
} sm_mask_job;

/* All keep everything when they fail. */
sm_status sm_mask_block(const sm_mask_job *job);
sm_status sm_mask_rows(const sm_mask_job *job);
sm_status sm_mask_nm(const sm_mask_job *job);

/* A matrix under a grid of blocks from (0, 0) on; the last of a row and of a column may be cut. */
typedef struct sm_grid {
    size_t r, c, down, across;
} sm_grid;

/* Blocks stay or go by their score[down * across]. */
void sm_mask_grid(const sm_mask_job *job, const sm_grid *grid, const float *score);

#endif
