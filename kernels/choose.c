/* Which kernel and K tile: every kernel that is allowed and not hopeless for this matrix is packed
 * for a slice of the rows and timed on up to two strips, in turn, so that a slow moment of the
 * machine hits all alike; candidates that fall behind leave, until the budget is spent. Where half
 * of it is enough to time the first of them on the whole matrix, that decides: a sample has its X
 * and Y in nearer caches than a call may have. */
#include "choose.h"
#include "candidates.h"
#include "clock.h"
#include "formats/format.h"
#include "trial.h"
#include <math.h>
#include <string.h>

enum {
    SAMPLE_STRIPS = 2,
    WIDEST_SAMPLE = 256, /* columns */
    MAX_TURNS = 128,
    FINALISTS = 3,
    FINAL_TURNS = 5, /* must be in the budget */
    BLIND_TURNS = 4, /* of a sample that says little */
};
static const double CLOCK_S = 10e-9;
static const double SHORT_S = 100e-6; /* a run that may be cold the first time */
static const double CLOSE = 1.1;      /* a sample may be wrong by so much */
static const double BLIND = 2.0;      /* ... where it does not show which cache holds W */

typedef struct candidate {
    sm_candidate is;
    sm_packed packed; /* of the slice, or of W */
    sm_times times;
    double best_s;   /* a call, as these say */
    double pack_w_s; /* packing it took */
    int out;         /* fell behind */
    int final;       /* timed, or to be timed, on a whole call */
} candidate;

typedef struct search {
    const sm_plan_options *opt;
    const sm_csr *csr;
    sm_csr slice;
    sm_trial trial;
    int blind; /* see sm_spans_l2() */
    size_t count, timed, turns, finalists;
    candidate c[]; /* sm_candidates_max() */
} search;

/* Operands for all candidates, or for the finalists where there are some. */
static sm_status begin(search *s, sm_trial trial) {
    size_t mr = 0, nr = 0;
    for (size_t i = 0; i < s->count; i++) {
        const sm_kernel *k = s->c[i].is.kernel;
        if (s->finalists > 0 && !s->c[i].final) continue;
        if (k->mr > mr) mr = k->mr;
        if (k->nr > nr) nr = k->nr;
    }
    sm_trial_end(&s->trial);
    s->trial = trial;
    return sm_trial_begin(&s->trial, mr, nr);
}

/* Few columns of X read W once. Where a dense layer is larger than the caches a network's weights
 * come from memory, pruned or not, so the slice must as well. */
static sm_status begin_sample(search *s) {
    const int wide = s->csr->cols > SM_TRIAL_FLOATS / WIDEST_SAMPLE;
    return begin(s, (sm_trial){.opt = s->opt,
                               .w = &s->slice,
                               .of_rows = (double)s->csr->rows / (double)s->slice.rows,
                               .strips = wide ? 1 : SAMPLE_STRIPS,
                               .cold = s->opt->n <= SM_FEW_COLUMNS && sm_from_memory(s->csr)});
}

/* Best candidate of a kind (dense or not), NULL when none was timed. A finalist is better than all
 * others. */
static candidate *best_of(search *s, int dense) {
    candidate *best = NULL;
    for (size_t i = 0; i < s->count; i++) {
        candidate *c = &s->c[i];
        if (c->is.dense != dense || c->best_s <= 0) continue;
        if (!best || c->final > best->final ||
            (c->final == best->final && c->best_s < best->best_s))
            best = c;
    }
    return best;
}

static void judge(search *s, candidate *c) {
    c->best_s = sm_trial_call_s(&s->trial, c->is.kernel, &c->times);
}

static void run_once(search *s, candidate *c) {
    sm_trial_run(&s->trial, &c->packed, &c->times);
    judge(s, c);
}

/* By how much a candidate must be behind the best to leave, so that the others have more turns. The
 * fewer it had itself, the more of that may be due to whatever else ran. */
static double much(const search *s) {
    if (s->blind) return BLIND;
    return s->turns < 4 ? 2.0 : s->turns < 12 ? 1.3 : s->turns < 32 ? 1.15 : CLOSE;
}

