/* A network of which some layers are pruned, the others as they were. */
#ifndef SENSITIVITY_PRUNED_H
#define SENSITIVITY_PRUNED_H

#include "model/network.h"
#include <stdint.h>

typedef struct pruned pruned;

/* Borrows path, file, its orders and dense, the network of that file. random: by random scores of
 * this seed instead of magnitudes, those of `sparsemark prune --score random`. */
sm_status pruned_create(const char *path, sm_model_file *file, const sm_orders *orders,
                        const network *dense, int random, uint64_t seed, pruned **out);
void pruned_free(pruned *p); /* accepts NULL */

/* All layers as they were. */
void pruned_reset(pruned *p);

/* Prunes a layer's weights as sm_prune_mask() says; rows take the output's bias and BatchNorm
 * along, so that it is 0, as if it were removed. SM_E_ARG says why the layer does not take the
 * pattern; it is as it was then. */
sm_status pruned_layer(pruned *p, size_t layer, const sm_pattern *pattern, double sparsity);

/* Weights of a layer, and how many of them are zero. */
void pruned_count(const pruned *p, size_t layer, size_t *weights, size_t *zeros);

/* The network as it is now. network_free() it. */
sm_status pruned_network(pruned *p, network *out);

#endif
