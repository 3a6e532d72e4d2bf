/* Removing whole output channels: which tensors they reach into, and the smaller model. */
#ifndef PRUNE_CHANNELS_H
#define PRUNE_CHANNELS_H

#include "prune/scores.h"

/* Keeps the places of an axis whose keep is 1, in place; keep has one entry a place. */
void sm_tensor_select(sm_tensor *tensor, size_t axis, const uint8_t *keep);

/* Outputs and inputs of a layer's weights as the file had them; inputs of a convolution are
 * channels. */
size_t sm_layer_outputs(const sm_prune_row *row);
size_t sm_layer_inputs(const sm_prune_row *row);

/* What removing outputs of one layer does to another tensor. */
typedef enum sm_link {
    SM_LINK_NONE,
    SM_LINK_CHANNELS, /* a bias or a BatchNorm tensor: an entry a channel */
    SM_LINK_INPUTS    /* weights of a layer that reads them */
} sm_link;

/* Sets links[i] for every tensor i of the job. *last: no layer follows. SM_E_ARG where it cannot be
 * told without doubt, in words that say which option helps. Looks at shapes as the file had them.
 */
sm_status sm_channels_connect(const sm_prune_job *job, size_t layer, uint8_t *links, int *last);

/* Removes output channels of every row whose rule's pattern is rows, by the L2 norm of their
 * scores, from the model and from the scores. All decisions are made on the model as it was.
 * SM_E_ARG also names a --next that says nothing about a layer that is pruned by rows. */
sm_status sm_channels_remove(sm_prune_job *job, sm_scores *scores);

#endif
