/* Each claim of the guides, for each pattern: whether the sweep bears it out. */
#ifndef SENSITIVITY_JUDGE_H
#define SENSITIVITY_JUDGE_H

#include "sensitivity/sweep.h"

/* "50 to 70 % costs little": at most so many of the images. */
#define JUDGE_LITTLE 0.01

enum { JUDGE_CLAIMS = 4, JUDGE_NAME = 40 };
extern const char *const judge_claims[JUDGE_CLAIMS];

typedef struct judgement {
    verdict verdict;
    /* Of each layer alone, a share of the images; NaN where it is not pruned. The mean over the
     * sparsities; for costing little the largest loss, and the sparsity that has it. */
    double lost[NET_LAYERS], at[NET_LAYERS];
    /* What decided, or came nearest to another verdict: "conv1 - conv2", or "conv1 at 70 %". */
    char decisive[JUDGE_NAME];
    interval value;
} judgement;

sm_status judge(const sweep *s, size_t claim, size_t pattern, judgement *out);

#endif
