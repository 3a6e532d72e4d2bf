/* Seeded normal values for a whole tensor or for a sparsity pattern. */
#include "prune/prune.h"

void sm_fill_normal(float *w, size_t count, uint64_t seed) {
    sm_rng rng;
    sm_rng_seed(&rng, seed);
    for (size_t i = 0; i < count; i++) w[i] = sm_rng_normal(&rng);
}

void sm_fill_values(sm_csr *csr, uint64_t seed) {
    sm_fill_normal(csr->val, csr->nnz, seed);
}
