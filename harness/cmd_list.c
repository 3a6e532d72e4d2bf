/* sparsemark list: what can be named in the other commands. */
#include "harness.h"
#include "input/input.h"
#include "options.h"
#include "peers/peer.h"
#include <getopt.h>
#include <jansson.h>
#include <sparsemark/kernel.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: sparsemark list [kernels|layers|patterns|formats|peers] [--json]\n"
    "One name a line with what belongs to it; all topics under headings where none is named.\n"
    "  --json  an array of objects; an object of arrays where no topic is named\n";

static const struct {
    const char *name, *keeps;
} patterns[] = {
#define SM_PATTERN(name, keeps) {name, keeps},
#include "../kernels/prune/patterns.inc"
#undef SM_PATTERN
};

/* Every topic is an array of objects first, whose name comes first; text is made from them. */
static json_t *kernels_json(void) {
    json_t *rows = json_array();
    sm_cpuid cpuid;
    sm_cpuid_read(&cpuid);
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        char reason[160];
        (void)sm_isa_reason(&cpuid, k->level, reason, sizeof reason);
        (void)json_array_append_new(
            rows,
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:s}", "name", k->name, "op",
                      k->op, "format", k->format, "dtype", k->dtype, "isa", k->isa, "variant",
                      k->variant, "mr", (json_int_t)k->mr, "nr", (json_int_t)k->nr, "usable",
                      (int)(sm_isa_usable(&cpuid) >> k->level & 1), "reason", reason));
    }
    return rows;
}

static json_t *layers_json(void) {
    json_t *rows = json_array();
    for (size_t i = 0; i < sm_layer_count(); i++) {
        const sm_layer *layer = sm_layer_at(i);
        (void)json_array_append_new(
            rows, json_pack("{s:s, s:I, s:I, s:I}", "name", layer->name, "m", (json_int_t)layer->m,
                            "k", (json_int_t)layer->k, "n", (json_int_t)layer->n));
    }
    return rows;
}

static json_t *patterns_json(void) {
    json_t *rows = json_array();
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        (void)json_array_append_new(
            rows, json_pack("{s:s, s:s}", "name", patterns[i].name, "keeps", patterns[i].keeps));
    return rows;
}

static json_t *formats_json(void) {
    json_t *rows = json_array();
    for (size_t i = 0; i < sm_format_count(); i++)
        (void)json_array_append_new(rows, json_pack("{s:s}", "name", sm_format_name(i)));
    return rows;
}

static json_t *peers_json(void) {
    json_t *rows = json_array();
    (void)sm_peer_unset_steering();
    for (size_t i = 0; i < sm_peer_count(); i++) {
        const sm_peer_info *info = sm_peer_probe(i);
        (void)json_array_append_new(
            rows, json_pack("{s:s, s:s, s:b, s:s, s:s, s:s, s:o?}", "name", info->name, "kind",
                            info->kind, "usable", info->usable, "reason", info->reason, "version",
                            info->version, "core", info->core, "path", json_string(info->path)));
    }
    return rows;
}

static const char *text(const json_t *row, const char *key) {
    const char *value = json_string_value(json_object_get(row, key));
    return value != NULL ? value : "";
}

static void kernel_line(const json_t *row) {
    const int usable = json_is_true(json_object_get(row, "usable"));
    (void)printf("%-40s  %s%s\n", text(row, "name"),
                 usable ? "usable" : "not here: ", usable ? "" : text(row, "reason"));
}

static void layer_line(const json_t *row) {
    (void)printf("%-24s  m %6lld  k %6lld  n %6lld\n", text(row, "name"),
                 (long long)json_integer_value(json_object_get(row, "m")),
                 (long long)json_integer_value(json_object_get(row, "k")),
                 (long long)json_integer_value(json_object_get(row, "n")));
}

static void pattern_line(const json_t *row) {
    (void)printf("%-24s  keeps %s\n", text(row, "name"), text(row, "keeps"));
}

static void format_line(const json_t *row) {
    (void)puts(text(row, "name"));
}

static void peer_line(const json_t *row) {
    const int usable = json_is_true(json_object_get(row, "usable"));
    (void)printf(
        "%-13s  %-6s  %s%s\n", text(row, "name"), text(row, "kind"),
        usable ? "usable: " : "not here: ", usable ? text(row, "version") : text(row, "reason"));
}

static const struct topic {
    const char *name;
    json_t *(*rows)(void);
    void (*line)(const json_t *row);
} topics[] = {
    {"kernels", kernels_json, kernel_line},    {"layers", layers_json, layer_line},
    {"patterns", patterns_json, pattern_line}, {"formats", formats_json, format_line},
    {"peers", peers_json, peer_line},
};
enum { TOPICS = sizeof topics / sizeof topics[0] };

static void print_json(json_t *json) {
    (void)json_dumpf(json, stdout, JSON_INDENT(2));
    (void)putchar('\n');
    json_decref(json);
}

static void print_rows(const struct topic *topic) {
    json_t *rows = topic->rows();
    size_t i;
    const json_t *row;
    json_array_foreach(rows, i, row) topic->line(row);
    json_decref(rows);
}

static void print_all(int as_json) {
    json_t *all = json_object();
    for (size_t i = 0; i < TOPICS; i++) {
        if (as_json) {
            (void)json_object_set_new(all, topics[i].name, topics[i].rows());
            continue;
        }
        (void)printf("%s%s:\n", i > 0 ? "\n" : "", topics[i].name);
        print_rows(&topics[i]);
    }
    if (as_json)
        print_json(all);
    else
        json_decref(all);
}

int cmd_list(int argc, char **argv) {
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    int as_json = 0;
    const int code = read_options_before_words(argc, argv, options, usage, take_flag, &as_json);
    if (code >= 0) return code;
    if (argc - optind > 1)
        return complain(EXIT_CODE_USAGE, "list: unexpected argument '%s': expected one topic",
                        argv[optind + 1]);
    if (optind == argc) {
        print_all(as_json);
        return finish_stdout(EXIT_CODE_OK);
    }
    for (size_t i = 0; i < TOPICS; i++) {
        if (strcmp(topics[i].name, argv[optind]) != 0) continue;
        if (as_json)
            print_json(topics[i].rows());
        else
            print_rows(&topics[i]);
        return finish_stdout(EXIT_CODE_OK);
    }
    return complain(
        EXIT_CODE_USAGE,
        "list: unknown topic '%s': expected kernels, layers, patterns, formats or peers",
        argv[optind]);
}
