/* What is timed together; shared by group.c (who competes) and cells.c (what is recorded). */
#ifndef GROUP_H
#define GROUP_H

#include "measure/candidate.h"
#include "measure/session.h"

typedef struct group {
    sm_session *session;
    const sm_point *point;
    sm_operands operands;
    sm_candidate items[MAX_CANDIDATES];
    size_t count;
    int own_dense; /* index of our dense control, -1 if there is none */
    int dense;     /* index of the best dense, -1 if there is none */
    size_t rounds;
    const char *plan_choice; /* what a plan takes that may use all that was asked for */
} group;

sm_status sm_group_cells(group *g, sm_group *out);

/* Options of every plan of the group, but for what it is to choose among. */
sm_plan_options sm_group_plan_options(const group *g);

/* Whether the kernel is of the levels and formats asked for. */
int sm_group_allows(const sm_run_options *options, const sm_kernel *kernel);

/* Adds a plan unless its kernel is there already, with the K tile that was asked for if one was. */
sm_status sm_group_add_plan(group *g, const sm_plan_options *options);

/* Adds the fastest few of all kernels at all K tiles. */
sm_status sm_group_sweep(group *g);

/* Fills the cell's roof fields from its time and traffic; returns what sets the roof, "" where it
 * was not measured. */
const char *sm_cell_limits(const group *g, const sm_candidate *c, sm_cell *cell);

/* Whether the best dense kernel, whose finished cell this is, stays far below its roof. */
int sm_group_weak_baseline(const group *g, const sm_cell *dense);

/* Whether weights that should have come from memory came faster than memory can deliver. */
int sm_cell_not_cold(const group *g, const sm_cell *cell);

#endif
