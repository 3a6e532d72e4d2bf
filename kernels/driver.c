/* What all kernels share: strips of X, row blocks and K tiles of W, partial sums, threads.
 * Nest, outermost first: strip (packed once, in L2), row block (its partial sums stay near), K tile
 * (its part of the strip stays in L1), then the kernel over the block's panels. */
#include "packed.h"

/* Floats of one thread's workspace: the strip, then the partial sums of a row block. */
static size_t strip_floats(const sm_packed *w) {
    return w->cols * w->kernel->nr;
}

static size_t round_up(size_t n, size_t unit) {
    return sm_ceil_div(n, unit) * unit;
}

static size_t thread_floats(const sm_packed *w) {
    enum { LINE = 16 }; /* floats in 64 bytes: threads do not share lines, buffers are aligned */
    return round_up(strip_floats(w), LINE) + round_up(w->mc * w->kernel->nr, LINE);
}

size_t sm_driver_workspace(const sm_packed *w, size_t n, size_t threads) {
    (void)n;
    return thread_floats(w) * threads * sizeof(float);
}

/* Every level but the first, which is the baseline. */
static int has_avx2(const sm_packed *w) {
    return w->kernel->level > 0;
}

typedef struct job {
    const sm_packed *w;
    const sm_args *args;
    const sm_conv_args *conv; /* X is an image; NULL: args say where it is */
    float *workspace;
    size_t strips, threads;
} job;

/* One strip x one row block: all K tiles. */
static void run_block(const job *j, size_t block, size_t n0, const float *strip, float *acc) {
    const sm_packed *w = j->w;
    const sm_args *a = j->args;
    const size_t nr = w->kernel->nr, m0 = w->block_row[block];
    const int token_major = a->y_cs != 1 && a->y_rs == 1;
    float *y = a->y + (ptrdiff_t)m0 * a->y_rs + (ptrdiff_t)n0 * a->y_cs;
    sm_tile t = {.block = block, .acc = acc, .n = sm_min_size(nr, a->n - n0)};
    t.y = token_major ? acc : y;
    t.y_rs = token_major ? (ptrdiff_t)nr : a->y_rs;
    t.bias = a->bias ? a->bias + m0 : NULL;
    t.lo = a->lo;
    t.hi = a->hi;
    for (t.tile = 0; t.tile < w->tiles; t.tile++) {
        t.x = strip + t.tile * w->kt * nr;
        t.first = t.tile == 0;
        t.last = t.tile + 1 == w->tiles;
        w->kernel->run(w, &t);
    }
    if (token_major) sm_strip_store(acc, nr, sm_block_rows(w, block), t.n, has_avx2(w), y, a->y_cs);
}

static void pack_strip(const job *j, size_t n0, float *strip) {
    const sm_args *a = j->args;
    const size_t nr = j->w->kernel->nr, n = sm_min_size(nr, a->n - n0);
    if (j->conv)
        sm_strip_pack_conv(j->conv, n0, n, nr, strip);
    else
        sm_strip_pack(a->x + (ptrdiff_t)n0 * a->x_cs, a->x_rs, a->x_cs, j->w->cols, n, nr,
                      has_avx2(j->w), strip);
}

static void pack_all(const job *j) {
    for (size_t n0 = 0; n0 < j->args->n; n0 += j->w->kernel->nr) pack_strip(j, n0, j->workspace);
}

/* Strip s, blocks [begin, end). */
static void run_strip(const job *j, size_t s, size_t begin, size_t end, float *strip, float *acc) {
    const size_t n0 = s * j->w->kernel->nr;
    if (begin == end) return;
    pack_strip(j, n0, strip);
    for (size_t b = begin; b < end; b++) run_block(j, b, n0, strip, acc);
}

/* What thread i does: as many whole strips as every thread can have, for threads share no X then,
 * and its share of the parts of the strips that are left. */
static void run_share(void *arg, size_t i) {
    const job *j = arg;
    const sm_packed *w = j->w;
    const size_t whole = j->strips / j->threads, rest = whole * j->threads;
    const size_t units = (j->strips - rest) * w->parts;
    float *strip = j->workspace + i * thread_floats(w);
    float *acc = strip + round_up(strip_floats(w), 16);
    for (size_t s = i * whole; s < (i + 1) * whole; s++) run_strip(j, s, 0, w->blocks, strip, acc);
    for (size_t u = i * units / j->threads, end = (i + 1) * units / j->threads; u < end;) {
        const size_t s = u / w->parts, first = u % w->parts;
        const size_t last = sm_min_size(first + end - u, w->parts);
        run_strip(j, rest + s, w->part_block[first], w->part_block[last], strip, acc);
        u += last - first;
    }
}

static void run_all(job *j, sm_parallel_for *parallel_for, void *pool) {
    if (j->args->n == 0) return;
    j->strips = sm_ceil_div(j->args->n, j->w->kernel->nr);
    if (j->threads == 1 || !parallel_for)
        for (size_t i = 0; i < j->threads; i++) run_share(j, i);
    else
        parallel_for(pool, j->threads, run_share, j);
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