/* A candidate that was never timed leaves, or is slower by much than the best of its kind, or by
 * more than the best of all; its packed slice goes with it: all of them together would be larger
 * than most layers. */
static void leave_if_slow(search *s, candidate *c) {
    const candidate *best = best_of(s, c->is.dense), *other = best_of(s, !c->is.dense);
    if (c->best_s > 0 && c->best_s <= much(s) * best->best_s &&
        (!other || c->best_s <= 1.2 * much(s) * other->best_s))
        return;
    c->out = 1;
    sm_packed_free(&c->packed);
}

/* Whether one run is enough to see that the other kind is ahead: the first of short ones may take
 * many times as long as those that follow. */
static int hopeless(search *s, const candidate *c) {
    const candidate *other = best_of(s, !c->is.dense);
    return other && c->times.run_s > SHORT_S && c->best_s > 4 * other->best_s;
}

static sm_status pack(const sm_csr *w, size_t parts, candidate *c) {
    const double start = sm_seconds();
    sm_packed_free(&c->packed);
    SM_TRY(sm_pack(w, c->is.kernel, c->is.kt, c->is.mc, parts, &c->packed));
    c->pack_w_s = sm_seconds() - start;
    return SM_OK;
}

/* Whether W is packed as the plan has it, not only a slice: then nobody need do so again. */
static int holds_w(const search *s, const candidate *c) {
    const sm_packed *p = &c->packed;
    if (!p->kernel || p->rows != s->csr->rows) return 0;
    const size_t panels = sm_ceil_div(p->rows, p->kernel->mr);
    return p->parts == sm_min_size(sm_row_parts(s->opt, p->kernel), panels);
}

/* One turn of every candidate still in; the first turn packs, and has two runs of each: one may be
 * the first to touch memory, and a packing that was disturbed makes the rest of a run look short.
 */
static void turn(search *s, double deadline) {
    for (size_t i = 0; i < s->count; i++) {
        candidate *c = &s->c[i];
        /* One of each kind is timed, however late it is. */
        if (c->out || (sm_seconds() > deadline && best_of(s, c->is.dense))) continue;
        if (!c->packed.kernel) {
            c->out = pack(&s->slice, 1, c) != SM_OK;
            if (c->out) continue; /* too large: another format may fit */
            s->timed++;
            run_once(s, c);
            if (hopeless(s, c)) continue;
        }
        run_once(s, c);
        leave_if_slow(s, c);
    }
}

static size_t thin_out(search *s) {
    size_t left = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->c[i].times.run_s > 0) judge(s, &s->c[i]); /* packing X is known better now */
    for (size_t i = 0; i < s->count; i++) {
        if (!s->c[i].out) leave_if_slow(s, &s->c[i]);
        left += !s->c[i].out;
    }
    return left;
}

/* Sparse must win by 5 %: a plan that is a coin toss should not cost the packing. Where an element
 * of Y is the sum of a few products only, storing takes most of a call, and how long that takes
 * depends on where the caller's Y lies: by a quarter. */
static double share_to_win(const search *s) {
    enum { FEW_PRODUCTS = 8 };
    return s->csr->cols < FEW_PRODUCTS ? 0.75 : 0.95;
}

/* Whether a call may show a candidate to be faster than the first of the sample, or dense to be
 * kept. Where that does not show which cache holds W, one of each format may. */
static int may_win(const search *s, const candidate *first, const candidate *c) {
    if (!first) return 1;
    const double close = c->is.dense ? fmax(CLOSE, 1 / share_to_win(s)) : CLOSE;
    if (!s->blind) return c->best_s <= close * first->best_s;
    for (size_t i = 0; i < s->count; i++)
        if (s->c[i].final && sm_format_of(s->c[i].is.kernel) == sm_format_of(c->is.kernel))
            return 0;
    return c->best_s <= BLIND * first->best_s;
}

