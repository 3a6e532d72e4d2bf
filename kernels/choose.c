/* Which kernel and K tile: every kernel that is allowed and not hopeless for this matrix is packed
 * for a slice of the rows and timed on up to two strips, in turn, so that a slow moment of the
 * machine hits all alike; candidates that fall behind leave, until the budget is spent. What is
 * timed here is never reported. */
#include "choose.h"
#include "isa/intrin.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_TILES = 3,
    SAMPLE_WEIGHTS = 1 << 18,
    SAMPLE_ROWS = 64,
    SAMPLE_STRIPS = 2,
    MOST_FLOATS = 1 << 22
};
/* Up to so many columns of X the weight stream decides, and kernels for one column compete. */
enum { FEW_COLUMNS = 8 };
/* For dense candidates of matrices with more than so many elements. */
static const double MIN_DENSITY = 0.01;
static const double CLOCK_S = 10e-9;
enum { SMALL = 1 << 20 };

typedef struct candidate {
    const sm_kernel *kernel;
    size_t kt, mc;
    size_t padded; /* columns computed, padding included */
    double fill;   /* values stored per nonzero; 1 for dense */
    size_t work;   /* padded columns times tenths of fill: what is computed per weight */
    int dense, hopeless;
    sm_packed packed;
    double pack_s; /* shortest packing of the sample's columns of X; 0 before the first */
    double best_s; /* shortest run, scaled to a full call; 0 before the first */
    int out;       /* fell behind */
} candidate;

typedef struct search {
    const sm_plan_options *opt;
    const sm_csr *csr;
    sm_csr slice;
    float *x, *y;
    void *workspace;
    size_t ld;    /* columns of x and y, feature-major */
    int hand;     /* a hand-written kernel may be used */
    size_t lanes; /* of the longest vectors that compete */
    size_t count, timed;
    candidate c[]; /* MAX_TILES for every kernel there is */
} search;

double sm_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static size_t cache_bytes(int name, size_t fallback) {
    const long bytes = sysconf(name);
    return bytes > 0 ? (size_t)bytes : fallback;
}

static double dense_bytes(const sm_csr *csr) {
    return (double)csr->rows * (double)csr->cols * sizeof(float);
}

static double density(const sm_csr *csr) {
    return (double)csr->nnz / ((double)csr->rows * (double)csr->cols);
}

/* As many tiles as there are of kt columns, but all about equally wide, and of whole blocks of the
 * transposes that token-major X needs. */
static size_t even_tiles(size_t cols, size_t kt) {
    const size_t even = sm_ceil_div(cols, sm_ceil_div(cols, kt));
    return sm_min_size(sm_round_up(even, 8), kt < cols ? kt : cols);
}

/* K tiles worth trying, as multiples of the one whose strip fills L1. The streams of W and Y pass
 * through L1 without evicting much of it, so that it may be full; where rows have few nonzeros in a
 * tile, what a tile costs beside them weighs more than X from L2. Formats of whole columns read a
 * row of X once for all rows of a panel, so that few columns make larger tiles pay. */
static size_t kt_choices(const search *s, const sm_kernel *k, size_t kt[MAX_TILES]) {
    static const double factor[] = {2. / 3, 1, 2, 4};
    const sm_format *format = sm_format_of(k);
    const size_t cols = s->csr->cols, limit = sm_min_size(format->max_kt(k->nr), cols);
    if (s->opt->kt) {
        kt[0] = sm_min_size(s->opt->kt, limit);
        return 1;
    }
    const double l1 = (double)cache_bytes(_SC_LEVEL1_DCACHE_SIZE, 32768);
    const double fit = l1 / ((double)k->nr * sizeof(float)), d = density(s->csr);
    const int columns = format->values != NULL, padded = columns || format->rows_alike;
    const int few = columns ? d < 0.25 : !padded && d < 0.15; /* nonzeros in a row */
    size_t count = 0;
    for (int i = padded + few; i < 3 + few; i++) {
        const size_t wanted = (size_t)(factor[i] * fit);
        const size_t tile = even_tiles(cols, sm_min_size(wanted < 32 ? 32 : wanted, limit));
        if (count == 0 || tile > kt[count - 1]) kt[count++] = tile;
    }
    return count;
}

