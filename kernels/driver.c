/* What all kernels share: strips of X, row blocks and K tiles of W, partial sums, threads.
 * Nest, outermost first: strip; K tile, whose part of X is packed when its turn comes and stays in
 * L1; row block, then the kernel over its panels. The partial sums of all rows wait meanwhile.
 * Where they would be too many (more rows than mc), a strip is packed as a whole and row blocks are
 * outside of K tiles. Kernels that can read X where it lies are given it there, and small row
 * blocks are then outside of strips. */
#include "driver.h"
#include "strip.h"
#include <math.h>
#include <stdatomic.h>

static int all_rows_wait(const sm_packed *w) {
    return w->rows <= w->mc;
}

/* Floats of one thread's workspace: packed X, then the partial sums of mc rows, in whole cache
 * lines: threads share none, and both are aligned. */
enum { LINE = 16 };

static size_t buffer_floats(const sm_packed *w, size_t rows, size_t n) {
    const size_t nr = w->kernel->nr;
    return w->by_columns ? sm_column_pitch(rows) * sm_min_size(nr, n)
                         : sm_round_up(rows * nr, LINE);
}

static size_t strip_floats(const sm_packed *w, size_t n) {
    return buffer_floats(w, all_rows_wait(w) ? w->kt : w->cols, n);
}

static size_t thread_floats(const sm_packed *w, size_t n) {
    return strip_floats(w, n) + buffer_floats(w, w->mc, n);
}

size_t sm_driver_workspace(const sm_packed *w, size_t n, size_t threads) {
    return thread_floats(w, n) * threads * sizeof(float);
}

/* Strips that lie next to each other go to the same thread, which asks for what comes next and
 * shares no line of Y inside of them; a thread that has none left takes from the others'. */
enum { QUEUES = 64 };

typedef struct job {
    const sm_packed *w;
    const sm_args *args;
    const sm_conv_args *conv; /* X is an image; NULL: args say where it is */
    float *workspace;
    size_t strips, threads;
    atomic_size_t *taken; /* of each queue */
    atomic_size_t rest_taken;
} job;

/* Whether the caller's X has rows: columns next to each other. */
static int has_rows(const job *j) {
    return !j->conv && j->args->x_cs == 1;
}

/* Whether a block of rows goes through all strips before the next one does: where X is read as it
 * lies and rows are in small blocks, so that rows of X and Y are passed through whole. */
static int rows_first(const job *j) {
    return j->w->in_place && !all_rows_wait(j->w) && has_rows(j);
}

/* X of the caller that is packed after what is multiplied now: so many runs of floats, rows of a
 * strip or, token-major, its columns, in the calls of the kernel that come before. */
typedef struct ahead {
    const float *x;
    ptrdiff_t rs;
    size_t runs, run, calls;
} ahead;

/* Where one strip of X goes. */
typedef struct strip {
    const job *j;
    size_t n0, n; /* its columns */
    float *x;     /* packed: one K tile, or all */
    float *acc;   /* partial sums of the rows from row `above` on */
    size_t above;
    int turned; /* Y lies the other way round than kernels store it, and is transposed */
    int more;   /* the next strip is packed after this one */
    ahead next;
} strip;

/* A strip of X from some K tile on: (k, j) is at x + k * rs + j * cs. */
typedef struct view {
    const float *x;
    ptrdiff_t rs, cs;
} view;

/* Whether rows lie as those of a packed strip do. */
static int lies_packed(const float *x, ptrdiff_t x_rs, size_t n, size_t nr) {
    return n == nr && x_rs == (ptrdiff_t)nr && (uintptr_t)x % (LINE * sizeof *x) == 0;
}

/* How a strip is transposed. Fewer columns than a block of 8 x 8 has are faster in blocks of 4 x 4
 * and one by one, but for three of these. */
static sm_strips turning(const strip *s) {
    enum { BLOCK = 8, SMALL = 4 };
    const int small = s->j->w->by_columns && s->n < BLOCK && s->n % SMALL < 3;
    return small ? SM_STRIPS_BASE : s->j->w->strips;
}

