/* Which kernels and K tiles may be the fastest for a matrix: all that are allowed but those of
 * which it can be said without timing that another of their kind is faster. */
#include "candidates.h"
#include "core.h"
#include "formats/format.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TILES = 3 };
/* For dense candidates of matrices with more than so many elements. */
static const double MIN_DENSITY = 0.01;
enum { SMALL = 1 << 20 };

typedef struct listing {
    const sm_plan_options *opt;
    const sm_csr *csr, *sample;
    int hand;      /* a hand-written kernel may be used */
    int intel;     /* the core is of Intel's: see for_other_cores() */
    int ask_for_w; /* see ask_for_weights() */
    size_t lanes;  /* of the longest vectors that compete */
    size_t count;
    sm_candidate *c;
} listing;

double sm_density(const sm_csr *csr) {
    return (double)csr->nnz / ((double)csr->rows * (double)csr->cols);
}

double sm_dense_bytes(const sm_csr *csr) {
    return (double)csr->rows * (double)csr->cols * sizeof(float);
}

int sm_from_memory(const sm_csr *csr) {
    return sm_dense_bytes(csr) >= (double)sm_l3_bytes();
}

/* Whether not all of the nonzeros, with what says where they are, may stay in L2. */
static int exceeds_l2(const sm_csr *csr) {
    return csr->nnz * sizeof(float) > sm_l2_bytes() / 2;
}

int sm_spans_l2(const sm_csr *csr, size_t n) {
    return n == 1 && exceeds_l2(csr) && !sm_from_memory(csr);
}

/* As many tiles as there are of kt columns, but all about equally wide, and of whole blocks of the
 * transposes that token-major X needs. */
static size_t even_tiles(size_t cols, size_t kt) {
    const size_t even = sm_ceil_div(cols, sm_ceil_div(cols, kt));
    return sm_min_size(sm_round_up(even, 8), kt < cols ? kt : cols);
}

/* Whether a kernel is given X as it lies, which must have rows then. */
static int reads_x_there(const listing *l, const sm_kernel *k) {
    return sm_reads_in_place(k) && l->opt->layout == SM_FEATURE_MAJOR;
}

/* Whether rows of X and Y had better be passed through whole, a small block of rows of W at a time:
 * where all of X, read as it lies, stays in L2 beside Y. Not measured on AMD's cores. */
static int rows_first(const listing *l, const sm_kernel *k) {
    return l->intel && reads_x_there(l, k) &&
           l->csr->cols <= sm_l2_bytes() / 2 / sizeof(float) / l->opt->n;
}

/* How often a row of X is read. */
static double reads_of_x(const listing *l, const sm_candidate *c) {
    const double values = (double)l->csr->nnz * c->fill;
    return sm_reads_of_x(c->kernel, l->csr->rows, l->csr->cols, values);
}

/* Whether a K tile larger than L1 is slower in a call than in the sample, whose X is in L2: up to
 * 40 % where X comes from behind it, unless `csr` or `sell` read it as it lies and not often. Not
 * measured on AMD's cores. */
static int slow_beyond_l1(const listing *l, const sm_candidate *c) {
    enum { OFTEN = 8 };
    const int columns = sm_format_of(c->kernel)->values != NULL;
    if (reads_x_there(l, c->kernel) && !columns && reads_of_x(l, c) < OFTEN) return 0;
    return l->intel && l->csr->cols * l->opt->n * sizeof(float) >= sm_l2_bytes();
}

/* Bytes of packed W a row and column, about. */
static double bytes_of_w(const listing *l, const sm_candidate *c) {
    enum { A_NONZERO = 6 };
    const int alike = sm_format_of(c->kernel)->rows_alike;
    return alike ? sizeof(float) : A_NONZERO * c->fill * sm_density(l->csr);
}

/* Whether strips of X are packed for it. */
static int packs_strips(const listing *l, const sm_kernel *k) {
    return !sm_by_columns(k) && !reads_x_there(l, k);
}

/* The largest K tile of which a panel asks for no more of W at once than a page's worth, if it does
 * ask for pages, see sm_core_ask_w(). */
static size_t asking_limit(const listing *l, const sm_candidate *c) {
    enum { LEAST = 32, UNIT = 8 };
    const sm_kernel *k = c->kernel;
    const double bytes = bytes_of_w(l, c), rows = (double)l->csr->rows, cols = (double)l->csr->cols;
    if (!packs_strips(l, k) || sm_core_ask_w(rows * cols * bytes, l->intel) != SM_W_PAGES)
        return SIZE_MAX;
    return (size_t)fmax(LEAST, SM_PAGE / ((double)k->mr * bytes)) / UNIT * UNIT;
}

