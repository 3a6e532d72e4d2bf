/* Pruning of whole blocks: every block gets one score, and the scores are cut at their k-th largest
 * as weights are. Limit: one read of the scores for the blocks', one write of the mask. */
#include "prune/mask.h"
#include "prune/threshold.h"
#include "sizes.h"
#include <sparsemark/matrix.h>

typedef struct span {
    size_t first, end;
} span;

/* Window i of size side over [0, extent), where all of them begin `before` ahead of 0. */
static span window(size_t i, size_t side, size_t before, size_t extent) {
    const size_t first = i * side, end = sm_min_size(first + side - before, extent);
    return (span){first > before ? first - before : 0, end};
}

/* How far ahead TFMOT's pooling begins: half of what the last block lacks, the smaller half. */
static size_t padding_before(size_t blocks, size_t side, size_t extent) {
    return (blocks * side - extent) / 2;
}

static float larger(float a, float b) {
    return a > b ? a : b;
}

/* The block's pieces in row o, added to pooled in their order. */
static float pool_row(const sm_mask_job *job, size_t o, span cols, float pooled) {
    sm_row_walk walk = sm_row_start(&job->weights, o, cols.first);
    if (job->options->pool == SM_POOL_MAX)
        for (size_t k = cols.first; k < cols.end; k++, sm_row_next(&job->weights, &walk))
            pooled = larger(pooled, fabsf(job->score[walk.at]));
    else
        for (size_t k = cols.first; k < cols.end; k++, sm_row_next(&job->weights, &walk))
            pooled += fabsf(job->score[walk.at]);
    return pooled;
}

/* The mean over the weights that are there. TFMOT takes it over inputs first, then over outputs. */
static float pool_block(const sm_mask_job *job, span rows, span cols) {
    const float height = (float)(rows.end - rows.first), width = (float)(cols.end - cols.first);
    const int maximum = job->options->pool == SM_POOL_MAX;
    float pooled = 0.0f;
    if (job->options->tfmot && !maximum) {
        for (size_t o = rows.first; o < rows.end; o++)
            pooled += pool_row(job, o, cols, 0.0f) / width;
        return pooled / height;
    }
    for (size_t o = rows.first; o < rows.end; o++) pooled = pool_row(job, o, cols, pooled);
    return maximum ? pooled : pooled / (height * width);
}

static void pool_blocks(const sm_mask_job *job, const sm_grid *g, float *score) {
    const sm_weights *w = &job->weights;
    const size_t cols = w->in * w->space;
    const size_t up = job->options->tfmot ? padding_before(g->down, g->r, w->out) : 0;
    const size_t left = job->options->tfmot ? padding_before(g->across, g->c, cols) : 0;
    const size_t count = g->down * g->across;
    /* In the order in which the tensor lies in memory. */
    for (size_t i = 0; i < count; i++) {
        const size_t a = w->out_step == 1 ? i % g->down : i / g->across;
        const size_t b = w->out_step == 1 ? i / g->down : i % g->across;
        score[a * g->across + b] =
            pool_block(job, window(a, g->r, up, w->out), window(b, g->c, left, cols));
    }
}

static void mask_row(const sm_weights *w, size_t o, span cols, uint8_t keep, uint8_t *mask) {
    sm_row_walk walk = sm_row_start(w, o, cols.first);
    for (size_t k = cols.first; k < cols.end; k++, sm_row_next(w, &walk)) mask[walk.at] = keep;
}

void sm_mask_grid(const sm_mask_job *job, const sm_grid *g, const float *score) {
    const sm_weights *w = &job->weights;
    const size_t count = g->down * g->across;
    const sm_scores scores = {&score, &count, 1};
    const uint32_t bits = sm_threshold_bits(&scores, job->options->sparsity, job->options->tfmot);
    *job->threshold = sm_threshold_value(bits);
    for (size_t i = 0; i < count; i++) {
        const size_t a = w->out_step == 1 ? i % g->down : i / g->across;
        const size_t b = w->out_step == 1 ? i / g->down : i % g->across;
        const uint8_t keep = sm_magnitude_bits(score[a * g->across + b]) >= bits;
        const span rows = window(a, g->r, 0, w->out);
        for (size_t o = rows.first; o < rows.end; o++)
            mask_row(w, o, window(b, g->c, 0, w->in * w->space), keep, job->mask);
    }
}

/* TFMOT refuses tensors that are no matrix, and loses an axis of a single block on its way. */
static sm_status check_tfmot(const sm_mask_job *job, const sm_grid *g) {
    const sm_weights_order order = job->options->order;
    const sm_pattern_text name = sm_pattern_name(&job->options->pattern);
    if (order == SM_ORDER_OIHW || order == SM_ORDER_HWIO)
        return sm_fail(SM_E_ARG, "%s of a convolution: expected a matrix as in TFMOT", name.s);
    if (g->down > 1 && g->across > 1) return SM_OK;
    return sm_fail(SM_E_ARG,
                   "%s of %zu x %zu weights (outputs x inputs): expected at least two "
                   "blocks each way as in TFMOT, got %zu x %zu",
                   name.s, job->weights.out, job->weights.in, g->down, g->across);
}

sm_status sm_mask_block(const sm_mask_job *job) {
    const sm_weights *w = &job->weights;
    const sm_pattern *p = &job->options->pattern;
    sm_grid g = {sm_min_size(p->r, w->out), sm_min_size(p->c, w->in * w->space), 0, 0};
    g.down = 1 + (w->out - 1) / g.r;
    g.across = 1 + (w->in * w->space - 1) / g.c;
    if (job->options->tfmot) SM_TRY(check_tfmot(job, &g));
    float *score = sm_alloc(g.down * g.across, sizeof *score);
    if (!score)
        return sm_fail(SM_E_NOMEM, "no memory for the scores of %zu x %zu blocks", g.down,
                       g.across);
    pool_blocks(job, &g, score);
    sm_mask_grid(job, &g, score);
    sm_free(score);
    return SM_OK;
}