/* X of the K tiles [first, end): packed, or as it lies. */
static view take_tiles(const strip *s, size_t first, size_t end) {
    const sm_args *a = s->j->args;
    const sm_packed *w = s->j->w;
    const size_t nr = w->kernel->nr;
    const size_t k0 = first * w->kt, k = sm_min_size(end * w->kt, w->cols) - k0;
    const view by_rows = {s->x, (ptrdiff_t)nr, 1};
    const view by_columns = {s->x, 1, (ptrdiff_t)sm_column_pitch(k)};
    if (s->j->conv) {
        if (w->by_columns)
            sm_im2col_pack_columns(s->j->conv, s->n0, s->n, k0, k, s->x);
        else
            sm_im2col_pack(s->j->conv, s->n0, s->n, k0, k, nr, w->strips, s->x);
        return w->by_columns ? by_columns : by_rows;
    }
    const float *x = a->x + (ptrdiff_t)s->n0 * a->x_cs + (ptrdiff_t)k0 * a->x_rs;
    if (w->by_columns) {
        sm_strip_pack_columns(x, a->x_rs, a->x_cs, k, s->n, turning(s), s->x);
        return by_columns;
    }
    if (a->x_cs == 1 && (w->in_place || lies_packed(x, a->x_rs, s->n, nr)))
        return (view){x, a->x_rs, 1};
    sm_strip_pack(x, a->x_rs, a->x_cs, k, s->n, nr, w->strips, s->x);
    return by_rows;
}

/* The K tiles [first, end) of this strip, or of the next, are packed after so many calls. */
static void look_ahead(strip *s, int of_next, size_t first, size_t end, size_t calls) {
    const sm_args *a = s->j->args;
    const sm_packed *w = s->j->w;
    const size_t k0 = first * w->kt, n0 = of_next ? s->n0 + w->kernel->nr : s->n0;
    s->next = (ahead){.calls = calls};
    if (!sm_asks(w, a->n) || w->by_columns) return;
    if (s->j->conv || (of_next && !s->more)) return;
    const size_t k = sm_min_size(end * w->kt, w->cols) - k0;
    const size_t n = sm_min_size(w->kernel->nr, a->n - n0);
    const float *x = a->x + (ptrdiff_t)n0 * a->x_cs + (ptrdiff_t)k0 * a->x_rs;
    if (a->x_cs == 1)
        s->next = (ahead){x, a->x_rs, k, n, calls};
    else if (a->x_rs == 1)
        s->next = (ahead){x, a->x_cs, n, k, calls};
}

/* Where the partial sums of a block begin. */
static float *acc_of(const strip *s, size_t block) {
    const sm_packed *w = s->j->w;
    return s->acc + (w->block_row[block] - s->above) * (w->by_columns ? 1 : w->kernel->nr);
}

/* What a row of them, or by columns a column, is from the next. */
static size_t acc_pitch(const sm_packed *w) {
    return w->by_columns ? sm_column_pitch(w->mc) : w->kernel->nr;
}

static float *y_of(const strip *s, size_t block) {
    const sm_args *a = s->j->args;
    return a->y + (ptrdiff_t)s->j->w->block_row[block] * a->y_rs + (ptrdiff_t)s->n0 * a->y_cs;
}

/* One row block x one K tile. */
static void run_segment(strip *s, size_t block, size_t tile, view x) {
    const sm_packed *w = s->j->w;
    const sm_args *a = s->j->args;
    float *acc = acc_of(s, block);
    const ptrdiff_t pitch = (ptrdiff_t)acc_pitch(w);
    const size_t asked = s->next.runs > 0 ? sm_ceil_div(s->next.runs, s->next.calls) : 0;
    const sm_tile t = {.block = block,
                       .tile = tile,
                       .x = x.x,
                       .x_rs = x.rs,
                       .acc = acc,
                       .y = s->turned ? acc : y_of(s, block),
                       .y_rs = s->turned ? pitch : a->y_rs,
                       .x_cs = x.cs,
                       .acc_cs = pitch,
                       .y_cs = s->turned ? pitch : a->y_cs,
                       .ahead = s->next.x,
                       .ahead_rs = s->next.rs,
                       .ahead_runs = asked,
                       .ahead_run = s->next.run,
                       .n = s->n,
                       .bias = a->bias ? a->bias + w->block_row[block] : NULL,
                       .lo = a->lo,
                       .hi = a->hi,
                       .clamp = a->lo > -INFINITY || a->hi < INFINITY,
                       .ask_y = s->j->threads == 1 && rows_first(s->j) ? SM_Y_NEVER : w->ask_y,
                       .asks = w->ask_w == SM_W_PAGES || asked > 0,
                       .first = tile == 0,
                       .last = tile + 1 == w->tiles};
    w->kernel->run(w, &t);
    s->next.calls--;
    if (asked == 0) return;
    s->next.x += (ptrdiff_t)asked * s->next.rs;
    s->next.runs -= asked;
}

