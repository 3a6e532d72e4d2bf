/* What decides which weights stay: their magnitude, chance, or a file's numbers. */
#ifndef PRUNE_SCORES_H
#define PRUNE_SCORES_H

#include "prune/job.h"

typedef struct sm_scores {
    sm_model_file file; /* that they were read from, if any */
    sm_tensor *of;      /* one a row, data NULL where the row is left alone; NULL: magnitude */
    size_t count;
    int owned; /* data is released here */
} sm_scores;

/* For every row that is pruned. A file has a tensor of the same name, shape and type for each; that
 * of a .npy file serves a model of one tensor whatever its name. SM_E_ARG naming what differs,
 * SM_E_FORMAT naming an element that is not finite. */
sm_status sm_scores_open(const sm_prune_job *job, sm_scores *out);
void sm_scores_free(sm_scores *scores);

/* One score a weight, in the order of the tensor. */
const float *sm_scores_at(const sm_scores *scores, const sm_prune_job *job, size_t row);

/* Random scores of one tensor, the same whatever else there is; sm_free(out->data). */
sm_status sm_scores_random(const sm_tensor *tensor, uint64_t seed, sm_tensor *out);

/* SM_E_FORMAT naming the first element of an F32 tensor that is NaN, or infinite where that is
 * not allowed. */
sm_status sm_check_numbers(const char *path, const sm_tensor *tensor, int infinite_allowed);

#endif
