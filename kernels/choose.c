/* Which kernel and K tile: every kernel that is allowed and not hopeless for this matrix is packed
 * for a slice of the rows and timed on up to two strips, in turn, so that a slow moment of the
 * machine hits all alike; candidates that fall behind leave, until the budget is spent. What is
 * timed here is never reported. */
#include "choose.h"
#include "candidates.h"
#include "core.h"
#include "isa/intrin.h"
#include <math.h>
#include <string.h>
#include <time.h>

enum {
    SAMPLE_WEIGHTS = 1 << 18,
    SAMPLE_NONZEROS = 1 << 16,
    SAMPLE_ROWS = 64,
    SAMPLE_STRIPS = 2,
    MOST_FLOATS = 1 << 22,
    MAX_TURNS = 128
};
static const double CLOCK_S = 10e-9;

typedef struct candidate {
    sm_candidate is;
    sm_packed packed;
    double run_s;  /* shortest run on the sample, and */
    double pack_s; /* shortest packing of its columns of X; 0 before the first */
    double best_s; /* a full call as these two say */
    int out;       /* fell behind */
} candidate;

typedef struct search {
    const sm_plan_options *opt;
    const sm_csr *csr;
    sm_csr slice;
    float *x, *y;
    void *workspace;
    size_t ld; /* columns of x and y, feature-major */
    size_t count, timed, turns;
    candidate c[]; /* sm_candidates_max() */
} search;

double sm_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The rows in the middle of W, as many as make a slice of SAMPLE_WEIGHTS, or have SAMPLE_NONZEROS
 * where these are fewer: the shorter a run, the more of them nothing disturbs, and the longer, the
 * more of it is not packing X. Twice as many rows where a call is so short that it matters which
 * cache holds W. */
static sm_status take_slice(search *s) {
    const sm_csr *w = s->csr;
    size_t rows = SAMPLE_WEIGHTS / w->cols;
    if (s->opt->n > SM_FEW_COLUMNS)
        rows = sm_min_size(rows, (size_t)(SAMPLE_NONZEROS / ((double)w->cols * sm_density(w) + 1)));
    else if (!sm_from_memory(w))
        rows *= 2;
    rows = sm_min_size(rows < SAMPLE_ROWS ? SAMPLE_ROWS : rows, w->rows);
    const size_t r0 = (w->rows - rows) / 2 / SAMPLE_ROWS * SAMPLE_ROWS; /* whole panels */
    const uint32_t begin = w->row_ptr[r0], end = w->row_ptr[r0 + rows];
    SM_TRY(sm_csr_alloc(rows, w->cols, end - begin, &s->slice));
    for (size_t r = 0; r <= rows; r++) s->slice.row_ptr[r] = w->row_ptr[r0 + r] - begin;
    memcpy(s->slice.col, w->col + begin, (end - begin) * sizeof *w->col);
    memcpy(s->slice.val, w->val + begin, (end - begin) * sizeof *w->val);
    return SM_OK;
}

/* Two strips, or all columns where they are hardly more: a last strip of few columns is not packed
 * as fast as its share of columns says. */
static size_t sample_cols(const search *s, const sm_kernel *k) {
    return s->opt->n <= 2 * SAMPLE_STRIPS * k->nr ? s->opt->n : SAMPLE_STRIPS * k->nr;
}

