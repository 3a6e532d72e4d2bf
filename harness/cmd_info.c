/* sparsemark info: this machine as the benchmark sees it. */
#include "harness.h"
#include "machine/machine.h"
#include "options.h"
#include "peers/peer.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: sparsemark info [--json | --slug]\n"
    "CPU, microcode, caches and topology, instruction-set levels with the reason why one cannot\n"
    "be used, peers with version and the kernel family they chose, and what here spoils timings.\n"
    "  --json  the machine card that is stored with every run\n"
    "  --slug  only the machine's short name\n"
    "SPARSEMARK_PEER_PATH may hold folders, separated by colons, in which peers are looked for.\n";

static const char *text(const json_t *object, const char *key) {
    const char *value = json_string_value(json_object_get(object, key));
    return value != NULL ? value : "";
}

static long long number(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

static void print_machine(const json_t *card) {
    const json_t *cpu = json_object_get(card, "cpu"), *build = json_object_get(card, "build");
    const json_t *load = json_object_get(card, "load_average");
    (void)printf("machine     %s\n", text(card, "slug"));
    (void)printf("CPU         %s (%s family %lld model %lld stepping %lld)\n", text(cpu, "brand"),
                 text(cpu, "vendor"), number(cpu, "family"), number(cpu, "model"),
                 number(cpu, "stepping"));
    (void)printf("microcode   %s\n", text(cpu, "microcode"));
    const int virtualized = json_is_true(json_object_get(cpu, "virtualized"));
    (void)printf("hypervisor  %s\n", !virtualized                      ? "none"
                                     : text(cpu, "hypervisor")[0] != 0 ? text(cpu, "hypervisor")
                                                                       : "unnamed");
    (void)printf("governor    %s\n", text(card, "governor"));
    (void)printf("load        %.2f\n", json_real_value(json_array_get(load, 0)));
    const int dirty = json_is_true(json_object_get(build, "dirty"));
    (void)printf("build       sparsemark %s, commit %.12s%s, %s, %s, %s\n", text(build, "version"),
                 text(build, "commit"), dirty ? " (modified)" : "", text(build, "compiler"),
                 text(build, "type"), text(build, "flags"));
}

static void print_topology(const json_t *card) {
    const json_t *topology = json_object_get(card, "topology");
    (void)printf("\ntopology: %lld cores, %lld threads; this process may use threads %s\n",
                 number(topology, "cores"), number(topology, "threads"), text(card, "cpuset"));
    sm_machine_picture(stdout);
}

static void print_levels(const json_t *card) {
    size_t i;
    const json_t *level;
    (void)puts("\ninstruction-set levels");
    json_array_foreach(json_object_get(card, "levels"), i, level)(void)
        printf("  %-10s  %s\n", text(level, "name"), text(level, "reason"));
}

static void print_peers(void) {
    (void)puts("\npeers");
    for (size_t i = 0; i < sm_peer_count(); i++) {
        const sm_peer_info *info = sm_peer_probe(i);
        if (!info->usable) {
            (void)printf("  %-13s  %-6s  not here: %s\n", info->name, info->kind, info->reason);
            continue;
        }
        const int told = info->core[0] != 0;
        (void)printf("  %-13s  %-6s  %s%s%s\n", info->name, info->kind, info->version,
                     told ? "; kernels for " : "", info->core);
        (void)printf("  %23s%s\n", "", info->path);
    }
}

static void print_warnings(const json_t *card) {
    size_t i;
    const json_t *warning;
    const json_t *warnings = json_object_get(card, "warnings");
    (void)printf("\nwarnings%s\n", json_array_size(warnings) == 0 ? ": none" : "");
    json_array_foreach(warnings, i, warning)(void) printf("  %s\n", json_string_value(warning));
}

static int print(int as_json) {
    (void)sm_peer_unset_steering();
    json_t *card = sm_machine_card(1);
    if (card == NULL) return complain(EXIT_CODE_USAGE, "info: out of memory");
    if (as_json) {
        (void)json_dumpf(card, stdout, JSON_INDENT(2));
        (void)putchar('\n');
    } else {
        print_machine(card);
        print_topology(card);
        print_levels(card);
        print_peers();
        print_warnings(card);
    }
    json_decref(card);
    return finish_stdout(EXIT_CODE_OK);
}

typedef struct info_options {
    int json, slug;
} info_options;

static sm_status set_option(void *arg, int option, char *value) {
    info_options *o = arg;
    (void)value;
    *(option == 'j' ? &o->json : &o->slug) = 1;
    return SM_OK;
}

int cmd_info(int argc, char **argv) {
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"slug", no_argument, NULL, 's'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    info_options o = {0};
    const int code = read_options(argc, argv, options, usage, set_option, &o);
    if (code >= 0) return code;
    if (o.json && o.slug)
        return complain(EXIT_CODE_USAGE, "info: --json and --slug exclude each other");
    if (!o.slug) return print(o.json);
    char slug[64];
    sm_machine_slug(slug, sizeof slug);
    (void)puts(slug);
    return finish_stdout(EXIT_CODE_OK);
}
