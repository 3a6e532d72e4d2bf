/* One thing that can multiply: a kernel of ours in a plan, or a peer. */
#ifndef CANDIDATE_H
#define CANDIDATE_H

#include "measure/operands.h"
#include "measure/watch.h"
#include <sparsemark/plan.h>

typedef struct sm_candidate {
    const char *name;   /* of the kernel, or of the peer */
    const char *peer;   /* "" for ours */
    const char *format; /* of the kernel; "dense" or "sparse" for a peer */
    int dense;
    sm_plan *plan; /* ours */
    sm_plan_info info;
    void *workspace;
    size_t peer_index; /* peers */
    void *peer_state;
    double pack_ns, pack_x_share;
    double err_bound_ratio;
    sm_operands *operands;
    sm_watch *watch;
    int64_t iterations;
    int64_t last_taint;
    double *ns;      /* a sample a round */
    int64_t *taints; /* a sample a round */
} sm_candidate;

/* Packs the operands' weights as the options say. Borrows operands. */
sm_status sm_candidate_plan(sm_operands *operands, const sm_plan_options *options,
                            sm_candidate *out);
sm_status sm_candidate_peer(sm_operands *operands, size_t peer, size_t threads, sm_candidate *out);
void sm_candidate_free(sm_candidate *c); /* accepts a zeroed struct */

void sm_candidate_call(void *candidate); /* one multiplication */

/* Runs once and holds the result against the oracle; returns whether it is within the bound. */
int sm_candidate_verify(sm_candidate *c);

/* Shortest of `calls` single calls, in ns, after one to warm up: for choosing, never reported. */
double sm_candidate_glance(sm_candidate *c, int calls);

/* Share of a call that packs X; 0 for peers. */
double sm_candidate_pack_x_share(sm_candidate *c, double call_ns);

#endif
