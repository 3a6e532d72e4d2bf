/* The A/A run: a sparse and a dense kernel, two packed copies of each, timed in turn by the engine
 * that measures everything else. A and its copy differ by nothing but where their data lies. */
#include "doctor/doctor.h"
#include "input/input.h"
#include "measure/axes.h"
#include "measure/clock.h"
#include "measure/rounds.h"
#include "measure/stats.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SPARSE, SPARSE_COPY, DENSE, DENSE_COPY, ARMS };
/* No interval is that narrow: the engine goes on until its rounds or the time are used up. */
static const double NEVER = -1;

typedef struct arm {
    sm_candidate candidate;
    double *ns; /* of all batches */
    int64_t *taints;
} arm;

typedef struct aa_run {
    sm_operands operands;
    sm_watch *watch;
    arm arms[ARMS];
    size_t rounds;
} aa_run;

static sm_status add_arm(aa_run *r, size_t i, const sm_plan_options *options, int *wrong) {
    sm_candidate *c = &r->arms[i].candidate;
    SM_TRY(sm_candidate_plan(&r->operands, options, c));
    c->watch = r->watch;
    *wrong |= !sm_candidate_verify(c);
    return SM_OK;
}

/* The fastest kernel with one of the formats, and the same again. */
static sm_status add_pair(aa_run *r, size_t first, uint32_t formats, int *wrong) {
    sm_plan_options options = {.size = sizeof options,
                               .n = SM_AA_N,
                               .threads = 1,
                               .format_mask = formats,
                               .budget_s = 0.2};
    SM_TRY(add_arm(r, first, &options, wrong));
    const sm_plan_info *info = &r->arms[first].candidate.info;
    options.kernel = info->kernel->name;
    options.kt = info->kt;
    options.mc = info->mc;
    return add_arm(r, first + 1, &options, wrong);
}

static sm_status prepare(aa_run *r, int *wrong) {
    enum { SEED = 1 };
    char name[] = "doctor";
    const sm_source source = {.layer = name, .m = SM_AA_M, .k = SM_AA_K};
    const sm_pattern unstructured = {0};
    sm_csr w;
    SM_TRY(sm_source_matrix(&source, &unstructured, SM_AA_SPARSITY, SEED, &w));
    SM_TRY(sm_operands_create(&w, SM_AA_N, SM_FEATURE_MAJOR, SEED + 1, &r->operands));
    SM_TRY(sm_watch_create(&r->watch));
    const uint32_t dense = sm_axes_format_mask("dense");
    SM_TRY(add_pair(r, SPARSE, ((1u << sm_format_count()) - 1) & ~dense, wrong));
    return add_pair(r, DENSE, dense, wrong);
}

/* Keeps a batch's samples: the next batch overwrites them. */
static sm_status keep(arm *a, size_t before, size_t rounds) {
    double *ns = reallocarray(a->ns, before + rounds, sizeof *ns);
    if (ns) a->ns = ns;
    int64_t *taints = reallocarray(a->taints, before + rounds, sizeof *taints);
    if (taints) a->taints = taints;
    if (!ns || !taints) return sm_fail(SM_E_NOMEM, "no memory for %zu samples", before + rounds);
    memcpy(ns + before, a->candidate.ns, rounds * sizeof *ns);
    memcpy(taints + before, a->candidate.taints, rounds * sizeof *taints);
    return SM_OK;
}

static sm_status time_arms(aa_run *r, double seconds) {
    const double deadline = clock_ns() + 1e9 * seconds;
    sm_candidate *candidates[ARMS];
    for (size_t i = 0; i < ARMS; i++) candidates[i] = &r->arms[i].candidate;
    do {
        size_t rounds;
        const double left = (deadline - clock_ns()) / 1e9;
        SM_TRY(sm_rounds_run(candidates, ARMS, 0, NEVER, left, &rounds));
        for (size_t i = 0; i < ARMS; i++) SM_TRY(keep(&r->arms[i], r->rounds, rounds));
        r->rounds += rounds;
    } while (clock_ns() < deadline);
    return SM_OK;
}

static double spread_of(const double *values, size_t count) {
    return sm_quantile(values, count, 0.9) / sm_quantile(values, count, 0.1);
}

