/* Timing a packed matrix as a call would run it. What is timed here is never reported. */
#include "trial.h"
#include "candidates.h"
#include "clock.h"
#include "core.h"
#include "driver.h"
#include "isa/intrin.h"
#include "registry.h"
#include <math.h>
#include <string.h>

/* Calls follow each other in a loop: what the one before left in caches and branch predictors, and
 * the clock of a core that has run wide vectors for a while, are there. A run known to be shorter
 * than WARM_S is preceded by so much of itself, at least once, untimed; by
 * SM_TRIAL_LOOPS where W spans L2; short ones are repeated for the clock's sake.
 */
static const double WARM_S = 200e-6, WARMING_S = 30e-6, TIMED_S = 20e-6;
enum { MOST_REPEATS = 64 };

/* Whether a call with few columns, which reads so many bytes of W once, finds them behind L2. Of a
 * W that is hardly larger most stays there. */
static int behind_l2(double bytes) {
    return bytes > 9.0 / 8 * (double)sm_l2_bytes();
}

/* The rows in the middle of W, as many as make a slice of WEIGHTS, or have NONZEROS where these are
 * fewer: the shorter a run, the more of them nothing disturbs, and the longer, the more of it is
 * not packing X. Twice as many rows where a call is so short that it matters which cache holds W,
 * and few where only a whole call shows that. */
sm_status sm_trial_slice(const sm_csr *w, const sm_plan_options *opt, sm_csr *out) {
    enum { WEIGHTS = 1 << 18, NONZEROS = 1 << 16, ROWS = 64 };
    size_t rows = WEIGHTS / w->cols;
    if (opt->n > SM_FEW_COLUMNS)
        rows = sm_min_size(rows, (size_t)(NONZEROS / ((double)w->cols * sm_density(w) + 1)));
    else if (sm_spans_l2(w, opt->n))
        rows /= 4;
    else if (opt->n == 1 ? !sm_from_memory(w) : !behind_l2(sm_dense_bytes(w)))
        rows *= 2;
    rows = sm_min_size(rows < ROWS ? ROWS : rows, w->rows);
    const size_t r0 = (w->rows - rows) / 2 / ROWS * ROWS; /* whole panels */
    const uint32_t begin = w->row_ptr[r0], end = w->row_ptr[r0 + rows];
    SM_TRY(sm_csr_alloc(rows, w->cols, end - begin, out));
    for (size_t r = 0; r <= rows; r++) out->row_ptr[r] = w->row_ptr[r0 + r] - begin;
    memcpy(out->col, w->col + begin, (end - begin) * sizeof *w->col);
    memcpy(out->val, w->val + begin, (end - begin) * sizeof *w->val);
    return SM_OK;
}

/* Whether W is put away before each run, if it is as large as that. */
static int is_far(const sm_trial *t) {
    return t->cold || t->others_count > 0;
}

/* Some strips, or all columns where they are hardly more: a last strip of few columns is not packed
 * as fast as its share of columns says. One where each passes through a W that is away: a second
 * would find the sample near. */
size_t sm_trial_columns(const sm_trial *t, size_t nr) {
    const size_t some = t->strips * nr;
    if (some == 0) return t->opt->n;
    if (is_far(t)) return sm_min_size(nr, t->opt->n);
    return t->opt->n <= 2 * some ? t->opt->n : some;
}

sm_status sm_trial_begin(sm_trial *t, size_t mr, size_t nr) {
    enum { MOST = 1 << 24 }; /* floats of a strip of X: to set them takes some 20 ms */
    const size_t columns = sm_trial_columns(t, nr), k = t->w->cols;
    if (k > MOST / nr)
        return sm_fail(SM_E_LIMIT, "X of %zu x %zu is too large to time candidates", k, nr);
    t->ld = columns;
    /* Rows as far apart as in the call, unless that is much memory: it decides which sets of the
     * caches they fall into. */
    const size_t rows = k > t->w->rows ? k : t->w->rows;
    const int token = t->opt->layout == SM_TOKEN_MAJOR;
    if (!token && t->opt->n > columns && t->opt->n <= SM_TRIAL_FLOATS / rows) t->ld = t->opt->n;
    t->x = sm_alloc(k * t->ld, sizeof *t->x);
    t->y = sm_alloc(t->w->rows * t->ld, sizeof *t->y);
    t->workspace = sm_alloc(((k + t->w->rows + mr + 4 * SM_BEHIND) * nr + 64) * sizeof(float), 1);
    t->spans_l2 = t->of_rows <= 1 && sm_spans_l2(t->w, t->opt->n);
    if (!t->cold && t->of_rows > 1 && t->opt->n <= SM_FEW_COLUMNS &&
        behind_l2(sm_dense_bytes(t->w) * t->of_rows))
        t->others_count = 2 * sm_l2_bytes() / sizeof(float);
    t->others = sm_alloc(t->others_count + 1, sizeof *t->others);
    if (!t->x || !t->y || !t->workspace || !t->others)
        return sm_fail(SM_E_NOMEM, "no memory to time candidates on %zu columns", t->ld);
    const size_t run = token ? k : columns, pitch = token ? run : t->ld;
    for (size_t r = 0; r < (token ? columns : k); r++)
        for (size_t i = r * pitch; i < r * pitch + run; i++)
            t->x[i] = (float)(i * 2654435761u >> 16 & 1023) / 1024.0f - 0.5f;
    memset(t->others, 0, t->others_count * sizeof *t->others);
    return SM_OK;
}