static sm_status take_operands(search *s) {
    size_t workspace = 0, columns = 0;
    for (size_t i = 0; i < s->count; i++) {
        const sm_kernel *k = s->c[i].is.kernel;
        const size_t cols = sample_cols(s, k);
        if (cols > columns) columns = cols;
        const size_t bytes = ((s->csr->cols + s->slice.rows + k->mr) * k->nr + 64) * sizeof(float);
        if (bytes > workspace) workspace = bytes;
    }
    s->ld = columns;
    /* Rows as far apart as in the call, unless that is much memory: it decides which sets of the
     * caches they fall into. */
    const size_t rows = s->csr->cols > s->slice.rows ? s->csr->cols : s->slice.rows;
    const int token = s->opt->layout == SM_TOKEN_MAJOR;
    if (!token && s->opt->n > columns && s->opt->n <= MOST_FLOATS / rows) s->ld = s->opt->n;
    s->x = sm_alloc(s->csr->cols * s->ld, sizeof *s->x);
    s->y = sm_alloc(s->slice.rows * s->ld, sizeof *s->y);
    s->workspace = sm_alloc(workspace, 1);
    if (!s->x || !s->y || !s->workspace)
        return sm_fail(SM_E_NOMEM, "no memory to time candidates on %zu columns", s->ld);
    const size_t run = token ? s->csr->cols : columns, pitch = token ? run : s->ld;
    for (size_t r = 0; r < (token ? columns : s->csr->cols); r++)
        for (size_t i = r * pitch; i < r * pitch + run; i++)
            s->x[i] = (float)(i * 2654435761u >> 16 & 1023) / 1024.0f - 0.5f;
    return SM_OK;
}

/* Best candidate of a kind (dense or not), NULL when none was timed. */
static candidate *best_of(search *s, int dense) {
    candidate *best = NULL;
    for (size_t i = 0; i < s->count; i++) {
        candidate *c = &s->c[i];
        if (c->is.dense == dense && c->best_s > 0 && (!best || c->best_s < best->best_s)) best = c;
    }
    return best;
}

/* By how much a candidate must be behind the best to leave, so that the others have more turns. The
 * fewer it had itself, the more of that may be due to whatever else ran. */
static double much(const search *s) {
    return s->turns < 4 ? 2.0 : s->turns < 12 ? 1.3 : s->turns < 32 ? 1.15 : 1.06;
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

static void evict(const void *p, size_t bytes) {
    const char *line = p;
    for (size_t i = 0; i < bytes; i += 64) _mm_clflush(line + i);
}

/* Few columns of X read W once. Where a dense layer is larger than the caches a network's weights
 * come from memory, pruned or not, so the slice must as well. */
static void cool(const candidate *c) {
    const sm_packed *p = &c->packed;
    const size_t last = p->blocks * p->tiles;
    evict(p->value, p->value_at[last] * sizeof *p->value);
    if (p->index16) evict(p->index16, p->index_at[last] * sizeof *p->index16);
    if (p->index32) evict(p->index32, p->index_at[last] * sizeof *p->index32);
}

/* Columns that are computed for n: whole strips, and of the last one whole vectors. */
static double computed(const sm_kernel *k, size_t n) {
    const size_t vector = sm_min_size(k->nr, sm_lanes(k)), rest = n % k->nr;
    const size_t columns = n - rest + sm_round_up(rest, vector);
    return (double)columns;
}

static double shorter(double before, double now) {
    return before > 0 ? fmin(before, now) : now;
}

/* Runs on the sample. A full call packs X once for all rows of W; it is told from the shortest
 * times of both parts, since a difference of two that were disturbed may be anything. */
static void run_once(search *s, candidate *c) {
    const double rows = (double)s->csr->rows / (double)s->slice.rows;
    sm_args a = {.x = s->x, .y = s->y, .lo = -INFINITY, .hi = INFINITY};
    a.n = sample_cols(s, c->is.kernel);
    const int token = s->opt->layout == SM_TOKEN_MAJOR;
    a.x_rs = token ? 1 : (ptrdiff_t)s->ld;
    a.x_cs = token ? (ptrdiff_t)s->csr->cols : 1;
    a.y_rs = token ? 1 : (ptrdiff_t)s->ld;
    a.y_cs = token ? (ptrdiff_t)s->slice.rows : 1;
    const double columns = computed(c->is.kernel, s->opt->n) / computed(c->is.kernel, a.n);
    const double start = sm_seconds();
    sm_driver_run(&c->packed, &a, 1, NULL, NULL, s->workspace);
    const double middle = sm_seconds();
    sm_driver_pack_x(&c->packed, &a, s->workspace);
    c->pack_s = shorter(c->pack_s, fmin(sm_seconds() - middle, middle - start));
    c->run_s = shorter(c->run_s, middle - start);
    c->best_s = (c->pack_s + (c->run_s - c->pack_s) * rows) * columns;
}

/* What a call finds in the caches where there are few columns: the other candidates' turns have
 * left nothing of this one's W there. */
static void set_caches(search *s, candidate *c) {
    if (s->opt->n > SM_FEW_COLUMNS) return;
    if (!sm_from_memory(s->csr))
        run_once(s, c);
    else
        cool(c);
}

/* Whether one run is enough to see that the other kind is ahead. */
static int hopeless(search *s, const candidate *c) {
    const candidate *other = best_of(s, !c->is.dense);
    return other && c->best_s > 4 * other->best_s;
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
            c->out = sm_pack(&s->slice, c->is.kernel, c->is.kt, c->is.mc, 1, &c->packed) != SM_OK;
            if (c->out) continue; /* too large: another format may fit */
            s->timed++;
            set_caches(s, c);
            run_once(s, c);
            if (hopeless(s, c)) continue;
        }
        set_caches(s, c);
        run_once(s, c);
        leave_if_slow(s, c);
    }
}

