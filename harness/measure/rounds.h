/* Rounds of interleaved samples, and what they say. */
#ifndef ROUNDS_H
#define ROUNDS_H

#include "measure/candidate.h"

/* With fewer untainted samples than MIN_CLEAN all are used. */
enum { MIN_ROUNDS = 9, MAX_ROUNDS = 120, MIN_CLEAN = 5 };

typedef struct sm_estimate {
    double median, p25, low, high; /* ns, or a ratio */
    size_t used;                   /* samples that the estimate rests on */
    int noisy;                     /* too few untainted samples: all were used */
} sm_estimate;

/* Times the candidates in turn, one sample each a round, in an order that changes every round,
 * until each one's ratio to candidates[base] is known to `precision` (relative half-width of its
 * 95 % interval), or `seconds` are over. Returns the number of rounds in *rounds. A further call
 * replaces the samples. */
sm_status sm_rounds_run(sm_candidate **candidates, size_t count, size_t base, double precision,
                        double seconds, size_t *rounds);

/* Time of one call. */
sm_estimate sm_rounds_time(const sm_candidate *c, size_t rounds);

/* Paired over rounds: dense / c. */
sm_estimate sm_rounds_ratio(const sm_candidate *dense, const sm_candidate *c, size_t rounds);

/* Whether the estimate's interval is within the precision asked. */
int sm_estimate_converged(const sm_estimate *e, double precision);

#endif
