/* What a run shows while it goes: a table on stdout, progress on stderr. */
#include "measure/report.h"
#include "measure/gbench.h"
#include "measure/session.h"
#include "whole_file.h"
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Above this share of disturbed samples a run says that the machine was busy. */
#define BUSY_SHARE 0.2

const char *sm_time_text(double ns, char *buf, size_t size) {
    if (isnan(ns))
        snprintf(buf, size, "-");
    else if (ns < 1e6)
        snprintf(buf, size, "%.1f us", ns / 1e3);
    else
        snprintf(buf, size, "%.2f ms", ns / 1e6);
    return buf;
}

/* Of the column of layers. Longer names keep both ends. */
static size_t layer_width;

void sm_report_header(size_t longest_layer) {
    enum { LEAST = 12, MOST = 60 };
    layer_width = longest_layer < LEAST ? LEAST : longest_layer > MOST ? MOST : longest_layer;
    printf("%-*s %-12s %6s %6s %-7s %-38s %10s %10s %22s %8s %6s %9s %7s %9s %6s  %s\n",
           (int)layer_width, "layer", "pattern", "sparse", "N", "layout", "kernel", "dense", "time",
           "speedup [95 % interval]", "GF/s nnz", "GB/s", "of roof", "bytes", "err/bound", "quiet",
           "marks");
}

static void print_layer(const char *layer) {
    char *name = sm_readable(layer);
    if (!name) return;
    const size_t length = strlen(name), start = layer_width / 2, end = layer_width - start - 2;
    if (length <= layer_width)
        printf("%-*s ", (int)layer_width, name);
    else
        printf("%.*s..%s ", (int)start, name, name + length - end);
    free(name);
}

static size_t quiet_samples(const sm_cell *c) {
    size_t quiet = 0;
    for (int64_t i = 0; i < c->sample_count; i++) quiet += c->sample_taints[i] == 0;
    return quiet;
}

static void report_cell(const sm_cell *c) {
    char dense[32], time[32], speedup[64] = "-", roof[24] = "-", quiet[16] = "-";
    if (!isnan(c->speedup_dense))
        snprintf(speedup, sizeof speedup, "%.2f [%.2f, %.2f]", c->speedup_dense, c->speedup_ci_low,
                 c->speedup_ci_high);
    if (!isnan(c->roof_share))
        snprintf(roof, sizeof roof, "%.0f%% %s", 100 * c->roof_share, c->roof_limit);
    if (c->sample_count > 0)
        snprintf(quiet, sizeof quiet, "%.0f%%",
                 100.0 * (double)quiet_samples(c) / (double)c->sample_count);
    const double of_dense = (double)c->bytes_weights / (double)c->bytes_dense_weights;
    print_layer(c->layer);
    printf("%-12s %5.1f%% %6lld %-7s %-38s %10s %10s %22s %8.1f %6.1f %9s %6.1f%% %9.2g %6s  "
           "%s\n",
           c->pattern, 100 * c->sparsity, (long long)c->n, c->layout, c->kernel,
           sm_time_text(c->dense_time_ns_median, dense, sizeof dense),
           sm_time_text(c->time_ns_median, time, sizeof time), speedup, c->gflops_nnz, c->gbytes_s,
           roof, 100 * of_dense, c->err_bound_ratio, quiet, c->taints);
}

void sm_report_group(const sm_cell *cells, size_t count) {
    for (size_t i = 0; i < count; i++) report_cell(&cells[i]);
    fflush(stdout);
}

void sm_summary_add(sm_summary *s, const sm_cell *cells, size_t count) {
    s->rows += count;
    for (size_t i = 0; i < count; i++) {
        const sm_cell *c = &cells[i];
        s->noisy += strstr(c->taints, "noisy") != NULL;
        s->imprecise += strstr(c->taints, "!precision") != NULL;
        s->weak += strstr(c->taints, "weak-baseline") != NULL;
        s->not_cold += strstr(c->taints, "not-cold") != NULL;
        s->samples += (size_t)c->sample_count;
        s->tainted += (size_t)c->sample_count - quiet_samples(c);
        for (int64_t j = 0; j < c->sample_count; j++)
            for (size_t bit = 0; bit < SM_TAINTS; bit++)
                s->by_taint[bit] += (size_t)(c->sample_taints[j] >> bit & 1);
    }
}

