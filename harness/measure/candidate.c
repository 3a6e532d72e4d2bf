/* One thing that can be timed: a kernel of ours in a plan, a peer, or what another command has. */
#include "measure/candidate.h"
#include "machine/machine.h"
#include "measure/clock.h"
#include "peers/peer.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* OpenBLAS spins for 2^26 ticks of the clock, an OpenMP by default for up to 0.2 s. */
static const double OTHERS_SPIN_S = 0.25;

/* Room for one more copy, zeroed. */
static sm_copy *add_copy(sm_candidate *c) {
    sm_copy *grown = realloc(c->copies, (c->copy_count + 1) * sizeof *grown);
    if (!grown) return NULL;
    c->copies = grown;
    c->copies[c->copy_count] = (sm_copy){0};
    return &c->copies[c->copy_count++];
}

static sm_status pack_plan(sm_candidate *c, const sm_plan_options *options) {
    sm_copy *copy = add_copy(c);
    if (!copy) return sm_fail(SM_E_NOMEM, "no memory for a candidate");
    return sm_plan_create(&c->operands->w, options, &copy->plan);
}

sm_status sm_candidate_plan(sm_operands *operands, const sm_plan_options *options,
                            sm_candidate *out) {
    sm_candidate *c = out;
    *c = (sm_candidate){.operands = operands, .peer = "", .own = 1, .cpus = options->cpus};
    (void)sm_machine_settle(OTHERS_SPIN_S);
    sm_status status = pack_plan(c, options);
    if (status == SM_OK) {
        sm_plan_get_info(c->copies[0].plan, &c->info);
        c->name = c->info.kernel->name;
        c->format = c->info.kernel->format;
        c->dense = strcmp(c->format, "dense") == 0;
        c->pack_ns = c->info.pack_s * 1e9;
        c->workspace = sm_alloc(sm_plan_workspace(c->copies[0].plan, operands->n), 1);
        if (!c->workspace) status = sm_fail(SM_E_NOMEM, "no memory for the workspace of a plan");
    }
    if (status != SM_OK) sm_candidate_free(c);
    return status;
}

static sm_status pack_peer(sm_candidate *c, const float *weights, const sm_csr *csr) {
    const sm_operands *o = c->operands;
    const sm_peer_problem problem = {.m = o->w.rows,
                                     .k = o->w.cols,
                                     .n = o->n,
                                     .layout = o->layout,
                                     .w = weights,
                                     .csr = csr,
                                     .threads = c->info.threads};
    return sm_peer_prepare(c->peer_index, &problem, &c->copies[c->copy_count - 1].peer_state);
}

sm_status sm_candidate_peer(sm_operands *operands, size_t peer, size_t threads, sm_candidate *out) {
    const sm_peer_info *info = sm_peer_probe(peer);
    sm_candidate *c = out;
    *c = (sm_candidate){.operands = operands, .peer = info->name, .name = info->name};
    c->peer_index = peer;
    c->info.threads = threads;
    c->format = info->kind;
    c->dense = strcmp(info->kind, "dense") == 0;
    SM_TRY(sm_operands_dense(operands));
    /* A library counts the CPUs that it may use, and starts threads there. */
    (void)sm_machine_unpin();
    if (!add_copy(c)) return sm_fail(SM_E_NOMEM, "no memory for a candidate");
    (void)sm_machine_settle(OTHERS_SPIN_S);
    const double start = clock_ns();
    const sm_status status = pack_peer(c, operands->dense, &operands->w);
    c->pack_ns = clock_ns() - start;
    if (status != SM_OK) sm_candidate_free(c);
    return status;
}

size_t sm_candidate_weight_bytes(const sm_candidate *c) {
    const sm_csr *w = &c->operands->w;
    if (c->own) return c->info.bytes.values + c->info.bytes.indices + c->info.bytes.pointers;
    if (c->dense) return w->rows * w->cols * sizeof(float);
    return w->nnz * (sizeof *w->val + sizeof *w->col) + (w->rows + 1) * sizeof *w->row_ptr;
}