static void store_block(const strip *s, size_t block) {
    const sm_packed *w = s->j->w;
    const sm_args *a = s->j->args;
    const size_t rows = sm_block_rows(w, block);
    if (!s->turned) return;
    sm_strip_store(acc_of(s, block), acc_pitch(w), w->by_columns ? s->n : rows,
                   w->by_columns ? rows : s->n, turning(s), y_of(s, block),
                   w->by_columns ? a->y_rs : a->y_cs);
}

/* Blocks [begin, end) of all K tiles, for rows that wait together. */
static void run_tiles(strip *s, size_t begin, size_t end) {
    s->above = s->j->w->block_row[begin];
    for (size_t t = 0; t < s->j->w->tiles; t++) {
        const view x = take_tiles(s, t, t + 1);
        if (t + 1 < s->j->w->tiles)
            look_ahead(s, 0, t + 1, t + 2, end - begin);
        else
            look_ahead(s, 1, 0, 1, end - begin);
        for (size_t b = begin; b < end; b++) run_segment(s, b, t, x);
    }
    for (size_t b = begin; b < end; b++) store_block(s, b);
}

static void run_blocks(strip *s, size_t begin, size_t end) {
    const sm_packed *w = s->j->w;
    const view all = take_tiles(s, 0, w->tiles);
    for (size_t b = begin; b < end; b++) {
        /* Any earlier, and W would have taken it out of L2 again. */
        if (b + 1 == end) look_ahead(s, 1, 0, w->tiles, w->tiles);
        s->above = w->block_row[b];
        for (size_t t = 0; t < w->tiles; t++)
            run_segment(s, b, t, (view){all.x + (ptrdiff_t)(t * w->kt) * all.rs, all.rs, all.cs});
        store_block(s, b);
    }
}

static strip strip_at(const job *j, size_t i, float *x, float *acc) {
    const sm_args *a = j->args;
    const size_t nr = j->w->kernel->nr, n0 = i * nr;
    return (strip){.j = j,
                   .n0 = n0,
                   .n = sm_min_size(nr, a->n - n0),
                   .x = x,
                   .acc = acc,
                   .turned = j->w->by_columns ? a->y_rs != 1 : a->y_cs != 1 && a->y_rs == 1};
}

/* Strip i, blocks [begin, end); more: strip i + 1 is next. */
static void run_strip(const job *j, size_t i, size_t begin, size_t end, int more, float *x,
                      float *acc) {
    strip s = strip_at(j, i, x, acc);
    if (begin == end) return;
    s.more = more;
    if (all_rows_wait(j->w))
        run_tiles(&s, begin, end);
    else
        run_blocks(&s, begin, end);
}

/* As X is packed in a run. */
static void pack_all(const job *j) {
    const size_t tiles = j->w->tiles, step = all_rows_wait(j->w) ? 1 : tiles;
    for (size_t i = 0; i < sm_ceil_div(j->args->n, j->w->kernel->nr); i++) {
        const strip s = strip_at(j, i, j->workspace, NULL);
        for (size_t t = 0; t < tiles; t += step) (void)take_tiles(&s, t, t + step);
    }
}

static size_t queues_of(const job *j) {
    return sm_min_size(j->threads, QUEUES);
}

/* As many strips as every thread can have the same number of. */
static size_t whole_strips(const job *j) {
    return j->strips / j->threads * j->threads;
}

/* Of the whole strips those of queue q: where rows come first, a block of rows through all of them
 * is taken at a time, else a strip. */
static void run_queue(job *j, size_t q, size_t queues, float *x, float *acc) {
    const size_t all = whole_strips(j), blocks = j->w->blocks;
    const size_t first = q * all / queues, end = (q + 1) * all / queues;
    const int by_blocks = rows_first(j);
    const size_t units = by_blocks ? blocks : end - first;
    for (size_t u; (u = atomic_fetch_add(&j->taken[q], 1)) < units;)
        if (by_blocks)
            for (size_t i = first; i < end; i++) run_strip(j, i, u, u + 1, i + 1 < end, x, acc);
        else
            run_strip(j, first + u, 0, blocks, u + 1 < units, x, acc);
}