/* K tiles worth trying, as multiples of the one whose strip fills L1. The streams of W and Y pass
 * through L1 without evicting much of it, so that it may be full; where rows have few nonzeros in a
 * tile, what a tile costs beside them weighs more than X from L2. Formats of whole columns read a
 * row of X once for all rows of a panel, so that few columns make larger tiles pay. On Intel's
 * cores no tile of unstructured rows of many pays that is larger than L1, nor one of dense rows,
 * whose weights are a larger stream and want some of L1; elsewhere dense tiles fill it once or
 * twice. Kernels for few columns pass through X in order, from L2: one tile, but for csr, which
 * gathers. */
static size_t kt_choices(const listing *l, const sm_candidate *c, size_t kt[MAX_TILES]) {
    const sm_kernel *k = c->kernel;
    static const double factor[] = {2. / 3, 1, 2, 4};
    const sm_format *format = sm_format_of(k);
    const size_t cols = l->csr->cols;
    size_t limit = sm_min_size(format->max_kt(k), cols);
    if (l->opt->kt) {
        kt[0] = sm_min_size(l->opt->kt, limit);
        return 1;
    }
    if (rows_first(l, k) || (sm_by_columns(k) && k->nr > 1)) {
        kt[0] = limit;
        return 1;
    }
    limit = sm_min_size(limit, asking_limit(l, c));
    const double l1 = (double)sm_l1_bytes();
    const double fit = l1 / ((double)k->nr * sizeof(float)), d = sm_density(l->csr);
    const int columns = format->values != NULL, alike = format->rows_alike;
    const int full = columns || (alike && !(l->intel && packs_strips(l, k))); /* L1, at least */
    const int few = columns ? d < 0.25 : !alike && d < 0.15; /* nonzeros in a row */
    const int tiles = l->intel && k->nr > 1 && !full && !few ? 2 : 3;
    size_t count = 0;
    for (int i = full + few; i < tiles + few; i++) {
        const size_t wanted = (size_t)(factor[i] * fit);
        const size_t tile = even_tiles(cols, sm_min_size(wanted < 32 ? 32 : wanted, limit));
        if (count > 0 && (double)tile > fit && (double)kt[count - 1] <= fit && slow_beyond_l1(l, c))
            break;
        if (count == 0 || tile > kt[count - 1]) kt[count++] = tile;
    }
    return count;
}

/* Partial sums of a row block stay within half of L2, on Intel's cores beside what is read of W
 * until they are next used, if they are; on a Zen 5 that is 1 % slower to 2 % faster. */
static size_t mc_choice(const listing *l, const sm_candidate *c) {
    enum { SMALL_BLOCK = 32 };
    const sm_kernel *k = c->kernel;
    if (l->opt->mc) return l->opt->mc;
    if (rows_first(l, k)) return SMALL_BLOCK;
    const size_t columns = sm_by_columns(k) ? sm_min_size(k->nr, l->opt->n) : k->nr;
    double row = (double)(columns * sizeof(float));
    if (l->intel && packs_strips(l, k) && c->kt < l->csr->cols)
        row += (double)c->kt * bytes_of_w(l, c);
    const size_t fit = (size_t)((double)sm_l2_bytes() / 2 / row);
    return fit < k->mr ? k->mr : sm_min_size(fit, SM_MAX_BLOCK_ROWS);
}

static int allowed(const listing *l, const sm_kernel *k) {
    if (l->opt->kernel && strcmp(k->name, l->opt->kernel) != 0) return 0;
    return (l->opt->isa_mask >> k->level & 1) && (l->opt->format_mask >> sm_format_index(k) & 1);
}

static int competes(const listing *l, const sm_kernel *k) {
    return allowed(l, k) && (!l->hand || sm_isa_hand_written(k->isa));
}

/* Values that a kernel's format stores per nonzero, from the sample. */
static double fill(const listing *l, const sm_kernel *k) {
    const sm_format *format = sm_format_of(k);
    if (!format->values || l->sample->nnz == 0) return 1.0;
    for (size_t i = 0; i < l->count; i++)
        if (sm_format_of(l->c[i].kernel) == format && l->c[i].kernel->mr == k->mr)
            return l->c[i].fill;
    return (double)format->values(l->sample, k->mr) / (double)l->sample->nnz;
}

/* Nonzeros a column of W below which it may matter what packing X takes: some 2.5 cycles a cache
 * line, while reading one of a packed strip saves at least a tenth of a cycle. */