/* Marks the first of all candidates as finalists, as long as they are close, and the first of the
 * other kind: dense is kept where sparse is hardly faster. */
static void mark_finalists(search *s) {
    const candidate *first = NULL;
    for (s->finalists = 0; s->finalists <= FINALISTS; s->finalists++) {
        candidate *next = NULL;
        for (size_t i = 0; i < s->count; i++) {
            candidate *c = &s->c[i];
            const int other = first && c->is.dense != first->is.dense;
            if (c->out || c->final || c->best_s <= 0 || !may_win(s, first, c)) continue;
            if (s->finalists == FINALISTS && (!other || best_of(s, c->is.dense)->final)) continue;
            if (!next || c->best_s < next->best_s) next = c;
        }
        if (!first) first = next;
        if (!next) return;
        next->final = 1;
    }
}

static void unmark_finalists(search *s) {
    for (size_t i = 0; i < s->count; i++) s->c[i].final = 0;
    s->finalists = 0;
}

/* Whether what is timed is a whole call of every finalist. */
static int sees_all(const search *s) {
    for (size_t i = 0; i < s->count; i++)
        if (s->c[i].final && sm_trial_columns(&s->trial, s->c[i].is.kernel->nr) < s->opt->n)
            return 0;
    return s->slice.rows == s->csr->rows;
}

/* Seconds for the least that a final takes: packing, touching X and Y, and turns. */
static double final_s(const search *s) {
    static const double TOUCH_S = 1e-9; /* an element */
    const double of_nonzeros = (double)s->csr->nnz / (double)(s->slice.nnz + 1);
    double sum = TOUCH_S * (double)(s->csr->rows + s->csr->cols) * (double)s->opt->n;
    for (size_t i = 0; i < s->count; i++) {
        const candidate *c = &s->c[i];
        if (!c->final) continue;
        if (!holds_w(s, c)) sum += c->pack_w_s * fmax(s->trial.of_rows, of_nonzeros);
        sum += FINAL_TURNS * (s->blind ? 1 + SM_TRIAL_LOOPS : 1) * c->best_s;
    }
    return sum;
}

/* The last one leaves where time is short for so many. */
static void drop_last_finalist(search *s) {
    candidate *last = NULL;
    for (size_t i = 0; i < s->count; i++)
        if (s->c[i].final && (!last || s->c[i].best_s > last->best_s)) last = &s->c[i];
    if (!last) return;
    last->final = 0;
    s->finalists--;
}

/* Whether a final is possible before the deadline, and worth it. */
static int call_finalists(search *s, double deadline) {
    const size_t n = s->opt->n, most = s->csr->rows > s->csr->cols ? s->csr->rows : s->csr->cols;
    if ((n <= SM_FEW_COLUMNS && !s->blind) || n > SM_TRIAL_FLOATS / most) return 0;
    mark_finalists(s);
    while (s->blind && s->finalists > 2 && sm_seconds() + final_s(s) >= deadline)
        drop_last_finalist(s);
    if (s->finalists > 1 && !sees_all(s) && sm_seconds() + final_s(s) < deadline) return 1;
    unmark_finalists(s);
    return 0;
}

/* Times the finalists on whole calls; their W stays packed, for one of them is chosen. One that
 * cannot be packed is out, as in the sample. */
static sm_status final(search *s, double deadline) {
    SM_TRY(begin(s, (sm_trial){.opt = s->opt, .w = s->csr, .of_rows = 1}));
    for (size_t i = 0; i < s->count; i++) {
        candidate *c = &s->c[i];
        if (!c->final) continue;
        if (!holds_w(s, c) && pack(s->csr, sm_row_parts(s->opt, c->is.kernel), c) != SM_OK) {
            c->final = 0;
            c->best_s = 0;
            continue;
        }
        c->times = (sm_times){0};
    }
    for (size_t turn = 0; turn < MAX_TURNS; turn++) {
        for (size_t i = 0; i < s->count; i++)
            if (s->c[i].final) run_once(s, &s->c[i]);
        if (turn > 0 && sm_seconds() > deadline) break;
    }
    return SM_OK;
}

