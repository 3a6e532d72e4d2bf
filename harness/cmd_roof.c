/* sparsemark roof: what this machine can do at best, measured. */
#include "harness.h"
#include "machine/machine.h"
#include "measure/axes.h"
#include "options.h"
#include "records/record.h"
#include "roof/report.h"
#include "roof/roof.h"
#include "whole_file.h"
#include <getopt.h>
#include <stdio.h>

static const char usage[] =
    "usage: sparsemark roof [OPTION...]\n"
    "Measures the peak of multiply-adds of every instruction set, and the bandwidth of L1, L2, L3\n"
    "and DRAM. Every figure is the best of short runs, taken in turn.\n"
    "  --threads LIST|all  numbers of threads (1, 2 and all), a core each before siblings\n"
    "  --time T            about this long in all (10s)\n"
    "  --json              as JSON instead of tables\n"
    "  --out FILE          write the JSON to FILE as well, replacing a file of that name\n";

enum { DUMP_FLAGS = JSON_INDENT(2) | JSON_REAL_PRECISION(6) };

typedef struct roof_options {
    sm_run_options axes; /* only its threads */
    double seconds;
    int json;
    const char *out;
} roof_options;

static void take_warning(void *warnings, const char *text) {
    (void)fprintf(stderr, "sparsemark: note: %s\n", text);
    (void)json_array_append_new(warnings, json_string(text));
}

/* 1, 2 and all, where there are that many. */
static sm_status default_threads(sm_run_options *axes) {
    sm_machine_sizes sizes;
    if (axes->threads_count > 0) return SM_OK;
    sm_machine_get_sizes(&sizes);
    return sm_axis_threads(axes, sizes.threads > 1 ? "1,2,all" : "1");
}

/* Warnings come first: the load is that of the time before. Returns NULL with a message. */
static json_t *measure(const roof_options *o) {
    sm_roof *roof;
    json_t *warnings = json_array();
    sm_machine_warnings(take_warning, warnings);
    if (sm_roof_measure(o->axes.threads, o->axes.threads_count, SM_ROOF_MEMORIES, o->seconds,
                        &roof) != SM_OK) {
        json_decref(warnings);
        return NULL;
    }
    json_t *document = json_pack("{s:s, s:i}", "type", "roof", "schema", SM_SCHEMA_VERSION);
    json_t *identity = sm_machine_identity();
    const int failed = json_object_update(document, identity) |
                       json_object_set_new(document, "warnings", warnings) |
                       json_object_set_new(document, "roof", sm_roof_json(roof));
    json_decref(identity);
    sm_roof_free(roof);
    if (!failed) return document;
    (void)sm_fail(SM_E_NOMEM, "roof: no memory for the result");
    json_decref(document);
    return NULL;
}

static int print(const json_t *document, int json) {
    if (json) {
        (void)json_dumpf(document, stdout, DUMP_FLAGS);
        (void)putchar('\n');
        return finish_stdout(EXIT_CODE_OK);
    }
    const json_t *cpu = json_object_get(document, "cpu");
    (void)printf("%s: %s\n\n", json_string_value(json_object_get(document, "slug")),
                 json_string_value(json_object_get(cpu, "brand")));
    if (sm_roof_print(json_object_get(document, "roof"), stdout) != 0)
        return complain(EXIT_CODE_USAGE, "roof: no memory for the table");
    return finish_stdout(EXIT_CODE_OK);
}

static int run(roof_options *o) {
    sm_status status = default_threads(&o->axes);
    if (status == SM_OK && o->axes.threads_count > SM_ROOF_PRINT_THREADS)
        status = sm_fail(SM_E_ARG, "--threads: expected at most %d values", SM_ROOF_PRINT_THREADS);
    if (status == SM_OK && o->out) status = whole_file_check(o->out, WHOLE_FILE_REPLACE);
    if (status != SM_OK) return complain_status(status);
    json_t *document = measure(o);
    if (!document) return complain(EXIT_CODE_USAGE, "%s", sm_message());
    int code = print(document, o->json);
    if (o->out) status = whole_file_json(o->out, WHOLE_FILE_REPLACE, document, DUMP_FLAGS);
    if (status != SM_OK) code = complain_status(status);
    json_decref(document);
    return code;
}

static sm_status set_option(void *arg, int option, char *value) {
    roof_options *o = arg;
    switch (option) {
    case 't':
        return sm_axis_threads(&o->axes, value);
    case 's':
        return sm_axis_time("--time", value, &o->seconds);
    case 'j':
        o->json = 1;
        break;
    default:
        o->out = value;
        break;
    }
    return SM_OK;
}

int cmd_roof(int argc, char **argv) {
    static const struct option options[] = {
        {"threads", required_argument, NULL, 't'}, {"time", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},          {"out", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},          {0}};
    roof_options o = {.seconds = 10};
    const int code = read_options(argc, argv, options, usage, set_option, &o);
    return code < 0 ? run(&o) : code;
}
