/* One kernel on one problem in four arms: each build twice, so that a difference between two loads
 * of the same code is seen for what it is. */
#ifndef AB_ARMS_H
#define AB_ARMS_H

#include "ab/library.h"
#include "measure/operands.h"
#include "measure/watch.h"
#include <stdint.h>

enum { AB_BASE, AB_BASE_AGAIN, AB_CAND, AB_CAND_AGAIN, AB_ARMS };
/* Samples an arm and round: as many as give each arm AB_CLEAN undisturbed ones, within limits. */
enum { AB_MIN_QUARTETS = 8, AB_MAX_QUARTETS = 24, AB_CLEAN = 5 };

/* "base", "base again", "cand", "cand again". */
const char *ab_arm_name(size_t arm);

typedef struct ab_case {
    const ab_library *libraries; /* AB_ARMS of them */
    const char *kernel;
    double delay; /* share of its own time by which a call of cand is made longer; 0: none */
    size_t order[AB_ARMS]; /* in which the arms pack: memory is handed out in this order */
} ab_case;

typedef struct ab_timing {
    size_t calls; /* a sample */
    size_t quartets;
    double ns[AB_ARMS][AB_MAX_QUARTETS];
    int64_t taints[AB_ARMS][AB_MAX_QUARTETS];
    size_t kt[AB_ARMS], mc[AB_ARMS];
    double error[AB_ARMS]; /* error / bound against the oracle; above 1 nothing was timed */
} ab_timing;

sm_status ab_arms_time(sm_operands *operands, const ab_case *what, sm_watch *watch, ab_timing *out);

#endif
