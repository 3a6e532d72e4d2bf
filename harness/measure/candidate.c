/* One thing that can multiply: a kernel of ours in a plan, or a peer. */
#include "measure/candidate.h"
#include "measure/clock.h"
#include "peers/peer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

sm_status sm_candidate_plan(sm_operands *operands, const sm_plan_options *options,
                            sm_candidate *out) {
    *out = (sm_candidate){.operands = operands, .peer = ""};
    SM_TRY(sm_plan_create(&operands->w, options, &out->plan));
    sm_plan_get_info(out->plan, &out->info);
    out->name = out->info.kernel->name;
    out->format = out->info.kernel->format;
    out->dense = strcmp(out->format, "dense") == 0;
    out->pack_ns = out->info.pack_s * 1e9;
    out->workspace = sm_alloc(sm_plan_workspace(out->plan, operands->n), 1);
    if (out->workspace) return SM_OK;
    sm_candidate_free(out);
    return sm_fail(SM_E_NOMEM, "no memory for the workspace of a plan");
}

sm_status sm_candidate_peer(sm_operands *operands, size_t peer, size_t threads, sm_candidate *out) {
    const sm_peer_info *info = sm_peer_probe(peer);
    *out = (sm_candidate){.operands = operands, .peer = info->name, .name = info->name};
    out->peer_index = peer;
    out->format = info->kind;
    out->dense = strcmp(info->kind, "dense") == 0;
    SM_TRY(sm_operands_dense(operands));
    const sm_peer_problem problem = {.m = operands->w.rows,
                                     .k = operands->w.cols,
                                     .n = operands->n,
                                     .layout = operands->layout,
                                     .w = operands->dense,
                                     .csr = &operands->w,
                                     .threads = threads};
    const double start = clock_ns();
    const sm_status status = sm_peer_prepare(peer, &problem, &out->peer_state);
    out->pack_ns = clock_ns() - start;
    return status;
}

void sm_candidate_free(sm_candidate *c) {
    sm_plan_free(c->plan);
    sm_free(c->workspace);
    if (c->peer_state) sm_peer_destroy(c->peer_index, c->peer_state);
    free(c->ns);
    free(c->taints);
    *c = (sm_candidate){0};
}

void sm_candidate_call(void *candidate) {
    const sm_candidate *c = candidate;
    if (c->plan)
        sm_plan_run(c->plan, &c->operands->args, c->workspace);
    else
        sm_peer_run(c->peer_index, c->peer_state, c->operands->x, c->operands->y);
}

int sm_candidate_verify(sm_candidate *c) {
    sm_operands_poison(c->operands);
    sm_candidate_call(c);
    c->err_bound_ratio = sm_operands_error(c->operands);
    return c->err_bound_ratio <= 1.0;
}

double sm_candidate_glance(sm_candidate *c, int calls) {
    double best = INFINITY;
    sm_candidate_call(c);
    for (int i = 0; i < calls; i++) {
        const double start = clock_ns();
        sm_candidate_call(c);
        const double ns = clock_ns() - start;
        if (ns < best) best = ns;
    }
    return best;
}

double sm_candidate_pack_x_share(sm_candidate *c, double call_ns) {
    enum { CALLS = 5 };
    if (!c->plan) return 0.0;
    double best = INFINITY;
    for (int i = 0; i < CALLS; i++) {
        const double start = clock_ns();
        sm_plan_pack_x(c->plan, &c->operands->args, c->workspace);
        const double ns = clock_ns() - start;
        if (ns < best) best = ns;
    }
    return best < call_ns ? best / call_ns : 1.0;
}