void sm_trial_end(sm_trial *t) {
    sm_free(t->x);
    sm_free(t->y);
    sm_free(t->workspace);
    sm_free(t->others);
    *t = (sm_trial){0};
}

/* Columns that are computed for n: whole strips, and of the last one whole vectors, or one by one;
 * passes over W where that is what takes time. */
static double computed(const sm_trial *t, const sm_kernel *k, size_t n) {
    if (sm_by_columns(k)) return (double)(is_far(t) ? sm_ceil_div(n, k->nr) : n);
    const size_t vector = sm_min_size(k->nr, sm_lanes(k)), rest = n % k->nr;
    const size_t columns = n - rest + sm_round_up(rest, vector);
    return (double)columns;
}

static double shorter(double before, double now) {
    return before > 0 ? fmin(before, now) : now;
}

static size_t repeats(double run_s, double total_s) {
    return run_s <= 0 ? 1 : (size_t)fmin(MOST_REPEATS, ceil(total_s / run_s));
}

static void evict(const void *p, size_t bytes) {
    const char *line = p;
    for (size_t i = 0; i < bytes; i += 64) _mm_clflush(line + i);
}

static void cool(const sm_packed *p) {
    const size_t last = p->blocks * p->tiles;
    evict(p->value, p->value_at[last] * sizeof *p->value);
    if (p->index16) evict(p->index16, p->index_at[last] * sizeof *p->index16);
    if (p->index32) evict(p->index32, p->index_at[last] * sizeof *p->index32);
}

/* Of W, as the call's plan packs it. */
static double all_bytes(const sm_trial *t, const sm_packed *p) {
    return (double)sm_packed_bytes(p) * t->of_rows;
}

/* Whether a call finds W farther away than a second run of the sample would. */
static int is_away(const sm_trial *t, const sm_packed *p) {
    return t->cold || (t->others_count > 0 && behind_l2(all_bytes(t, p)));
}

/* Puts the sample there. */
static void put_away(const sm_trial *t, const sm_packed *p) {
    if (t->cold)
        cool(p);
    else
        for (size_t i = 0; i < t->others_count; i += 16) *(volatile float *)(t->others + i);
}

/* Into how many cuts a run is divided: the shorter, the more often nothing disturbs them. None for
 * kernels that read X where it lies, which may pass through whole rows of it, where not all rows
 * wait, for a strip is then packed as a whole, and asked for during the last block of rows of the
 * one before, and where W is away. */
static size_t cuts_of(const sm_trial *t, const sm_packed *packed, size_t n, double run_s) {
    static const double CUT_S = 50e-6;
    if (packed->in_place || packed->rows > packed->mc || run_s < 2 * CUT_S || is_away(t, packed))
        return 1;
    const size_t most = sm_min_size(SM_TRIAL_CUTS, sm_ceil_div(n, packed->kernel->nr));
    return (size_t)fmin((double)most, run_s / CUT_S);
}

