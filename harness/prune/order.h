/* In which order the layers of a network follow each other, where names and shapes leave no doubt.
 */
#ifndef PRUNE_ORDER_H
#define PRUNE_ORDER_H

#include "prune/job.h"

/* Weights of a layer: rank 2 or 4, F32, named as weights are. */
int sm_is_layer(const sm_prune_row *row);

/* Whether b can read what a puts out: as many inputs as outputs, or behind a convolution a
 * multiple, for the places of the picture. */
int sm_layer_fits(const sm_prune_row *a, const sm_prune_row *b);

/* *next is the layer behind layer of, or SIZE_MAX where it is the last. SM_E_ARG where that is in
 * doubt. */
sm_status sm_layer_next(const sm_prune_job *job, size_t of, size_t *next);

#endif