enum { SELDOM = 32 };
static int seldom_used(const listing *l) {
    return (double)l->csr->nnz / (double)l->csr->cols < SELDOM;
}

/* Whether X as it lies may be better than packed. Where a row is read for all rows of a panel at
 * once the FMA ports are what limits, and packing matters with fewer reads only. */
static int seldom_read(const listing *l, const sm_candidate *c) {
    enum { OF_PANELS = 16, OF_DENSE = 24 };
    const size_t most = c->dense ? OF_DENSE : sm_format_of(c->kernel)->values ? OF_PANELS : SELDOM;
    return reads_x_there(l, c->kernel) && reads_of_x(l, c) < (double)most;
}

/* Timing both of two that multiply the same streams would cost the packing twice; and `panel` is
 * behind `sell` on Intel's cores, at 50 to 98 % and with 9 to 512 columns. Of those that ask for W
 * the one for Intel's cores is the faster on a Zen 5 too where W is in L3: 11 to 20 % at 50 to
 * 80 %, and 2 to 5 % behind where W comes from memory. A Zen 4 was not measured. */
static int for_other_cores(const listing *l, const sm_kernel *k) {
    const int as_intel = l->intel || (sm_traits(k) & SM_ASKS_FOR_W && !sm_from_memory(l->csr));
    const unsigned others = as_intel ? SM_FOR_OTHERS : SM_FOR_INTEL;
    return sm_isa_hand_written(k->isa) && (sm_traits(k) & others);
}

/* Whether weights for few columns of X had better be asked for: where they come from memory and,
 * but for AMD's cores without AVX-512, where not all may stay in L2. On Intel's cores 7 % slower to
 * 25 % faster there, mostly faster, and in L2 8 % slower to 6 % faster; on a Zen 5 2 % slower to
 * 13 % faster, in L2 1 to 4 % slower, and with AVX2 0 to 8 % slower. */
static int ask_for_weights(const listing *l) {
    enum { AVX512_LANES = 16 };
    const int in_l3 = l->intel || l->lanes == AVX512_LANES;
    return (in_l3 && exceeds_l2(l->csr)) || sm_from_memory(l->csr);
}

/* Which a sample of W may not show. */
static int for_other_memory(const listing *l, const sm_kernel *k) {
    const unsigned others = l->ask_for_w ? SM_TAKES_W : SM_ASKS_FOR_W;
    return sm_isa_hand_written(k->isa) && (sm_traits(k) & others);
}

/* One vector wide where there are two: fewer FMAs for each weight loaded, more passes over W. The
 * fastest for none of DLMC's matrices with 32 columns and more, but some 98 % sparse; formats of
 * whole columns have taller tiles for it. */
static int too_narrow(const listing *l, const sm_kernel *k) {
    const size_t lanes = sm_lanes(k);
    return sm_isa_hand_written(k->isa) && !sm_format_of(k)->values && k->nr == lanes &&
           l->opt->n >= 2 * lanes && sm_density(l->csr) > 0.04;
}

/* Several vectors wide where one is enough: of the tile's FMA chains only those of the first
 * remain, and `sell` has a taller one for it. */
static int too_wide(const listing *l, const sm_kernel *k) {
    const sm_format *format = sm_format_of(k);
    return sm_isa_hand_written(k->isa) && !format->values && !format->rows_alike &&
           !sm_reads_in_place(k) && l->opt->n <= sm_lanes(k) && k->nr > sm_lanes(k);
}

/* Vectors of half the length where whole ones can be filled; but where packing matters and whole
 * ones would end in half of one, a strip of just n columns, which is not packed, may make up for
 * it. */
static int too_short(const listing *l, const sm_kernel *k) {
    const size_t n = l->opt->n;
    if (n < l->lanes || sm_lanes(k) >= l->lanes) return 0;
    const int unpacked = l->opt->layout == SM_FEATURE_MAJOR && k->nr == n;
    return !unpacked || n % l->lanes == 0 || !seldom_used(l);
}

/* Need not be timed to see that another of its kind is faster: for few columns of X where there are
 * many, for many where there is one, of a format that would store zeros, for X as it lies where it
 * is better packed, of a variant for other cores or caches, of one vector where two can be filled
 * or of several where one is enough, or with vectors of half the length where whole ones can be, or
 * where W and not the instructions are what takes time. */
