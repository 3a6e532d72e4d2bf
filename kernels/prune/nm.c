/* N:M pruning: of every M inputs the N largest stay. A weight's rank in its group is the number of
 * weights that beat it, so there is nothing to sort and no branch to mispredict; many groups go
 * side by side, one a lane, so that the compiler makes vectors of them. Limit: M compares a weight;
 * memory for small M. */
#include "prune/mask.h"
#include "prune/threshold.h"
#include "sizes.h"

enum { LANES = 256 };

/* Groups whose elements lie alike: element j of lane l is at l * lane_step + j * step, its score
 * the sum over `rows` weights row_step apart. */
typedef struct groups {
    size_t lanes, lane_step;
    size_t m, step;
    size_t rows, row_step;
} groups;

/* |score| of element j as integers: the bits of a sum of magnitudes order like it. */
static void load(const groups *g, const float *restrict at, size_t lanes, int32_t *restrict score) {
    const size_t step = g->lane_step;
    if (g->rows == 1) {
        if (step == 1)
            for (size_t l = 0; l < lanes; l++) score[l] = (int32_t)sm_magnitude_bits(at[l]);
        else
            for (size_t l = 0; l < lanes; l++) score[l] = (int32_t)sm_magnitude_bits(at[l * step]);
        return;
    }
    float sum[LANES];
    for (size_t l = 0; l < lanes; l++) sum[l] = fabsf(at[l * step]);
    for (size_t i = 1; i < g->rows; i++)
        for (size_t l = 0; l < lanes; l++) sum[l] += fabsf(at[l * step + i * g->row_step]);
    for (size_t l = 0; l < lanes; l++) score[l] = (int32_t)sm_magnitude_bits(sum[l]);
}

/* Ties go to the lower index. */
static void beaten(const int32_t (*restrict score)[LANES], size_t m, size_t i, size_t lanes,
                   int32_t *restrict rank) {
    for (size_t l = 0; l < lanes; l++) rank[l] = 0;
    for (size_t j = 0; j < i; j++)
        for (size_t l = 0; l < lanes; l++) rank[l] += score[j][l] >= score[i][l];
    for (size_t j = i + 1; j < m; j++)
        for (size_t l = 0; l < lanes; l++) rank[l] += score[j][l] > score[i][l];
}

static void store(const groups *g, const int32_t *restrict rank, size_t lanes, int32_t n,
                  uint8_t *restrict mask) {
    for (size_t i = 0; i < g->rows; i++, mask += g->row_step)
        for (size_t l = 0; l < lanes; l++) mask[l * g->lane_step] = rank[l] < n;
}

static void mask_groups(const groups *g, size_t n, const float *score, uint8_t *mask) {
    int32_t tile[SM_MOST_M][LANES], rank[LANES];
    for (size_t first = 0; first < g->lanes; first += LANES) {
        const size_t lanes = sm_min_size(g->lanes - first, LANES);
        const size_t at = first * g->lane_step;
        for (size_t j = 0; j < g->m; j++) load(g, score + at + j * g->step, lanes, tile[j]);
        for (size_t i = 0; i < g->m; i++) {
            beaten((const int32_t(*)[LANES])tile, g->m, i, lanes, rank);
            store(g, rank, lanes, (int32_t)n, mask + at + i * g->step);
        }
    }
}

typedef struct axis {
    size_t count, step;
} axis;

/* The axis that becomes lanes comes first: the one whose neighbours are nearest. */
static void nearest_first(axis *a) {
    for (size_t i = 1; i < 3; i++)
        if (a[0].count == 1 || (a[i].count > 1 && a[i].step < a[0].step)) {
            const axis other = a[0];
            a[0] = a[i];
            a[i] = other;
        }
}

/* `in` inputs from the i-th on in groups of m, `out` outputs from the o-th on in strips of v; both
 * divide. */
static void mask_part(const sm_mask_job *job, size_t o, size_t out, size_t v, size_t i, size_t in,
                      size_t m) {
    const sm_weights *w = &job->weights;
    if (out == 0 || in == 0) return;
    axis a[3] = {{w->space, w->space_step}, {out / v, v * w->out_step}, {in / m, m * w->in_step}};
    nearest_first(a);
    const groups g = {a[0].count, a[0].step, m, w->in_step, v, w->out_step};
    const size_t first = o * w->out_step + i * w->in_step;
    for (size_t y = 0; y < a[1].count; y++)
        for (size_t x = 0; x < a[2].count; x++) {
            const size_t at = first + y * a[1].step + x * a[2].step;
            mask_groups(&g, job->options->pattern.n, job->score + at, job->mask + at);
        }
}

sm_status sm_mask_nm(const sm_mask_job *job) {
    const sm_weights *w = &job->weights;
    const sm_pattern *p = &job->options->pattern;
    *job->threshold = NAN;
    if (p->n < p->m && w->in <= p->n)
        return sm_fail(
            SM_E_ARG,
            "%s: weights of %zu input%s: expected more than %zu, since every group keeps "
            "%zu: nothing is pruned (TFMOT leaves it alone silently)",
            sm_pattern_name(p).s, w->in, w->in == 1 ? "" : "s", p->n, p->n);
    const size_t in = w->in / p->m * p->m, out = w->out / p->v * p->v;
    mask_part(job, 0, out, p->v, 0, in, p->m);
    mask_part(job, 0, out, p->v, in, w->in - in, w->in - in);
    mask_part(job, out, w->out - out, w->out - out, 0, in, p->m);
    mask_part(job, out, w->out - out, w->out - out, in, w->in - in, w->in - in);
    return SM_OK;
}