void sm_report_summary(const sm_summary *s) {
    static const char *const taints[SM_TAINTS] = {"migrated", "switched out", "steal",
                                                  "slow probe"};
    if (s->samples == 0) return;
    const double percent = 100.0 / (double)s->samples;
    printf("%zu rows; %.1f %% of the samples were disturbed", s->rows,
           percent * (double)s->tainted);
    for (size_t bit = 0; bit < SM_TAINTS; bit++)
        if (s->by_taint[bit] > 0)
            printf(", %s %.1f %%", taints[bit], percent * (double)s->by_taint[bit]);
    printf("; marked: %zu !precision, %zu noisy, %zu weak-baseline, %zu not-cold\n", s->imprecise,
           s->noisy, s->weak, s->not_cold);
    if ((double)s->tainted > BUSY_SHARE * (double)s->samples)
        printf(
            "THE MACHINE WAS BUSY: more than %.0f %% of the samples were disturbed; measure again "
            "when it is quiet (sparsemark doctor)\n",
            100 * BUSY_SHARE);
    fflush(stdout);
}

static int progress_shown;

void sm_progress_clear(void) {
    if (progress_shown) fputs("\r\033[K", stderr);
    progress_shown = 0;
}

void sm_progress(size_t done, size_t total, double elapsed_s, double left_s, const char *what) {
    const int terminal = isatty(STDERR_FILENO);
    if (terminal) sm_progress_clear();
    fprintf(stderr, "%zu/%zu, %.0f s, about %.0f s left: %s%s", done, total, elapsed_s, left_s,
            what, terminal ? "" : "\n");
    progress_shown = terminal;
    fflush(stderr);
}

/* Whether an earlier cell of its group has the same kernel, at another K tile. */
static int has_twin(const sm_record_set *set, size_t i) {
    const sm_cell *c = &set->cells[i];
    for (size_t j = i; j-- > 0 && strcmp(set->cells[j].group, c->group) == 0;)
        if (strcmp(set->cells[j].kernel, c->kernel) == 0) return 1;
    return 0;
}

static char *series_name(const sm_record_set *set, size_t i) {
    const sm_cell *c = &set->cells[i];
    char *name, tile[32] = "";
    if (has_twin(set, i)) snprintf(tile, sizeof tile, "@kt=%lld", (long long)c->kt);
    return asprintf(&name, "%s%s/%s", c->kernel, tile, c->group) < 0 ? NULL : name;
}

static sm_status write_series(const char *path, const sm_record_set *set) {
    sm_gbench_series *series = calloc(set->count + 1, sizeof *series);
    size_t used = 0;
    int failed = !series;
    for (size_t i = 0; i < set->count && !failed; i++) {
        const sm_cell *c = &set->cells[i];
        series[used++] = (sm_gbench_series){series_name(set, i), c->samples_ns,
                                            (size_t)c->sample_count, c->threads};
        failed = !series[used - 1].name;
    }
    whole_file file;
    sm_status status = failed ? sm_fail(SM_E_NOMEM, "no memory for %s", path)
                              : whole_file_open(path, WHOLE_FILE_REPLACE, &file);
    if (status == SM_OK)
        status = whole_file_close(&file, sm_gbench_write_json(file.stream, series, used) != 0);
    for (size_t i = 0; i < used; i++) free((char *)series[i].name);
    free(series);
    return status;
}

static sm_status gbench_path(const char *records_path, char *path, size_t size) {
    const char *slash = strrchr(records_path, '/');
    const int folder = slash ? (int)(slash - records_path + 1) : 0;
    if (snprintf(path, size, "%.*sbenchmark.json", folder, records_path) >= (int)size)
        return sm_fail(SM_E_IO, "%s: path is too long", records_path);
    return SM_OK;
}

sm_status sm_report_gbench_check(const char *records_path) {
    char path[PATH_MAX];
    SM_TRY(gbench_path(records_path, path, sizeof path));
    return whole_file_check(path, WHOLE_FILE_REPLACE);
}

sm_status sm_report_gbench(const char *records_path) {
    char path[PATH_MAX];
    SM_TRY(gbench_path(records_path, path, sizeof path));
    sm_record_set set;
    SM_TRY(sm_records_read(records_path, &set));
    const sm_status status = write_series(path, &set);
    sm_record_set_free(&set);
    return status;
}