/* Partial sums of a row block stay within half of L2. */
static size_t mc_choice(const search *s, const sm_kernel *k) {
    if (s->opt->mc) return s->opt->mc;
    const size_t fit = cache_bytes(_SC_LEVEL2_CACHE_SIZE, 524288) / 2 / (k->nr * sizeof(float));
    return fit < k->mr ? k->mr : fit;
}

static int allowed(const search *s, const sm_kernel *k) {
    if (s->opt->kernel && strcmp(k->name, s->opt->kernel) != 0) return 0;
    return (s->opt->isa_mask >> k->level & 1) && (s->opt->format_mask >> sm_format_index(k) & 1);
}

static int competes(const search *s, const sm_kernel *k) {
    return allowed(s, k) && (!s->hand || sm_isa_hand_written(k->isa));
}

/* Values that a kernel's format stores per nonzero, from the slice. */
static double fill(const search *s, const sm_kernel *k) {
    const sm_format *format = sm_format_of(k);
    if (!format->values || s->slice.nnz == 0) return 1.0;
    for (size_t i = 0; i < s->count; i++)
        if (sm_format_of(s->c[i].kernel) == format && s->c[i].kernel->mr == k->mr)
            return s->c[i].fill;
    return (double)format->values(&s->slice, k->mr) / (double)s->slice.nnz;
}

/* Floats in a vector of the kernel's level; of the scalar one, in a strip. */
static size_t lanes(const sm_kernel *k) {
    return strstr(k->isa, "512") ? 16 : 8;
}

/* Whether a row of X may be used so seldom that packing it costs more than it gains: packing takes
 * some 2.5 cycles a cache line, and reading one of a packed strip saves at least a tenth of a
 * cycle.
 */
static int seldom_used(const search *s) {
    enum { USES = 32 };
    return s->opt->layout == SM_FEATURE_MAJOR && s->csr->nnz / s->csr->cols < USES;
}

/* Need not be timed to see that another of its kind is faster: for one column of X where there are
 * many, for many where there is one, of a format that would store zeros, for X as it lies where it
 * is better packed, or with vectors of half the length where whole ones can be filled. */
static int hopeless(const search *s, const candidate *c) {
    const size_t n = s->opt->n;
    if (c->fill > 1.6) return 1;
    if (sm_reads_in_place(c->kernel) && !seldom_used(s)) return 1;
    if (c->kernel->nr == 1) return n > FEW_COLUMNS;
    return n == 1 || c->padded > 2 * n + FEW_COLUMNS ||
           (n >= s->lanes && lanes(c->kernel) < s->lanes);
}

static void add_candidates(search *s, const sm_kernel *k) {
    size_t kt[MAX_TILES];
    const size_t choices = kt_choices(s, k, kt);
    candidate c = {.kernel = k, .mc = mc_choice(s, k)};
    c.padded = sm_round_up(s->opt->n, k->nr);
    c.fill = fill(s, k);
    c.dense = strcmp(k->format, "dense") == 0;
    c.work = c.padded * (size_t)(10.0 * c.fill);
    c.hopeless = hopeless(s, &c);
    for (size_t q = 0; q < choices; q++) {
        c.kt = kt[q];
        s->c[s->count++] = c;
    }
}

/* Hopeless candidates go where there are others of their kind. */
static void drop_hopeless(search *s, int dense) {
    size_t hopeful = 0, left = 0;
    for (size_t i = 0; i < s->count; i++) hopeful += s->c[i].dense == dense && !s->c[i].hopeless;
    for (size_t i = 0; i < s->count; i++)
        if (hopeful == 0 || s->c[i].dense != dense || !s->c[i].hopeless) s->c[left++] = s->c[i];
    s->count = left;
}