static size_t thin_out(search *s) {
    size_t left = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (!s->c[i].out) leave_if_slow(s, &s->c[i]);
        left += !s->c[i].out;
    }
    return left;
}

static sm_status time_candidates(search *s) {
    SM_TRY(take_operands(s));
    const double deadline = sm_seconds() + s->opt->budget_s;
    for (s->turns = 0; s->turns < MAX_TURNS; s->turns++) {
        turn(s, deadline);
        if (thin_out(s) <= 1 || sm_seconds() > deadline) break;
    }
    return SM_OK;
}

static void search_free(search *s) {
    for (size_t i = 0; i < s->count; i++) sm_packed_free(&s->c[i].packed);
    sm_csr_free(&s->slice);
    sm_free(s->x);
    sm_free(s->y);
    sm_free(s->workspace);
    sm_free(s);
}

/* Without times: the most promising of the kind that wins at this density on machines seen so far.
 */
static const candidate *guess(const search *s) {
    const int dense = sm_density(s->csr) > 0.7;
    for (size_t i = 0; i < s->count; i++)
        if (s->c[i].is.dense == dense) return &s->c[i];
    return &s->c[0];
}

/* Sparse must win by 5 % and what the clock may be off: a plan that is a coin toss should not cost
 * the packing. */
static const candidate *decide(search *s, sm_choice *out) {
    const candidate *dense = best_of(s, 1), *sparse = best_of(s, 0);
    out->dense_s = dense ? dense->best_s : 0;
    out->sparse_s = sparse ? sparse->best_s : 0;
    if (!dense && !sparse) return guess(s);
    if (!dense || (sparse && sparse->best_s < 0.95 * dense->best_s - CLOCK_S)) return sparse;
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
    if (w->rows == 0 || w->cols == 0)
        return sm_fail(SM_E_ARG, "matrix of %zu x %zu: expected at least one row and one column",
                       w->rows, w->cols);
    const size_t bytes = sizeof(search) + sm_candidates_max() * sizeof(candidate);
    search *s = sm_alloc(bytes, 1);
    if (!s) return sm_fail(SM_E_NOMEM, "no memory to choose a kernel");
    memset(s, 0, bytes);
    s->opt = options;
    s->csr = w;
    sm_status status = take_slice(s);
    if (status == SM_OK) status = take_candidates(s);
    if (status == SM_OK && s->count > 1 && options->budget_s > 0) status = time_candidates(s);
    if (status == SM_OK) {
        *out = (sm_choice){0};
        const candidate *c = decide(s, out);
        out->kernel = c->is.kernel;
        out->kt = c->is.kt;
        out->mc = c->is.mc;
        out->expected_s = c->is.dense ? out->dense_s : out->sparse_s;
        out->candidates = s->timed;
        out->choose_s = sm_seconds() - start;
    }
    search_free(s);
    return status;
}