static int hopeless(const listing *l, const sm_candidate *c) {
    const size_t n = l->opt->n;
    if (c->fill > 1.6) return 1;
    if (sm_reads_in_place(c->kernel) && !seldom_read(l, c)) return 1;
    if (for_other_cores(l, c->kernel) || for_other_memory(l, c->kernel)) return 1;
    if (too_narrow(l, c->kernel) || too_wide(l, c->kernel)) return 1;
    if (sm_by_columns(c->kernel))
        return n > SM_FEW_COLUMNS || (exceeds_l2(l->csr) && sm_lanes(c->kernel) < l->lanes);
    return n == 1 || c->padded > 2 * n + SM_FEW_COLUMNS || too_short(l, c->kernel);
}

/* Columns that a kernel passes through for n of them: strips that are packed are nr wide, of those
 * that are not no vector behind the last column is touched. */
static size_t padded_columns(const sm_kernel *k, size_t n) {
    if (sm_by_columns(k)) return n;
    return sm_round_up(n, sm_reads_in_place(k) ? sm_min_size(k->nr, sm_lanes(k)) : k->nr);
}

static void add_candidates(listing *l, const sm_kernel *k) {
    size_t kt[MAX_TILES];
    sm_candidate c = {.kernel = k};
    c.padded = padded_columns(k, l->opt->n);
    c.fill = fill(l, k);
    c.dense = strcmp(k->format, "dense") == 0;
    c.work = c.padded * (size_t)(10.0 * c.fill);
    c.hopeless = hopeless(l, &c);
    const size_t choices = kt_choices(l, &c, kt);
    for (size_t q = 0; q < choices; q++) {
        c.kt = kt[q];
        c.mc = mc_choice(l, &c);
        l->c[l->count++] = c;
    }
}

/* Hopeless candidates go where there are others of their kind. */
static void drop_hopeless(listing *l, int dense) {
    size_t hopeful = 0, left = 0;
    for (size_t i = 0; i < l->count; i++) hopeful += l->c[i].dense == dense && !l->c[i].hopeless;
    for (size_t i = 0; i < l->count; i++)
        if (hopeful == 0 || l->c[i].dense != dense || !l->c[i].hopeless) l->c[left++] = l->c[i];
    l->count = left;
}

/* Weights that are nearly all zero may be larger than memory when stored. */
static void drop_dense(listing *l) {
    size_t left = 0;
    for (size_t i = 0; i < l->count; i++)
        if (!l->c[i].dense) l->c[left++] = l->c[i];
    if (left > 0) l->count = left;
}

/* Levels whose vectors a compiler chose compete only where no hand-written kernel may run. */
static void enumerate(listing *l) {
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        if (allowed(l, k)) l->hand |= sm_isa_hand_written(k->isa);
    }
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        if (competes(l, k) && sm_lanes(k) > l->lanes) l->lanes = sm_lanes(k);
    }
    l->ask_for_w = ask_for_weights(l);
    for (size_t i = 0; i < sm_kernel_count(); i++)
        if (competes(l, sm_kernel_at(i))) add_candidates(l, sm_kernel_at(i));
    drop_hopeless(l, 0);
    drop_hopeless(l, 1);
    if (sm_density(l->csr) < MIN_DENSITY && l->csr->cols > SMALL / l->csr->rows) drop_dense(l);
}

/* Promising candidates first, should the budget end early, and for the others to leave soon: sparse
 * ones, little padding, large, tall tiles. */
static int by_promise(const void *a, const void *b) {
    const sm_candidate *p = a, *q = b;
    if (p->dense != q->dense) return p->dense - q->dense;
    const size_t size = p->kernel->mr * p->kernel->nr, other = q->kernel->mr * q->kernel->nr;
    if (p->work != q->work) return p->work < q->work ? -1 : 1;
    if (p->kernel->level != q->kernel->level) return p->kernel->level > q->kernel->level ? -1 : 1;
    if (size != other) return size > other ? -1 : 1;
    if (p->kernel->mr != q->kernel->mr) return p->kernel->mr > q->kernel->mr ? -1 : 1;
    if (p->kernel != q->kernel) return p->kernel > q->kernel ? -1 : 1;
    return p->kt < q->kt ? -1 : p->kt > q->kt;
}

size_t sm_candidates_max(void) {
    return MAX_TILES * sm_kernel_count();
}

size_t sm_list_candidates(const sm_csr *w, const sm_csr *sample, const sm_plan_options *options,
                          sm_candidate *out) {
    listing l = {.opt = options, .csr = w, .sample = sample, .intel = sm_core_of_intel(), .c = out};
    enumerate(&l);
    qsort(out, l.count, sizeof *out, by_promise);
    return l.count;
}
