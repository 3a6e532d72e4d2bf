/* What guides to pruning say of layers, held against what was found. */
#ifndef SENSITIVITY_CLAIMS_H
#define SENSITIVITY_CLAIMS_H

#include <sparsemark/status.h>
#include <stddef.h>
#include <stdint.h>

/* A share of images, and its 95 % interval. */
typedef struct interval {
    double value, low, high;
} interval;

/* The share of right answers lost, where of so many images `worse` were right before only and
 * `better` are right now only: the same images twice, so Bonett and Price's interval for paired
 * shares, which is Wald's with one image added to either. */
interval interval_paired(size_t worse, size_t better, size_t images);

/* How much more of its right answers a layer loses than another. hits_a[i] and hits_b[i] are in how
 * many of so many settings image i was right with either pruned. The mean over the images of
 * (hits_b - hits_a) / settings, and the normal interval for the mean of that difference. Fails
 * where memory runs out. */
sm_status interval_between(const uint16_t *hits_a, const uint16_t *hits_b, size_t images,
                           size_t settings, interval *out);

/* UNJUDGED: there was nothing to compare. */
typedef enum verdict { UNJUDGED, HOLDS, UNDECIDED, REFUTED } verdict;
const char *verdict_name(verdict v);

/* Whether all of the differences are above 0 (HOLDS), or one below it (REFUTED), by their
 * intervals. *decisive: the one that decided, or came nearest to another verdict. */
verdict verdict_above(const interval *differences, size_t count, size_t *decisive);

/* The same for losses that are to be at most `most`. */
verdict verdict_within(const interval *losses, size_t count, double most, size_t *decisive);

#endif
