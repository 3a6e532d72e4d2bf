/* Watches a thread while it is timed: was the sample disturbed? */
#ifndef WATCH_H
#define WATCH_H

#include <sparsemark/status.h>
#include <stdint.h>

enum { TAINT_MIGRATED = 1, TAINT_SWITCHED = 2, TAINT_STEAL = 4, TAINT_PROBE = 8, SM_TAINTS = 4 };

typedef struct sm_watch sm_watch;

/* Learns how long the probe (sm_roof_probe) takes when nothing disturbs it. The probe fills every
 * issue slot of the core, so that a busy SMT sibling shows as well as a lower frequency. */
sm_status sm_watch_create(sm_watch **out);
void sm_watch_free(sm_watch *watch); /* accepts NULL */

/* Where a neighbour comes and goes, a sample is better begun when it is gone. sm_watch_wait()
 * returns when the probe is not slow, when it has waited for an eighth of the patience, or when all
 * of its calls since sm_watch_patience() have waited so many seconds; without patience, as at
 * first, at once. */
void sm_watch_patience(sm_watch *watch, double seconds);
void sm_watch_wait(sm_watch *watch);
double sm_watch_waited_ns(const sm_watch *watch); /* since sm_watch_patience() */

/* Counts what somebody else waited for: not against the patience. */
void sm_watch_add_wait(sm_watch *watch, double ns);

void sm_watch_begin(sm_watch *watch);
int64_t sm_watch_end(sm_watch *watch); /* taint bits of what happened since begin */

#endif