static sm_status time_candidates(search *s) {
    const double start = sm_seconds(), deadline = start + s->opt->budget_s;
    /* Where memory is short for a sample, or budgets are, nothing is timed. */
    if (begin_sample(s) != SM_OK) return SM_OK;
    for (s->turns = 0; s->turns < MAX_TURNS; s->turns++) {
        turn(s, deadline);
        const double now = sm_seconds();
        if (thin_out(s) <= 1 || now > deadline) return SM_OK;
        if (s->blind ? s->turns + 1 < BLIND_TURNS : now < start + s->opt->budget_s / 2) continue;
        if (call_finalists(s, deadline)) break;
        s->blind = 0; /* the sample must do */
    }
    if (s->finalists == 0 && !call_finalists(s, deadline)) return SM_OK;
    /* Where memory is short for X and Y the sample decides. */
    if (final(s, deadline) != SM_OK) unmark_finalists(s);
    return SM_OK;
}

static void search_free(search *s) {
    for (size_t i = 0; i < s->count; i++) sm_packed_free(&s->c[i].packed);
    sm_csr_free(&s->slice);
    sm_trial_end(&s->trial);
    sm_free(s);
}

/* Without times: the most promising of the kind that wins at this density on machines seen so far.
 */
static candidate *guess(search *s) {
    const int dense = sm_density(s->csr) > 0.7;
    for (size_t i = 0; i < s->count; i++)
        if (s->c[i].is.dense == dense) return &s->c[i];
    return &s->c[0];
}

/* Sparse must win by its share and by what the clock may be off. */
static candidate *decide(search *s, sm_choice *out) {
    candidate *dense = best_of(s, 1), *sparse = best_of(s, 0);
    out->dense_s = dense ? dense->best_s : 0;
    out->sparse_s = sparse ? sparse->best_s : 0;
    if (!dense && !sparse) return guess(s);
    if (dense && sparse && dense->final != sparse->final) return dense->final ? dense : sparse;
    if (!dense || (sparse && sparse->best_s < share_to_win(s) * dense->best_s - CLOCK_S))
        return sparse;
    return dense;
}

static sm_status take_candidates(search *s) {
    sm_candidate *list = sm_alloc(sm_candidates_max(), sizeof *list);
    if (!list) return sm_fail(SM_E_NOMEM, "no memory to list kernels");
    s->count = sm_list_candidates(s->csr, &s->slice, s->opt, list);
    for (size_t i = 0; i < s->count; i++) s->c[i].is = list[i];
    sm_free(list);
    return s->count > 0 ? SM_OK : sm_fail(SM_E_ARG, "no kernel has the levels and formats allowed");
}

sm_status sm_choose(const sm_csr *w, const sm_plan_options *options, sm_choice *out) {
    const double start = sm_seconds();
    const size_t bytes = sizeof(search) + sm_candidates_max() * sizeof(candidate);
    search *s = sm_alloc(bytes, 1);
    if (!s) return sm_fail(SM_E_NOMEM, "no memory to choose a kernel");
    memset(s, 0, bytes);
    s->opt = options;
    s->csr = w;
    s->blind = sm_spans_l2(w, options->n);
    sm_status status = sm_trial_slice(w, options, &s->slice);
    if (status == SM_OK) status = take_candidates(s);
    if (status == SM_OK && s->count > 1 && options->budget_s > 0) status = time_candidates(s);
    if (status == SM_OK) {
        *out = (sm_choice){0};
        candidate *c = decide(s, out);
        out->kernel = c->is.kernel;
        out->kt = c->is.kt;
        out->mc = c->is.mc;
        out->expected_s = c->is.dense ? out->dense_s : out->sparse_s;
        out->candidates = s->timed;
        if (holds_w(s, c)) {
            out->packed = c->packed;
            out->pack_s = c->pack_w_s;
            c->packed = (sm_packed){0};
        }
        out->choose_s = sm_seconds() - start;
    }
    search_free(s);
    return status;
}
