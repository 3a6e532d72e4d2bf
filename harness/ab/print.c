/* What a comparison says, for people and for programs. */
#include "ab/ab.h"
#include "harness.h"
#include "records/table.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const sm_column columns[] = {{"layer", 0, 1},         {"sparse", 1, 1}, {"N", 1, 1},
                                    {"layout", 0, 1},        {"kernel", 0, 0}, {"effect", 1, 0},
                                    {"95 % interval", 1, 0}, {"delta", 1, 0},  {"q", 1, 0},
                                    {"noise", 1, 0},         {"state", 0, 0},  {"note", 0, 0}};

static double percent(const json_t *object, const char *key) {
    return 100 * ab_number(object, key);
}

static const json_t *at(const json_t *object, const char *list, size_t i) {
    return json_array_get(json_object_get(object, list), i);
}

/* Adds to a note, parts separated by semicolons. */
static void add(char *note, size_t size, const char *text) {
    const size_t used = strlen(note);
    (void)snprintf(note + used, size - used, "%s%s", used ? "; " : "", text);
}

static void describe(const json_t *cell, char *note, size_t size) {
    char text[160];
    const json_t *again = json_object_get(cell, "again"),
                 *blocking = json_object_get(cell, "blocking");
    const json_t *base = json_object_get(blocking, "base"),
                 *cand = json_object_get(blocking, "cand");
    note[0] = '\0';
    if (ab_text(cell, "reason")[0]) add(note, size, ab_text(cell, "reason"));
    if (json_is_object(again)) {
        (void)snprintf(text, sizeof text, "again %+.1f %% [%+.1f, %+.1f]", percent(again, "effect"),
                       percent(again, "low"), percent(again, "high"));
        add(note, size, text);
    }
    if (ab_count(cell, "noisy_rounds") > 0) {
        (void)snprintf(text, sizeof text, "noisy in %zu of %zu rounds",
                       ab_count(cell, "noisy_rounds"), ab_count(cell, "rounds"));
        add(note, size, text);
    }
    if (json_equal(base, cand)) return;
    (void)snprintf(
        text, sizeof text, "K tile x rows %lldx%lld, then %lldx%lld",
        json_integer_value(json_array_get(base, 0)), json_integer_value(json_array_get(base, 1)),
        json_integer_value(json_array_get(cand, 0)), json_integer_value(json_array_get(cand, 1)));
    add(note, size, text);
}

static void add_row(sm_table *table, const json_t *record, const json_t *verdict, size_t i) {
    char note[512];
    const json_t *cell = at(record, "cells", i), *found = at(verdict, "cells", i);
    const json_t *point = at(record, "points", ab_count(cell, "point"));
    describe(found, note, sizeof note);
    sm_table_add(table, "%s", ab_text(point, "layer"));
    sm_table_add(table, "%.1f %%", percent(point, "sparsity"));
    sm_table_add(table, "%zu", ab_count(point, "n"));
    sm_table_add(table, "%s", ab_text(point, "layout"));
    sm_table_add(table, "%s", ab_text(cell, "kernel"));
    sm_table_add(table, "%+.1f %%", percent(found, "effect"));
    sm_table_add(table, "[%+.1f, %+.1f]", percent(found, "low"), percent(found, "high"));
    sm_table_add(table, "%.1f %%", percent(found, "delta"));
    sm_table_add(table, "%.2g", ab_number(found, "q"));
    sm_table_add(table, "%.0f %%", percent(found, "disturbed"));
    sm_table_add(table, "%s", ab_text(found, "state"));
    sm_table_add(table, "%s", note);
}

static int print_table(const json_t *record, const json_t *verdict, ab_format format) {
    sm_table table = {.columns = columns, .column_count = sizeof columns / sizeof columns[0]};
    for (size_t i = 0; i < json_array_size(json_object_get(record, "cells")); i++)
        add_row(&table, record, verdict, i);
    return format == AB_MD ? sm_table_finish_markdown(&table, stdout)
                           : sm_table_finish(&table, stdout);
}

static void print_build(const json_t *record, const char *side, const char *bullet) {
    const json_t *build = json_object_get(record, side);
    (void)printf("%s%s: %s (sparsemark %s, ABI %zu, %zu kernels)\n", bullet, side,
                 ab_text(build, "file"), ab_text(build, "version"), ab_count(build, "abi"),
                 ab_count(build, "kernels"));
}

static void print_left_out(const json_t *record, const char *side, const char *bullet) {
    size_t i;
    const json_t *name, *names = json_object_get(json_object_get(record, "only_in"), side);
    if (json_array_size(names) == 0) return;
    (void)printf("%sleft out, only in %s:", bullet, side);
    json_array_foreach(names, i, name) {
        (void)printf(" %s", json_string_value(name));
    }
    (void)putchar('\n');
}

