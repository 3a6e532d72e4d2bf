/* One thing that can be timed: a kernel of ours in a plan, a peer, or what another command has. */
#ifndef CANDIDATE_H
#define CANDIDATE_H

#include "measure/operands.h"
#include "measure/watch.h"
#include <sparsemark/plan.h>

enum { MAX_CANDIDATES = 128 }; /* timed together */

/* One copy of the packed weights. Calls take the copies in turn: with more than the last-level
 * cache holds, every call finds its weights in memory. */
typedef struct sm_copy {
    sm_plan *plan;    /* ours */
    void *peer_state; /* peers */
    float *dense; /* what peer_state points into; none in the first copy, which has the operands'
                     own weights */
    sm_csr csr;
} sm_copy;

typedef struct sm_candidate {
    const char *name;   /* of the kernel, or of the peer */
    const char *peer;   /* "" for ours */
    const char *format; /* of the kernel; "dense" or "sparse" for a peer */
    int dense;
    int own;           /* a kernel of ours; else a peer */
    const int *cpus;   /* of a plan's threads; borrowed */
    sm_plan_info info; /* ours */
    void *workspace;
    size_t peer_index;        /* peers */
    void (*other)(void *arg); /* what a call does instead of a product; NULL: a product */
    /* ns of a call of other, where its own process has to time it; else NULL */
    double (*other_timer)(void *arg, int64_t iterations);
    void *other_arg;
    sm_copy *copies;
    size_t copy_count, turn;
    double pack_ns;
    double err_bound_ratio;
    sm_operands *operands;
    sm_watch *watch;
    int64_t iterations;
    int crowded; /* other threads still ran when it was placed */
    int64_t last_taint;
    double *ns;      /* a sample a round */
    int64_t *taints; /* a sample a round */
} sm_candidate;

/* Packs the operands' weights as the options say. Borrows operands. */
sm_status sm_candidate_plan(sm_operands *operands, const sm_plan_options *options,
                            sm_candidate *out);
sm_status sm_candidate_peer(sm_operands *operands, size_t peer, size_t threads, sm_candidate *out);
void sm_candidate_free(sm_candidate *c); /* accepts a zeroed struct */

/* Bytes of one copy of the packed weights; a peer's own form is not known: dense, or CSR with
 * 32-bit indices. */
size_t sm_candidate_weight_bytes(const sm_candidate *c);

/* Adds copies of the packed weights until they are `bytes` or more. */
sm_status sm_candidate_copy(sm_candidate *c, size_t bytes);

/* Puts the calling thread where the candidate runs: on the first core, or wherever the operating
 * system likes for a peer with threads of its own, which would otherwise crowd on that core. Waits
 * for the threads of the candidate before it to sleep. */
void sm_candidate_place(sm_candidate *c);

void sm_candidate_call(void *candidate); /* one multiplication, with the next copy */

/* Runs once and holds the result against the oracle; returns whether it is within the bound. */
int sm_candidate_verify(sm_candidate *c);

/* Shortest of `calls` single calls, in ns, after one to warm up: for choosing, never reported. */
double sm_candidate_glance(sm_candidate *c, int calls);

/* Share of a call that packs X; 0 for peers. */
double sm_candidate_pack_x_share(sm_candidate *c, double call_ns);

#endif
