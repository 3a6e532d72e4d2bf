/* Seeded weights, and pruning them in place. */
#ifndef PRUNE_H
#define PRUNE_H

#include <sparsemark/matrix.h>
#include <sparsemark/prune.h>
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

/* Prunes w[rows, cols], row by row, in place as sm_prune_mask() says, blocks by their mean. */
sm_status sm_prune(const sm_pattern *pattern, double sparsity, float *w, size_t rows, size_t cols);

#endif