/* Weights that are nearly all zero may be larger than memory when stored. */
static void drop_dense(search *s) {
    size_t left = 0;
    for (size_t i = 0; i < s->count; i++)
        if (!s->c[i].dense) s->c[left++] = s->c[i];
    if (left > 0) s->count = left;
}

/* Levels whose vectors a compiler chose compete only where no hand-written kernel may run. */
static void enumerate(search *s) {
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        if (allowed(s, k)) s->hand |= sm_isa_hand_written(k->isa);
    }
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        if (competes(s, k) && lanes(k) > s->lanes) s->lanes = lanes(k);
    }
    for (size_t i = 0; i < sm_kernel_count(); i++)
        if (competes(s, sm_kernel_at(i))) add_candidates(s, sm_kernel_at(i));
    drop_hopeless(s, 0);
    drop_hopeless(s, 1);
    if (density(s->csr) < MIN_DENSITY && s->csr->cols > SMALL / s->csr->rows) drop_dense(s);
}

/* Promising candidates first, should the budget end early: little padding, large, tall tiles. */
static int by_promise(const void *a, const void *b) {
    const candidate *p = a, *q = b;
    const size_t size = p->kernel->mr * p->kernel->nr, other = q->kernel->mr * q->kernel->nr;
    if (p->work != q->work) return p->work < q->work ? -1 : 1;
    if (p->kernel->level != q->kernel->level) return p->kernel->level > q->kernel->level ? -1 : 1;
    if (size != other) return size > other ? -1 : 1;
    if (p->kernel->mr != q->kernel->mr) return p->kernel->mr > q->kernel->mr ? -1 : 1;
    if (p->kernel != q->kernel) return p->kernel > q->kernel ? -1 : 1;
    return p->kt < q->kt ? -1 : p->kt > q->kt;
}

/* Bytes of a dense W from which on it is read from memory. What is reported as L3 may be that of a
 * socket, or of nothing at all in a virtual machine; a core's share of it is 8 to 32 times its L2.
 */
static double far_bytes(void) {
    const size_t share = 32 * cache_bytes(_SC_LEVEL2_CACHE_SIZE, 524288);
    return (double)sm_min_size(cache_bytes(_SC_LEVEL3_CACHE_SIZE, share), share);
}

/* The rows in the middle of W, as many as make a slice of SAMPLE_WEIGHTS; twice as many where a
 * call is so short that it matters which cache holds W. */
static sm_status take_slice(search *s) {
    const sm_csr *w = s->csr;
    size_t rows = SAMPLE_WEIGHTS / w->cols;
    if (s->opt->n <= FEW_COLUMNS && dense_bytes(w) < far_bytes()) rows *= 2;
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
        const sm_kernel *k = s->c[i].kernel;
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
        if (c->dense == dense && c->best_s > 0 && (!best || c->best_s < best->best_s)) best = c;
    }
    return best;
}

/* A candidate that was never timed, or is a quarter slower than the best of its kind, leaves, and
 * its packed slice with it: all of them together would be larger than most layers. */
static void leave_if_slow(search *s, candidate *c) {
    const candidate *best = best_of(s, c->dense);
    if (c->best_s > 0 && c->best_s <= 1.25 * best->best_s) return;
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
    const size_t vector = sm_min_size(k->nr, lanes(k)), rest = n % k->nr;
    const size_t columns = n - rest + sm_round_up(rest, vector);
    return (double)columns;
}