static sm_status copy_peer(sm_candidate *c) {
    const sm_csr *w = &c->operands->w;
    sm_copy *copy = add_copy(c);
    if (!copy) return sm_fail(SM_E_NOMEM, "no memory for a candidate");
    if (c->dense) {
        copy->dense = sm_alloc(w->rows * w->cols, sizeof *copy->dense);
        if (!copy->dense)
            return sm_fail(SM_E_NOMEM, "no memory for %zu copies of the weights", c->copy_count);
        memcpy(copy->dense, c->operands->dense, w->rows * w->cols * sizeof *copy->dense);
        return pack_peer(c, copy->dense, w);
    }
    SM_TRY(sm_csr_alloc(w->rows, w->cols, w->nnz, &copy->csr));
    memcpy(copy->csr.row_ptr, w->row_ptr, (w->rows + 1) * sizeof *w->row_ptr);
    memcpy(copy->csr.col, w->col, w->nnz * sizeof *w->col);
    memcpy(copy->csr.val, w->val, w->nnz * sizeof *w->val);
    return pack_peer(c, c->operands->dense, &copy->csr);
}

sm_status sm_candidate_copy(sm_candidate *c, size_t bytes) {
    const size_t each = sm_candidate_weight_bytes(c);
    /* What the first copy's plan chose, without choosing again. */
    const sm_plan_options options = {.size = sizeof options,
                                     .n = c->operands->n,
                                     .layout = c->operands->layout,
                                     .threads = c->info.threads,
                                     .cpus = c->cpus,
                                     .kernel = c->own ? c->info.kernel->name : NULL,
                                     .kt = c->info.kt,
                                     .mc = c->info.mc,
                                     .budget_s = -1};
    while (each > 0 && c->copy_count * each < bytes)
        SM_TRY(c->own ? pack_plan(c, &options) : copy_peer(c));
    return SM_OK;
}

void sm_candidate_free(sm_candidate *c) {
    for (size_t i = 0; i < c->copy_count; i++) {
        sm_copy *copy = &c->copies[i];
        sm_plan_free(copy->plan);
        if (copy->peer_state) sm_peer_destroy(c->peer_index, copy->peer_state);
        sm_free(copy->dense);
        sm_csr_free(&copy->csr);
    }
    free(c->copies);
    sm_free(c->workspace);
    free(c->ns);
    free(c->taints);
    *c = (sm_candidate){0};
}

void sm_candidate_call(void *candidate) {
    sm_candidate *c = candidate;
    if (c->other) {
        c->other(c->other_arg);
        return;
    }
    const sm_copy *copy = &c->copies[c->turn];
    c->turn = c->turn + 1 < c->copy_count ? c->turn + 1 : 0;
    if (c->own)
        sm_plan_run(copy->plan, &c->operands->args, c->workspace);
    else
        sm_peer_run(c->peer_index, copy->peer_state, c->operands->x, c->operands->y);
}

void sm_candidate_place(sm_candidate *c) {
    const double start = clock_ns();
    c->crowded = sm_machine_settle(OTHERS_SPIN_S) != 0;
    if (c->watch && !c->crowded) sm_watch_add_wait(c->watch, clock_ns() - start);
    (void)(c->own || c->info.threads == 1 ? sm_machine_pin(0) : sm_machine_unpin());
}

int sm_candidate_verify(sm_candidate *c) {
    sm_candidate_place(c);
    sm_operands_poison(c->operands);
    sm_candidate_call(c);
    c->err_bound_ratio = sm_operands_error(c->operands);
    return c->err_bound_ratio <= 1.0;
}

double sm_candidate_glance(sm_candidate *c, int calls) {
    double best = INFINITY;
    sm_candidate_place(c);
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
    if (!c->own) return 0.0;
    double best = INFINITY;
    for (int i = 0; i < CALLS; i++) {
        const double start = clock_ns();
        sm_plan_pack_x(c->copies[0].plan, &c->operands->args, c->workspace);
        const double ns = clock_ns() - start;
        if (ns < best) best = ns;
    }
    return best < call_ns ? best / call_ns : 1.0;
}
