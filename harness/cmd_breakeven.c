/* sparsemark breakeven RESULTS [--json]: from which sparsity on does sparse win? */
#include "harness.h"
#include "options.h"
#include "records/breakeven.h"
#include "records/table.h"

#include <getopt.h>
#include <math.h>
#include <string.h>

static const char USAGE[] =
    "usage: sparsemark breakeven RESULTS [--json]\n"
    "\n"
    "Says for every layer, pattern, format, instruction set and N in RESULTS (a records file, or\n"
    "the folder that holds records.jsonl) from which sparsity on sparse weights beat the best "
    "dense\n"
    "kernel; N:M patterns, which have one sparsity each, win or lose at 1 - N/M.\n"
    "\n"
    "  --json  the same numbers as one JSON object\n"
    "  --help  this text\n";

/* The conditions that both tables show; they collapse where all rows agree. */
/* clang-format off */
#define SERIES_COLUMNS                                                                             \
    {"provenance", 0, 1}, {"pattern", 0, 1}, {"dtype", 0, 1}, {"layout", 0, 1},                    \
    {"threads", 1, 1}, {"cache", 0, 1}, {"n", 1, 1}, {"format", 0, 0}, {"isa", 0, 0}
/* clang-format on */

static void add_series(sm_table *table, const sm_curve *curve) {
    const sm_cell *cell = curve->cell;
    sm_table_add(table, "%s", cell->provenance);
    sm_table_add(table, "%s", cell->pattern);
    sm_table_add(table, "%s", cell->dtype);
    sm_table_add(table, "%s", cell->layout);
    sm_table_add(table, "%lld", (long long)cell->threads);
    sm_table_add(table, "%s", cell->cache);
    sm_table_add(table, "%lld", (long long)cell->n);
    sm_table_add(table, "%s", sm_curve_format(curve));
    sm_table_add(table, "%s", curve->best ? "" : cell->isa);
}

static void add_crossing(sm_table *table, const sm_crossing *crossing) {
    const double percent = 100 * crossing->sparsity;
    if (crossing->kind == SM_CROSSING_AT)
        sm_table_add(table, "%.0f %%", percent);
    else if (crossing->kind == SM_CROSSING_BELOW)
        sm_table_add(table, "<= %.0f %%", percent);
    else
        sm_table_add(table, "never");
}

static void add_times(sm_table *table, const sm_curve_point *point) {
    if (point)
        sm_table_add(table, "%.2fx", point->speedup);
    else
        sm_table_add(table, "-");
}

static int print_curves(const sm_breakeven *breakeven, size_t run) {
    static const sm_column columns[] = {
        {"layer", 0, 0}, {"MxK", 1, 0},  SERIES_COLUMNS,  {"from", 1, 0},  {"50 %", 1, 0},
        {"70 %", 1, 0},  {"90 %", 1, 0}, {"bytes", 1, 0}, {"marks", 0, 1}, {"verdict", 0, 0}};
    sm_table table = {.columns = columns, .column_count = sizeof columns / sizeof *columns};
    for (size_t i = 0; i < breakeven->curve_count; i++) {
        const sm_curve *curve = &breakeven->curves[i];
        if (curve->run != run || curve->redundant) continue;
        char verdict[160];
        sm_curve_verdict(curve, verdict, sizeof verdict);
        const sm_curve_point *at_70 = sm_curve_near(curve, 0.7);
        sm_table_add(&table, "%s", curve->cell->layer);
        sm_table_add(&table, "%lldx%lld", (long long)curve->cell->m, (long long)curve->cell->k);
        add_series(&table, curve);
        add_crossing(&table, &curve->crossing);
        add_times(&table, sm_curve_near(curve, 0.5));
        add_times(&table, at_70);
        add_times(&table, sm_curve_near(curve, 0.9));
        const sm_curve_point *bytes_at = curve->fixed ? curve->points : at_70;
        if (bytes_at && isfinite(bytes_at->bytes_share))
            sm_table_add(&table, "%.0f %%", 100 * bytes_at->bytes_share);
        else
            sm_table_add(&table, "-");
        sm_table_add(&table, "%s", curve->marks);
        sm_table_add(&table, "%s", verdict);
    }
    return sm_table_finish(&table, stdout);
}