/* Seconds of one run on the sample, scaled to a full call: X is packed once for all rows of W. */
static double run_once(search *s, candidate *c) {
    const double rows = (double)s->csr->rows / (double)s->slice.rows;
    sm_args a = {.x = s->x, .y = s->y, .lo = -INFINITY, .hi = INFINITY};
    a.n = sample_cols(s, c->kernel);
    const int token = s->opt->layout == SM_TOKEN_MAJOR;
    a.x_rs = token ? 1 : (ptrdiff_t)s->ld;
    a.x_cs = token ? (ptrdiff_t)s->csr->cols : 1;
    a.y_rs = token ? 1 : (ptrdiff_t)s->ld;
    a.y_cs = token ? (ptrdiff_t)s->slice.rows : 1;
    const double columns = computed(c->kernel, s->opt->n) / computed(c->kernel, a.n);
    const double start = sm_seconds();
    sm_driver_run(&c->packed, &a, 1, NULL, NULL, s->workspace);
    const double run_s = sm_seconds() - start;
    sm_driver_pack_x(&c->packed, &a, s->workspace);
    const double pack_s = sm_seconds() - start - run_s;
    c->pack_s = fmin(c->pack_s > 0 ? fmin(c->pack_s, pack_s) : pack_s, run_s);
    return (c->pack_s + (run_s - c->pack_s) * rows) * columns;
}

/* What a call finds in the caches where there are few columns: the other candidates' turns have
 * left nothing of this one's W there. */
static void set_caches(search *s, candidate *c) {
    if (s->opt->n > FEW_COLUMNS) return;
    if (dense_bytes(s->csr) < far_bytes())
        (void)run_once(s, c);
    else
        cool(c);
}

/* One turn of every candidate still in; the first turn packs, and warms up. */
static void turn(search *s, double deadline) {
    for (size_t i = 0; i < s->count; i++) {
        candidate *c = &s->c[i];
        /* One of each kind is timed, however late it is. */
        if (c->out || (sm_seconds() > deadline && best_of(s, c->dense))) continue;
        if (!c->packed.kernel) {
            c->out = sm_pack(&s->slice, c->kernel, c->kt, c->mc, 1, &c->packed) != SM_OK;
            if (c->out) continue; /* too large: another format may fit */
            s->timed++;
            (void)run_once(s, c);
        }
        set_caches(s, c);
        const double t = run_once(s, c);
        if (c->best_s == 0 || t < c->best_s) c->best_s = t;
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
    enum { MAX_TURNS = 24 };
    SM_TRY(take_operands(s));
    const double deadline = sm_seconds() + s->opt->budget_s;
    for (int i = 0; i < MAX_TURNS; i++) {
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
    const int dense = density(s->csr) > 0.7;
    for (size_t i = 0; i < s->count; i++)
        if (s->c[i].dense == dense) return &s->c[i];
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

sm_status sm_choose(const sm_csr *w, const sm_plan_options *options, sm_choice *out) {
    const double start = sm_seconds();
    if (w->rows == 0 || w->cols == 0)
        return sm_fail(SM_E_ARG, "matrix of %zu x %zu: expected at least one row and one column",
                       w->rows, w->cols);
    const size_t bytes = sizeof(search) + MAX_TILES * sm_kernel_count() * sizeof(candidate);
    search *s = sm_alloc(bytes, 1);
    if (!s) return sm_fail(SM_E_NOMEM, "no memory to choose a kernel");
    memset(s, 0, bytes);
    s->opt = options;
    s->csr = w;
    sm_status status = take_slice(s);
    if (status == SM_OK) enumerate(s);
    if (status == SM_OK && s->count == 0)
        status = sm_fail(SM_E_ARG, "no kernel has the levels and formats allowed");
    if (status == SM_OK) qsort(s->c, s->count, sizeof s->c[0], by_promise);
    if (status == SM_OK && s->count > 1 && options->budget_s > 0) status = time_candidates(s);
    if (status == SM_OK) {
        *out = (sm_choice){0};
        const candidate *c = decide(s, out);
        out->kernel = c->kernel;
        out->kt = c->kt;
        out->mc = c->mc;
        out->expected_s = c->dense ? out->dense_s : out->sparse_s;
        out->candidates = s->timed;
        out->choose_s = sm_seconds() - start;
    }
    search_free(s);
    return status;
}