static void run_cuts(const sm_trial *t, const sm_packed *packed, const sm_args *call,
                     sm_times *shortest) {
    const size_t nr = packed->kernel->nr, strips = sm_ceil_div(call->n, nr);
    double sum = 0;
    for (size_t i = 0; i < shortest->cuts; i++) {
        const size_t begin = strips * i / shortest->cuts * nr;
        const size_t end = sm_min_size(strips * (i + 1) / shortest->cuts * nr, call->n);
        sm_args a = *call;
        a.x += (ptrdiff_t)begin * a.x_cs;
        a.y += (ptrdiff_t)begin * a.y_cs;
        a.n = end - begin;
        const double start = sm_seconds();
        sm_driver_run(packed, &a, 1, NULL, NULL, t->workspace);
        shortest->cut_s[i] = shorter(shortest->cut_s[i], sm_seconds() - start);
        sum += shortest->cut_s[i];
    }
    shortest->run_s = shorter(shortest->run_s, sum);
}

static void run_whole(const sm_trial *t, const sm_packed *packed, const sm_args *call,
                      sm_times *shortest) {
    const double last_s = shortest->run_s;
    const int once = is_away(t, packed), warm = !once && last_s > 0 && last_s < WARM_S;
    const size_t warming =
        warm ? repeats(last_s, t->spans_l2 ? SM_TRIAL_LOOPS * last_s : WARMING_S) : 0;
    const size_t runs = once ? 1 : repeats(last_s, TIMED_S);
    if (once) put_away(t, packed);
    for (size_t i = 0; i < warming; i++) sm_driver_run(packed, call, 1, NULL, NULL, t->workspace);
    const double start = sm_seconds();
    for (size_t i = 0; i < runs; i++) sm_driver_run(packed, call, 1, NULL, NULL, t->workspace);
    shortest->run_s = shorter(last_s, (sm_seconds() - start) / (double)runs);
}

/* Asking for X ahead as the timed call does: all of its cuts where it does, and none of a sample of
 * rows, of which packing is taken away as it is without. */
static size_t ask_from(const sm_trial *t, const sm_packed *packed, size_t n) {
    return t->of_rows == 1 && sm_asks(packed, n) ? 0 : SIZE_MAX;
}

/* ... and for W, where that comes from as far away as the timed call's. */
static sm_ask_w ask_w(const sm_trial *t, const sm_packed *packed) {
    if (t->of_rows > 1 && !is_away(t, packed)) return SM_W_NEVER;
    return sm_core_ask_w(all_bytes(t, packed), packed->intel);
}

void sm_trial_run(sm_trial *t, const sm_packed *packed, sm_times *shortest) {
    sm_args a = {.x = t->x, .y = t->y, .lo = -INFINITY, .hi = INFINITY};
    a.n = sm_trial_columns(t, packed->kernel->nr);
    const int token = t->opt->layout == SM_TOKEN_MAJOR;
    a.x_rs = token ? 1 : (ptrdiff_t)t->ld;
    a.x_cs = token ? (ptrdiff_t)t->w->cols : 1;
    a.y_rs = token ? 1 : (ptrdiff_t)t->ld;
    a.y_cs = token ? (ptrdiff_t)t->w->rows : 1;
    if (shortest->cuts == 0 && shortest->run_s > 0)
        shortest->cuts = cuts_of(t, packed, a.n, shortest->run_s);
    sm_packed as_called = *packed;
    as_called.ask_from = ask_from(t, packed, a.n);
    as_called.ask_w = ask_w(t, packed);
    if (shortest->cuts > 1)
        run_cuts(t, &as_called, &a, shortest);
    else
        run_whole(t, &as_called, &a, shortest);
    if (t->of_rows > 1) {
        const double start = sm_seconds();
        sm_driver_pack_x(packed, &a, t->workspace);
        const double pack_s = sm_seconds() - start;
        shortest->pack_s = fmin(shorter(shortest->pack_s, pack_s), shortest->run_s);
        if (!packed->in_place && !packed->by_columns)
            t->pack_s = shorter(t->pack_s, pack_s / (double)a.n);
    }
}

/* A call packs X once for all rows of W; it is told from the shortest times of a run and of
 * packing, since a difference of two that were disturbed may be anything. Strips as wide as these
 * are take less than twice as long a column as others. */
double sm_trial_call_s(const sm_trial *t, const sm_kernel *kernel, const sm_times *shortest) {
    static const double AT_MOST = 2;
    const size_t n = sm_trial_columns(t, kernel->nr);
    const double columns = computed(t, kernel, t->opt->n) / computed(t, kernel, n);
    const double usual_s = t->pack_s > 0 ? AT_MOST * t->pack_s * (double)n : INFINITY;
    const double pack_s = fmin(shortest->pack_s, usual_s);
    return (pack_s + (shortest->run_s - pack_s) * t->of_rows) * columns;
}
