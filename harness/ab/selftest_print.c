/* What a selftest found, in words. */
#include "ab/selftest.h"
#include "harness.h"
#include "records/table.h"
#include <stdio.h>

static const sm_column columns[] = {
    {"run", 1, 0},  {"slowed kernel", 0, 0}, {"SLOW", 1, 0},     {"FAST", 1, 0},
    {"SAME", 1, 0}, {"AMBIGUOUS", 1, 0},     {"disturbed", 1, 0}};

/* What is AMBIGUOUS cannot be a false alarm either: it is said beside the rate. */
static void print_rate(const json_t *result, const char *key, const char *what, const char *name) {
    const json_t *rate = json_object_get(result, key);
    (void)printf("%s: %zu of %zu (%zu AMBIGUOUS); %s %.1f %%, 95 %% interval %.1f to %.1f %%\n",
                 what, ab_count(rate, "count"), ab_count(rate, "cells"),
                 ab_count(rate, "ambiguous"), name, 100 * ab_number(rate, "rate"),
                 100 * ab_number(rate, "low"), 100 * ab_number(rate, "high"));
}

int selftest_print(const json_t *result) {
    size_t i;
    const json_t *row, *warning;
    const json_t *library = json_object_get(result, "library");
    const json_t *machine = json_object_get(result, "machine");
    sm_table table = {.columns = columns, .column_count = sizeof columns / sizeof columns[0]};
    (void)printf("library: %s (sparsemark %s), against itself\nmachine: %s\n",
                 ab_text(library, "file"), ab_text(library, "version"), ab_text(machine, "slug"));
    json_array_foreach(json_object_get(machine, "warnings"), i, warning) {
        (void)printf("note: %s\n", json_string_value(warning));
    }
    (void)printf("delta %.3g %%; the slowed kernel takes %.3g %% more time a call\n\n",
                 100 * ab_number(result, "delta"), 100 * ab_number(result, "injected_share"));
    json_array_foreach(json_object_get(result, "runs"), i, row) {
        const json_t *counts = json_object_get(row, "counts");
        sm_table_add(&table, "%zu", i + 1);
        sm_table_add(&table, "%s", ab_text(row, "injected"));
        for (size_t c = 2; c < 6; c++)
            sm_table_add(&table, "%zu", ab_count(counts, columns[c].title));
        sm_table_add(&table, "%.0f %%", 100 * ab_number(row, "disturbed"));
    }
    if (sm_table_finish(&table, stdout) != 0)
        return complain(EXIT_CODE_USAGE, "no memory for the table");
    (void)putchar('\n');
    print_rate(result, "aa", "SLOW or FAST between equal builds", "false positives");
    print_rate(result, "untouched", "the same with the cells beside a slowed kernel",
               "false positives");
    print_rate(result, "missed", "slowed and not found SLOW", "misses");
    return EXIT_CODE_OK;
}