static sm_status compare(const arm *first, const arm *second, size_t rounds, sm_aa_row *row) {
    int64_t *taints = malloc(rounds * sizeof *taints);
    double *ratios = malloc(rounds * sizeof *ratios);
    if (taints && ratios) {
        for (size_t i = 0; i < rounds; i++) {
            taints[i] = first->taints[i] | second->taints[i];
            ratios[i] = first->ns[i] / second->ns[i];
        }
        row->pairs = sm_pairs_of(first->ns, second->ns, taints, rounds);
        row->drift = spread_of(ratios, rounds);
    }
    const int enough = taints && ratios;
    free(taints);
    free(ratios);
    return enough ? SM_OK : sm_fail(SM_E_NOMEM, "no memory for %zu pairs", rounds);
}

/* A run takes MAX_ROUNDS rounds at most and leaves out the disturbed ones. */
static void detect(sm_aa_row *row) {
    const double quiet = (double)row->pairs.quiet / (double)row->pairs.count;
    row->detectable = sm_pairs_floor(row->pairs.scatter, MAX_ROUNDS * quiet);
    if (!isnan(row->bias)) row->detectable += row->bias;
}

static sm_status judge_copies(const aa_run *r, size_t first, const char *name, sm_aa_row *row) {
    const arm *a = &r->arms[first], *copy = &r->arms[first + 1];
    *row = (sm_aa_row){.name = name, .kernel = a->candidate.name};
    SM_TRY(compare(a, copy, r->rounds, row));
    row->bias = fabs(row->pairs.ratio - 1);
    row->time_ns = sm_quantile(a->ns, r->rounds, 0.5);
    row->drift = fmax(spread_of(a->ns, r->rounds), spread_of(copy->ns, r->rounds));
    detect(row);
    return SM_OK;
}

static sm_status judge_speedup(const aa_run *r, sm_aa_row *row) {
    *row = (sm_aa_row){.name = "speedup", .kernel = "", .bias = NAN, .time_ns = NAN};
    SM_TRY(compare(&r->arms[DENSE], &r->arms[SPARSE], r->rounds, row));
    detect(row);
    return SM_OK;
}

static void count_taints(const aa_run *r, sm_aa *out) {
    for (size_t a = 0; a < ARMS; a++)
        for (size_t i = 0; i < r->rounds; i++) {
            const int64_t taint = r->arms[a].taints[i];
            out->samples++;
            out->quiet += taint == 0;
            for (size_t bit = 0; bit < SM_TAINTS; bit++) out->tainted[bit] += taint >> bit & 1;
        }
    out->rounds = r->rounds;
}

static double own_cpu_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static sm_status time_and_judge(aa_run *r, double seconds, sm_aa *out) {
    sm_cpu_time before, after;
    const int known = sm_machine_cpu_time("", &before) == 0;
    const double start_ns = clock_ns(), own_s = own_cpu_s();
    SM_TRY(time_arms(r, seconds));
    out->seconds = (clock_ns() - start_ns) / 1e9;
    out->steal_share = out->others_cpus = NAN;
    if (known && sm_machine_cpu_time("", &after) == 0 && after.total > before.total) {
        out->steal_share = (after.stolen - before.stolen) / (after.total - before.total);
        const double others_s = after.busy - before.busy - (own_cpu_s() - own_s);
        out->others_cpus = fmax(0, others_s / out->seconds);
    }
    count_taints(r, out);
    SM_TRY(judge_copies(r, SPARSE, "sparse", &out->rows[SM_AA_SPARSE]));
    SM_TRY(judge_copies(r, DENSE, "dense", &out->rows[SM_AA_DENSE]));
    return judge_speedup(r, &out->rows[SM_AA_SPEEDUP]);
}

sm_status sm_aa_run(double seconds, sm_aa *out) {
    aa_run r = {0};
    *out = (sm_aa){0};
    sm_status status = prepare(&r, &out->wrong);
    if (status == SM_OK && !out->wrong) status = time_and_judge(&r, seconds, out);
    for (size_t i = 0; i < ARMS; i++) {
        sm_candidate_free(&r.arms[i].candidate);
        free(r.arms[i].ns);
        free(r.arms[i].taints);
    }
    sm_watch_free(r.watch);
    sm_operands_free(&r.operands);
    return status;
}

double sm_aa_detectable(const sm_aa *aa) {
    double worst = 0;
    for (size_t i = 0; i < SM_AA_ROWS; i++) worst = fmax(worst, aa->rows[i].detectable);
    return worst;
}

double sm_aa_quiet_share(const sm_aa *aa) {
    return (double)aa->quiet / (double)aa->samples;
}
