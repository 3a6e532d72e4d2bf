/* Seeded weights and magnitude pruning, by every pattern. */
#ifndef PRUNE_H
#define PRUNE_H

#include "prune/pattern.h"
#include <sparsemark/matrix.h>
#include <stddef.h>
#include <stdint.h>

/* Small seeded generator (splitmix64 seeding xoshiro256**): the same numbers on every machine. */
typedef struct sm_rng {
    uint64_t s[4];
} sm_rng;
void sm_rng_seed(sm_rng *rng, uint64_t seed);
uint64_t sm_rng_next(sm_rng *rng);
float sm_rng_uniform(sm_rng *rng); /* [0, 1), 24 bits */
float sm_rng_normal(sm_rng *rng);  /* mean 0, standard deviation 1, never 0 */

void sm_fill_normal(float *w, size_t count, uint64_t seed);

/* Seeded normal values at the pattern's places. */
void sm_fill_values(sm_csr *csr, uint64_t seed);

/* Zeroes the smallest |w|: keeps k = max(rint(f32(N) * (1 - f32(s))), 1) in float, s = 0 keeps all,
 * s = 1 zeroes all. t is the k-th largest |w|; |w| >= t is kept, ties included (t = 0 keeps
 * everything). By selection, O(count). SM_E_ARG where sparsity is outside [0, 1]. */
sm_status sm_prune_magnitude(float *w, size_t count, double sparsity);

/* The others prune a row-major w[rows, cols] in place. What they remove becomes +0.0. */

/* What stands for a block: the mean or the maximum of |w| over the weights it really has. */
typedef enum sm_pooling { SM_POOL_AVG, SM_POOL_MAX } sm_pooling;

/* Blocks of r x c from (0, 0) on, cut at the edges, stay or go as a whole: the rule of
 * sm_prune_magnitude() over the pooled blocks, whose number is N. SM_E_NOMEM. */
sm_status sm_prune_block(float *w, size_t rows, size_t cols, size_t r, size_t c, sm_pooling pool,
                         double sparsity);

/* Whole rows by their L2 norm, same rule. SM_E_NOMEM. */
sm_status sm_prune_rows(float *w, size_t rows, size_t cols, double sparsity);

/* Of every m weights of a row, counted from column 0, the n largest stay, ties to the lower index;
 * a last group of r < m keeps min(r, n). v neighbouring rows share the decision, by the sum of |w|
 * over them; the last rows may be fewer. 1 <= n <= m <= 16, v >= 1. */
void sm_prune_nm(float *w, size_t rows, size_t cols, size_t n, size_t m, size_t v);

/* By pattern, blocks by their mean. nm ignores sparsity. */
sm_status sm_prune(const sm_pattern *pattern, double sparsity, float *w, size_t rows, size_t cols);

#endif