static int print_means(const sm_breakeven *breakeven, size_t run) {
    static const sm_column columns[] = {SERIES_COLUMNS,       {"sparsity", 1, 0}, {"geomean", 1, 0},
                                        {"worst", 1, 0},      {"layers", 1, 1},   {"marked", 1, 1},
                                        {"worst layer", 0, 0}};
    sm_table table = {.columns = columns, .column_count = sizeof columns / sizeof *columns};
    for (size_t i = 0; i < breakeven->mean_count; i++) {
        const sm_mean *mean = &breakeven->means[i];
        if (mean->curve->run != run || mean->redundant) continue;
        add_series(&table, mean->curve);
        sm_table_add(&table, "%.0f %%", 100 * mean->sparsity);
        sm_table_add(&table, "%.2fx", mean->speedup);
        sm_table_add(&table, "%.2fx", mean->worst);
        sm_table_add(&table, "%zu", mean->points);
        sm_table_add(&table, "%zu", mean->marked);
        sm_table_add(&table, "%s", mean->worst_layer);
    }
    return sm_table_finish(&table, stdout);
}

static void print_run(const sm_record_set *set, size_t i) {
    const json_t *run = json_array_get(set->runs, i);
    size_t done;
    const size_t asked = sm_records_asked(set, i, &done);
    const char *brand = json_string_value(json_object_get(json_object_get(run, "cpu"), "brand"));
    printf("run %s%s%s\n", json_string_value(json_object_get(run, "run_id")), brand ? " on " : "",
           brand ? brand : "");
    if (done < asked)
        printf("INCOMPLETE: %zu of %zu points were measured; run --resume goes on\n", done, asked);
}

static void print_notes(const sm_breakeven *breakeven) {
    puts("speedup over the best verified dense kernel of the same group at 50, 70 and 90 % "
         "(- not measured);\nbytes: packed weights against dense at 70 %, of an N:M pattern at "
         "its own sparsity");
    if (breakeven->wrong) printf("left out: %zu cells with a wrong result\n", breakeven->wrong);
    if (breakeven->no_dense)
        printf("left out: %zu cells with no dense time to compare with\n", breakeven->no_dense);
    if (breakeven->apart)
        printf("in no mean: %zu cells marked weak-baseline, not-cold or im2col-gemm\n",
               breakeven->apart);
}

static int print_text(const sm_record_set *set, const sm_breakeven *breakeven) {
    for (size_t run = 0; run < json_array_size(set->runs); run++) {
        size_t curves = 0;
        for (size_t i = 0; i < breakeven->curve_count; i++)
            curves += breakeven->curves[i].run == run;
        if (curves == 0) continue;
        print_run(set, run);
        int failed = print_curves(breakeven, run);
        puts("\ngeometric mean over layers");
        failed |= print_means(breakeven, run);
        putchar('\n');
        if (failed) return complain(EXIT_CODE_USAGE, "breakeven: no memory for the table");
    }
    print_notes(breakeven);
    return finish_stdout(EXIT_CODE_OK);
}

static int print_json(const sm_record_set *set, const sm_breakeven *breakeven) {
    json_t *object = sm_breakeven_json(set, breakeven);
    if (!object) return complain(EXIT_CODE_USAGE, "breakeven: no memory for the result");
    json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(object);
    return finish_stdout(EXIT_CODE_OK);
}

static int report(const char *path, int json) {
    sm_record_set set;
    sm_status status = sm_records_read(path, &set);
    if (status != SM_OK) return complain_status(status);
    sm_breakeven breakeven;
    int code;
    status = sm_breakeven_compute(&set, &breakeven);
    if (status != SM_OK)
        code = complain_status(status);
    else if (breakeven.curve_count == 0)
        code = complain(EXIT_CODE_USAGE,
                        "%s: expected sparse cells compared with dense ones, found none in %zu "
                        "cells (%zu wrong, %zu without a dense time)",
                        path, set.count, breakeven.wrong, breakeven.no_dense);
    else
        code = json ? print_json(&set, &breakeven) : print_text(&set, &breakeven);
    if (status == SM_OK) sm_breakeven_free(&breakeven);
    sm_record_set_free(&set);
    return code;
}

int cmd_breakeven(int argc, char **argv) {
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    int json = 0;
    const int code = read_options_before_words(argc, argv, options, USAGE, take_flag, &json);
    if (code >= 0) return code;
    if (optind + 1 != argc)
        return complain(EXIT_CODE_USAGE, "breakeven: expected one results file or folder, got %d",
                        argc - optind);
    return report(argv[optind], json);
}
