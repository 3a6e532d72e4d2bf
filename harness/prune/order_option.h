/* What the axes of a model's weights are: as --weights-order says, else the file, else PyTorch's.
 */
#ifndef PRUNE_ORDER_OPTION_H
#define PRUNE_ORDER_OPTION_H

#include "prune/job.h"

/* Sets orders. SM_E_ARG or SM_E_FORMAT where the words are no orders,
 * SM_E_ARG where the option contradicts the file. */
sm_status sm_prune_order(sm_prune_job *job);

/* Writes them into the model's metadata. */
sm_status sm_prune_order_keep(sm_prune_job *job);

#endif