/* The parts of the strips that are left, in as many shares as there are threads. */
static void run_rest(const job *j, size_t share, float *x, float *acc) {
    const sm_packed *w = j->w;
    const size_t whole = whole_strips(j);
    const size_t units = (j->strips - whole) * w->parts;
    for (size_t u = share * units / j->threads, end = (share + 1) * units / j->threads; u < end;) {
        const size_t s = u / w->parts, first = u % w->parts;
        const size_t last = sm_min_size(first + end - u, w->parts);
        run_strip(j, whole + s, w->part_block[first], w->part_block[last], 0, x, acc);
        u += last - first;
    }
}

/* What thread i does: first what is meant for it, then what others have not come to, for on a
 * machine that is shared, or whose cores differ, some are slower. */
static void run_share(void *arg, size_t i) {
    job *j = arg;
    const size_t queues = queues_of(j);
    float *x = j->workspace + i * thread_floats(j->w, j->args->n);
    float *acc = x + strip_floats(j->w, j->args->n);
    for (size_t q = 0; q < queues; q++) run_queue(j, (i + q) % queues, queues, x, acc);
    for (size_t share; (share = atomic_fetch_add(&j->rest_taken, 1)) < j->threads;)
        run_rest(j, share, x, acc);
}

static void run_all(job *j, sm_parallel_for *parallel_for, void *pool) {
    atomic_size_t taken[QUEUES];
    if (j->args->n == 0) return;
    j->strips = sm_ceil_div(j->args->n, j->w->kernel->nr);
    for (size_t q = 0; q < queues_of(j); q++) atomic_init(&taken[q], 0);
    j->taken = taken;
    if (j->threads == 1 || !parallel_for)
        for (size_t i = 0; i < j->threads; i++) run_share(j, i);
    else
        parallel_for(pool, j->threads, run_share, j);
    j->taken = NULL;
}

void sm_driver_run(const sm_packed *w, const sm_args *args, size_t threads,
                   sm_parallel_for *parallel_for, void *pool, void *workspace) {
    job j = {.w = w, .args = args, .workspace = workspace, .threads = threads};
    run_all(&j, parallel_for, pool);
}

void sm_driver_pack_x(const sm_packed *w, const sm_args *args, void *workspace) {
    const job j = {.w = w, .args = args, .workspace = workspace};
    pack_all(&j);
}

/* Whether rows of X are the image as it lies there: a window of one pixel that skips none. */
static int is_matrix(const sm_conv_args *c) {
    return c->kernel_h == 1 && c->kernel_w == 1 && c->stride_h == 1 && c->stride_w == 1 &&
           c->pad_left == 0 && c->out_w == c->width && c->pad_top <= 0 &&
           (size_t)-c->pad_top + c->out_h <= c->height;
}

/* A convolution's Y and what is done to it, and X where that is a matrix. */
static job conv_job(const sm_packed *w, const sm_conv_args *c, sm_args *args, void *workspace) {
    *args = (sm_args){.x_cs = 1,
                      .y = c->y,
                      .y_rs = c->y_rs,
                      .y_cs = 1,
                      .n = c->out_h * c->out_w * c->batch,
                      .bias = c->bias,
                      .lo = c->lo,
                      .hi = c->hi};
    job j = {.w = w, .args = args, .conv = c, .workspace = workspace, .threads = 1};
    if (is_matrix(c)) {
        args->x = c->x - c->pad_top * (ptrdiff_t)(c->width * c->batch);
        args->x_rs = c->x_rs;
        j.conv = NULL;
    }
    return j;
}

void sm_driver_run_conv(const sm_packed *w, const sm_conv_args *conv, size_t threads,
                        sm_parallel_for *parallel_for, void *pool, void *workspace) {
    sm_args args;
    job j = conv_job(w, conv, &args, workspace);
    j.threads = threads;
    run_all(&j, parallel_for, pool);
}

void sm_driver_pack_conv(const sm_packed *w, const sm_conv_args *conv, void *workspace) {
    sm_args args;
    const job j = conv_job(w, conv, &args, workspace);
    pack_all(&j);
}
