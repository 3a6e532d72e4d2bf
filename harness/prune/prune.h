/* Seeded weights and magnitude pruning. */
#ifndef PRUNE_H
#define PRUNE_H

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

#endif
