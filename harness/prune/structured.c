/* Pruning of whole blocks and whole rows: every block or row gets one score, and the scores are cut
 * at their k-th largest as weights are. Limit: one read of w for the scores, one for the zeros. */
#include "prune/prune.h"
#include "prune/threshold.h"
#include <math.h>
#include <string.h>

/* A matrix under a grid of blocks; the last blocks of a row and of a column may be cut. */
typedef struct grid {
    size_t rows, cols, r, c; /* r <= rows, c <= cols */
    size_t down, across;     /* blocks */
} grid;

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* rows and cols are at least 1. */
static grid make_grid(size_t rows, size_t cols, size_t r, size_t c) {
    grid g = {rows, cols, least(r, rows), least(c, cols), 0, 0};
    g.down = 1 + (rows - 1) / g.r;
    g.across = 1 + (cols - 1) / g.c;
    return g;
}

static float pool_weight(float pooled, float w, sm_pooling pool) {
    const float magnitude = fabsf(w);
    if (pool == SM_POOL_AVG) return pooled + magnitude;
    return sm_magnitude_bits(magnitude) > sm_magnitude_bits(pooled) ? magnitude : pooled;
}

/* One row of w into one row of scores; sums grow in the order of a block's elements. */
static void pool_row(const grid *g, const float *w, sm_pooling pool, float *score) {
    for (size_t b = 0; b < g->across; b++) {
        const size_t end = least((b + 1) * g->c, g->cols);
        float pooled = score[b];
        for (size_t k = b * g->c; k < end; k++) pooled = pool_weight(pooled, w[k], pool);
        score[b] = pooled;
    }
}

/* Blocks that are cut are divided by the weights they have. */
static void pool_blocks(const grid *g, const float *w, sm_pooling pool, float *score) {
    memset(score, 0, g->down * g->across * sizeof *score);
    for (size_t a = 0; a < g->down; a++, score += g->across) {
        const size_t end = least((a + 1) * g->r, g->rows);
        for (size_t i = a * g->r; i < end; i++) pool_row(g, w + i * g->cols, pool, score);
        if (pool == SM_POOL_MAX) continue;
        const size_t height = end - a * g->r;
        for (size_t b = 0; b < g->across; b++)
            score[b] /= (float)(height * least(g->c, g->cols - b * g->c));
    }
}

/* L2 norms; double holds the square of every float. */
static void norm_rows(const grid *g, const float *w, float *score) {
    for (size_t i = 0; i < g->rows; i++) {
        double squares = 0;
        for (size_t k = 0; k < g->cols; k++) {
            const double v = (double)w[i * g->cols + k];
            squares += v * v;
        }
        score[i] = (float)sqrt(squares);
    }
}

static sm_status cut(const grid *g, const float *score, double sparsity, float *w) {
    uint32_t threshold;
    SM_TRY(sm_threshold(score, g->down * g->across, sparsity, &threshold));
    for (size_t i = 0; i < g->rows; i++, w += g->cols) {
        const float *of_row = score + i / g->r * g->across;
        for (size_t b = 0; b < g->across; b++) {
            const uint32_t keep = sm_magnitude_bits(of_row[b]) >= threshold ? UINT32_MAX : 0;
            const size_t end = least((b + 1) * g->c, g->cols);
            for (size_t k = b * g->c; k < end; k++) sm_keep(&w[k], keep);
        }
    }
    return SM_OK;
}

static sm_status make_scores(const grid *g, float **score) {
    *score = sm_alloc(g->down * g->across, sizeof **score);
    if (*score) return SM_OK;
    return sm_fail(SM_E_NOMEM, "no memory for the scores of %zu x %zu blocks", g->down, g->across);
}

sm_status sm_prune_block(float *w, size_t rows, size_t cols, size_t r, size_t c, sm_pooling pool,
                         double sparsity) {
    if (rows == 0 || cols == 0) return SM_OK;
    const grid g = make_grid(rows, cols, r, c);
    float *score;
    SM_TRY(make_scores(&g, &score));
    pool_blocks(&g, w, pool, score);
    const sm_status status = cut(&g, score, sparsity, w);
    sm_free(score);
    return status;
}

sm_status sm_prune_rows(float *w, size_t rows, size_t cols, double sparsity) {
    if (rows == 0 || cols == 0) return SM_OK;
    const grid g = make_grid(rows, cols, 1, cols);
    float *score;
    SM_TRY(make_scores(&g, &score));
    norm_rows(&g, w, score);
    const sm_status status = cut(&g, score, sparsity, w);
    sm_free(score);
    return status;
}
