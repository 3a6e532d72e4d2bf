/* A cell's time set against what the machine can do: the roof at the cell's arithmetic intensity,
 * and the two marks that follow from it. Bytes are modelled, see results/README.md. */
#include "measure/group.h"
#include <math.h>

/* A dense opponent slower than this share of its roof has picked a kernel for another CPU. */
static const double WEAK_SHARE = 0.75;
/* Small products cannot reach the roof: their fixed costs show. */
static const double WEAK_PRODUCTS = 67108864; /* 2^26 */
/* Weights that arrive this much faster than memory delivers came from a cache. */
static const double NOT_COLD = 1.05;

/* FLOP a call: a dense kernel multiplies the zeros too. */
static double work(const sm_candidate *c, const sm_cell *cell) {
    const double weights = c->dense ? (double)cell->m * (double)cell->k : (double)cell->nnz;
    return 2.0 * weights * (double)cell->n;
}

/* min(peak, intensity x bandwidth) in GFLOP/s, and which of the two it is. */
static double roof_of(const group *g, const sm_cell *cell, double intensity, const char **limit) {
    const sm_roof *roof = g->session->roof;
    const char *ceiling = g->session->options->ceiling;
    const size_t threads = g->point->threads;
    const size_t memory =
        g->point->cold ? (size_t)SM_ROOF_DRAM : sm_roof_memory((size_t)cell->bytes_moved, threads);
    const double peak = sm_roof_fma(roof, ceiling ? ceiling : "", threads);
    const double stream = intensity * sm_roof_read(roof, memory, threads);
    *limit = isnan(stream + peak) ? "" : stream < peak ? sm_roof_memory_name(memory) : "fma";
    return stream < peak ? stream : peak;
}

const char *sm_cell_limits(const group *g, const sm_candidate *c, sm_cell *cell) {
    const char *limit = "";
    cell->arithmetic_intensity = work(c, cell) / (double)cell->bytes_moved;
    cell->roof_gflops = cell->roof_share = NAN;
    if (!g->session->roof) return limit;
    cell->roof_gflops = roof_of(g, cell, cell->arithmetic_intensity, &limit);
    cell->roof_share = work(c, cell) / cell->time_ns_median / cell->roof_gflops;
    return limit;
}

int sm_group_weak_baseline(const group *g, const sm_cell *dense) {
    const double products = (double)dense->m * (double)dense->k * (double)dense->n;
    return g->session->roof && products >= WEAK_PRODUCTS && dense->roof_share < WEAK_SHARE;
}

int sm_cell_not_cold(const group *g, const sm_cell *cell) {
    if (!g->point->cold || !g->session->roof) return 0;
    const double gbytes_s = (double)cell->bytes_weights / cell->time_ns_median;
    return gbytes_s > NOT_COLD * sm_roof_read(g->session->roof, SM_ROOF_DRAM, g->point->threads);
}