static void print_header(const json_t *record, const char *bullet) {
    size_t i;
    const json_t *warning, *machine = json_object_get(record, "machine");
    const json_t *options = json_object_get(record, "options");
    const json_t *inject = json_object_get(options, "inject");
    print_build(record, "base", bullet);
    print_build(record, "cand", bullet);
    if (json_is_true(json_object_get(record, "identical")))
        (void)printf("%sbase and cand are the same file: whatever differs is the machine\n",
                     bullet);
    print_left_out(record, "base", bullet);
    print_left_out(record, "cand", bullet);
    if (json_is_object(inject))
        (void)printf("%sinjected: every call of %s in cand takes %.3g %% more time\n", bullet,
                     ab_text(inject, "kernel"), percent(inject, "share"));
    (void)printf("%smachine: %s\n", bullet, ab_text(machine, "slug"));
    json_array_foreach(json_object_get(machine, "warnings"), i, warning) {
        (void)printf("%snote: %s\n", bullet, json_string_value(warning));
    }
    (void)printf("%seffect: time of cand against base; delta: what matters, %.3g %% or twice what "
                 "two loads of base differ\n",
                 bullet, percent(options, "delta"));
}

/* Of records that do not say how many rounds were asked for nothing is said. */
static void print_if_short(const json_t *block, size_t number) {
    const size_t asked = ab_count(block, "rounds_asked");
    const size_t done = json_array_size(json_object_get(block, "rounds"));
    if (done < asked)
        (void)printf(
            "TIME RAN OUT: %zu of %zu rounds of block %zu; what is slower may be AMBIGUOUS "
            "for that, more --time decides\n",
            done, asked, number);
}

static void print_summary(const json_t *record, const json_t *verdict) {
    const json_t *counts = json_object_get(verdict, "counts");
    const json_t *control = json_object_get(verdict, "control");
    const json_t *blocks = json_object_get(record, "blocks");
    (void)printf("%zu SLOW, %zu FAST, %zu SAME, %zu AMBIGUOUS; %zu rounds",
                 ab_count(counts, "SLOW"), ab_count(counts, "FAST"), ab_count(counts, "SAME"),
                 ab_count(counts, "AMBIGUOUS"),
                 json_array_size(json_object_get(json_array_get(blocks, 0), "rounds")));
    if (json_array_size(blocks) > 1)
        (void)printf(", then %zu",
                     json_array_size(json_object_get(json_array_get(blocks, 1), "rounds")));
    (void)printf(
        "; control %+.1f %%%s; %.0f %% of %zu samples disturbed\n", percent(control, "effect"),
        json_is_true(json_object_get(control, "moved")) ? ": it moved, so nothing can be said" : "",
        percent(verdict, "disturbed"), ab_count(verdict, "samples"));
    for (size_t i = 0; i < json_array_size(blocks); i++)
        print_if_short(json_array_get(blocks, i), i + 1);
}

static int print_people(const json_t *record, const json_t *verdict, ab_format format) {
    const char *bullet = format == AB_MD ? "- " : "";
    if (format == AB_MD) (void)puts("## sparsemark ab\n");
    print_header(record, bullet);
    if (json_is_true(json_object_get(verdict, "busy")))
        (void)printf("%smachine busy: %.0f %% of samples disturbed\n", bullet,
                     percent(verdict, "disturbed"));
    (void)putchar('\n');
    if (print_table(record, verdict, format) != 0)
        return complain(EXIT_CODE_USAGE, "no memory for the table");
    (void)putchar('\n');
    print_summary(record, verdict);
    return EXIT_CODE_OK;
}

/* A cell's identity and its figures in one object. */
static json_t *cell_json(const json_t *record, const json_t *verdict, size_t i) {
    const json_t *cell = at(record, "cells", i);
    json_t *object = json_copy((json_t *)at(record, "points", ab_count(cell, "point")));
    (void)json_object_set(object, "kernel", json_object_get(cell, "kernel"));
    (void)json_object_update(object, (json_t *)at(verdict, "cells", i));
    return object;
}

static int print_json(const json_t *record, const json_t *verdict, int code) {
    static const char *const said[] = {"machine",   "base",    "cand",
                                       "identical", "only_in", "options"};
    static const char *const found[] = {"counts", "disturbed", "busy", "samples"};
    json_t *cells = json_array();
    for (size_t i = 0; i < json_array_size(json_object_get(record, "cells")); i++)
        (void)json_array_append_new(cells, cell_json(record, verdict, i));
    json_t *control = json_deep_copy(json_object_get(verdict, "control"));
    (void)json_object_set(control, "kernel", json_object_get(record, "control"));
    json_t *object = json_pack("{s:s, s:i, s:i, s:o, s:o}", "type", "ab-verdict", "schema",
                               AB_SCHEMA, "exit_code", code, "control", control, "cells", cells);
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        (void)json_object_set(object, said[i], json_object_get(record, said[i]));
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++)
        (void)json_object_set(object, found[i], json_object_get(verdict, found[i]));
    const int failed =
        !object || json_dumpf(object, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) != 0;
    json_decref(object);
    (void)putchar('\n');
    return failed && !ferror(stdout) ? complain(EXIT_CODE_USAGE, "no memory for the verdict")
                                     : EXIT_CODE_OK;
}

int ab_print(const json_t *record, const json_t *verdict, ab_format format, int code) {
    const int printed = format == AB_JSON ? print_json(record, verdict, code)
                                          : print_people(record, verdict, format);
    return finish_stdout(printed == EXIT_CODE_OK ? code : printed);
}
