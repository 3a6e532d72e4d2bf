/* From a measured group to the cells of the record. */
#include "measure/group.h"
#include "measure/rounds.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *copy(const char *text) {
    char *s = strdup(text);
    if (!s) abort(); /* a few bytes */
    return s;
}

static void identity(const group *g, const sm_candidate *c, sm_cell *cell) {
    const sm_point *p = g->point;
    const sm_kernel *k = c->info.kernel;
    cell->group = copy(p->key);
    cell->kernel = copy(c->name);
    cell->peer = copy(c->peer);
    cell->op = copy(k ? k->op : p->n == 1 ? "spmv" : "spmm");
    cell->pattern = copy(sm_pattern_name(&p->pattern).s);
    cell->format = copy(c->format);
    cell->dtype = copy("f32");
    cell->isa = copy(k ? k->isa : "");
    cell->variant = copy(k ? k->variant : "");
    cell->mr = k ? (int64_t)k->mr : 0;
    cell->nr = k ? (int64_t)k->nr : 0;
    cell->kt = (int64_t)c->info.kt;
    cell->mc = (int64_t)c->info.mc;
    cell->layer = copy(p->source->layer);
    cell->source = copy(p->source->path ? p->source->path : "builtin");
    cell->provenance = copy(p->source->provenance);
    cell->m = (int64_t)g->operands.w.rows;
    cell->k = (int64_t)g->operands.w.cols;
    cell->n = (int64_t)p->n;
    cell->layout = copy(p->layout == SM_TOKEN_MAJOR ? "token" : "feature");
    cell->nnz = (int64_t)g->operands.w.nnz;
    cell->sparsity_asked = p->sparsity;
    cell->sparsity = 1.0 - (double)cell->nnz / ((double)cell->m * (double)cell->k);
    cell->threads = (int64_t)p->threads;
    cell->cache = copy(p->cold ? "cold-weights" : "warm");
    cell->seed = (int64_t)g->session->options->seed;
    cell->pack_ns = c->pack_ns;
    cell->err_bound_ratio = c->err_bound_ratio;
    cell->verified_share = g->operands.verified_share;
}

static void traffic(const sm_candidate *c, sm_cell *cell) {
    cell->bytes_dense_weights = 4 * cell->m * cell->k;
    cell->bytes_weights = (int64_t)sm_candidate_weight_bytes(c);
    cell->bytes_moved = cell->bytes_weights + 4 * (cell->k + cell->m) * cell->n;
}

static void mark(char *marks, size_t size, const char *word) {
    const size_t used = strlen(marks);
    snprintf(marks + used, size - used, "%s%s", used ? " " : "", word);
}

static void samples(const group *g, const sm_candidate *c, sm_cell *cell) {
    cell->sample_count = (int64_t)g->rounds;
    cell->samples_ns = malloc((g->rounds + 1) * sizeof *cell->samples_ns);
    cell->sample_taints = malloc((g->rounds + 1) * sizeof *cell->sample_taints);
    if (!cell->samples_ns || !cell->sample_taints) abort(); /* a few hundred bytes */
    memcpy(cell->samples_ns, c->ns, g->rounds * sizeof *c->ns);
    memcpy(cell->sample_taints, c->taints, g->rounds * sizeof *c->taints);
}

static void times(group *g, sm_candidate *c, sm_cell *cell, char *marks, size_t size) {
    const double precision = g->session->options->precision;
    const sm_estimate t = sm_rounds_time(c, g->rounds);
    int converged = sm_estimate_converged(&t, precision), noisy = t.noisy;
    samples(g, c, cell);
    cell->time_ns_median = t.median;
    cell->time_ns_p25 = t.p25;
    cell->ci_low_ns = t.low;
    cell->ci_high_ns = t.high;
    const double products = (double)cell->m * (double)cell->k * (double)cell->n;
    cell->gflops_nnz = 2.0 * (double)cell->nnz * (double)cell->n / t.median;
    cell->gflops_dense = 2.0 * products / t.median;
    cell->gbytes_s = (double)cell->bytes_moved / t.median;
    cell->roof_limit = copy(sm_cell_limits(g, c, cell));
    cell->pack_x_share = sm_candidate_pack_x_share(c, t.median);
    if (g->dense >= 0) {
        const sm_candidate *d = &g->items[g->dense];
        const sm_estimate r = sm_rounds_ratio(d, c, g->rounds);
        cell->dense_time_ns_median = sm_rounds_time(d, g->rounds).median;
        cell->speedup_dense = r.median;
        cell->speedup_ci_low = r.low;
        cell->speedup_ci_high = r.high;
        /* The ratio is the result; the time alone may drift with the machine. */
        if (d != c) converged = sm_estimate_converged(&r, precision);
        noisy |= r.noisy;
    }
    cell->converged = converged;
    if (noisy) mark(marks, size, "noisy");
    if (!converged) mark(marks, size, "!precision");
    if (sm_cell_not_cold(g, cell)) mark(marks, size, "not-cold");
}

static void no_times(sm_cell *cell) {
    cell->time_ns_median = cell->time_ns_p25 = cell->ci_low_ns = cell->ci_high_ns = NAN;
    cell->gflops_nnz = cell->gflops_dense = cell->gbytes_s = cell->pack_x_share = NAN;
    cell->arithmetic_intensity = cell->roof_gflops = cell->roof_share = NAN;
    cell->roof_limit = copy("");
    cell->samples_ns = NULL;
    cell->sample_taints = NULL;
}

static void fill(group *g, sm_candidate *c, sm_cell *cell) {
    char marks[128] = "";
    if (g->point->source->im2col) mark(marks, sizeof marks, "im2col-gemm");
    identity(g, c, cell);
    traffic(c, cell);
    cell->dense_time_ns_median = cell->speedup_dense = NAN;
    cell->speedup_ci_low = cell->speedup_ci_high = NAN;
    if (c->err_bound_ratio > 1.0) {
        no_times(cell);
        mark(marks, sizeof marks, "wrong");
    } else {
        times(g, c, cell, marks, sizeof marks);
    }
    cell->dense_kernel = copy(g->dense >= 0 ? g->items[g->dense].name : "");
    cell->plan_choice = copy(g->plan_choice);
    cell->taints = copy(marks);
}

/* The first of its marks, as it says something about the whole group. */
static void mark_weak(sm_cell *cell) {
    char marks[160] = "weak-baseline";
    if (*cell->taints) mark(marks, sizeof marks, cell->taints);
    free(cell->taints);
    cell->taints = copy(marks);
}

sm_status sm_group_cells(group *g, sm_group *out) {
    out->cells = calloc(g->count + 1, sizeof *out->cells);
    if (!out->cells) return sm_fail(SM_E_NOMEM, "no memory for cells");
    out->count = g->count;
    for (size_t i = 0; i < g->count; i++) {
        fill(g, &g->items[i], &out->cells[i]);
        out->cells[i].group_cells = (int64_t)g->count;
    }
    if (g->dense >= 0 && sm_group_weak_baseline(g, &out->cells[g->dense]))
        for (size_t i = 0; i < g->count; i++) mark_weak(&out->cells[i]);
    return SM_OK;
}

void sm_group_free(sm_group *cells) {
    for (size_t i = 0; i < cells->count; i++) sm_cell_free(&cells->cells[i]);
    free(cells->cells);
    *cells = (sm_group){0};
}
