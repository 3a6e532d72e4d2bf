/* The machine card: everything a reader of a result needs to know about where it was made. No
 * folders and no host name: cards are published. */
#include "build_info.h"
#include "machine/parts.h"
#include "peers/peer.h"
#include <sparsemark/isa.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static json_t *cpu_json(void) {
    machine_cpu cpu;
    machine_cpu_get(&cpu);
    return json_pack("{s:s, s:s, s:i, s:i, s:i, s:s, s:b, s:s}", "vendor", cpu.vendor, "brand",
                     cpu.brand, "family", cpu.family, "model", cpu.model, "stepping", cpu.stepping,
                     "microcode", cpu.microcode, "virtualized", cpu.virtualized, "hypervisor",
                     cpu.hypervisor);
}

static json_t *build_json(void) {
    json_t *dirty = SM_BUILD_DIRTY < 0 ? json_null() : json_boolean(SM_BUILD_DIRTY);
    return json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:s}", "version", SM_BUILD_VERSION,
                     "commit", SM_BUILD_COMMIT, "dirty", dirty, "compiler", SM_BUILD_COMPILER,
                     "type", SM_BUILD_TYPE, "flags", SM_BUILD_FLAGS, "kernel_flags",
                     SM_BUILD_KERNEL_FLAGS, "sanitize", SM_BUILD_SANITIZE);
}

static json_t *levels_json(const sm_cpuid *cpuid) {
    json_t *levels = json_array();
    for (size_t i = 0; i < sm_isa_count(); i++) {
        char reason[160];
        (void)json_array_append_new(levels,
                                    json_pack("{s:s, s:b, s:s}", "name", sm_isa_name(i), "usable",
                                              (int)(sm_isa_usable(cpuid) >> i & 1), "reason",
                                              sm_isa_reason(cpuid, i, reason, sizeof reason)));
    }
    return levels;
}

static json_t *peers_json(int asked) {
    json_t *peers = json_array();
    for (size_t i = 0; asked && i < sm_peer_count(); i++) {
        const sm_peer_info *info = sm_peer_probe(i);
        const char *slash = strrchr(info->path, '/');
        (void)json_array_append_new(
            peers,
            json_pack("{s:s, s:s, s:b, s:s, s:s, s:s, s:s}", "name", info->name, "kind", info->kind,
                      "usable", info->usable, "reason", info->reason, "version", info->version,
                      "core", info->core, "file", slash != NULL ? slash + 1 : info->path));
    }
    return peers;
}

static json_t *environment_json(void) {
    json_t *variables = json_array();
    static const char own[] = "SPARSEMARK_ISA=";
    for (char **variable = environ; *variable != NULL; variable++)
        /* json_string() refuses what is not UTF-8, and appending nothing is harmless. */
        if (machine_steers_peers(*variable) || strncmp(*variable, own, strlen(own)) == 0)
            (void)json_array_append_new(variables, json_string(*variable));
    return variables;
}

static void append_warning(void *arg, const char *text) {
    (void)json_array_append_new(arg, json_string(text));
}

static json_t *load_json(void) {
    double load[3];
    if (machine_load("", load) != 0) return json_null();
    return json_pack("[f, f, f]", load[0], load[1], load[2]);
}

json_t *sm_machine_identity(void) {
    char utc[32] = "", slug[64];
    struct tm now;
    const time_t seconds = time(NULL);
    if (gmtime_r(&seconds, &now) != NULL)
        (void)strftime(utc, sizeof utc, "%Y-%m-%dT%H:%M:%SZ", &now);
    sm_machine_slug(slug, sizeof slug);
    return json_pack("{s:s, s:s, s:o, s:o}", "slug", slug, "utc", utc, "build", build_json(), "cpu",
                     cpu_json());
}

json_t *sm_machine_card(int peers) {
    char xcr0[24], cpuset[256], governor[128];
    sm_cpuid cpuid;
    sm_cpuid_read(&cpuid);
    (void)snprintf(xcr0, sizeof xcr0, "0x%llx", (unsigned long long)cpuid.xcr0);
    machine_cpuset(cpuset, sizeof cpuset);
    machine_governor("", governor, sizeof governor);
    json_t *card = sm_machine_identity();
    (void)json_object_set_new(card, "cpuid", machine_cpuid_json());
    (void)json_object_set_new(card, "xcr0", cpuid.has_xcr0 ? json_string(xcr0) : json_null());
    (void)json_object_set_new(card, "topology", machine_topology_json());
    (void)json_object_set_new(card, "cpuset", json_string(cpuset));
    (void)json_object_set_new(card, "governor", json_string(governor));
    (void)json_object_set_new(card, "load_average", load_json());
    (void)json_object_set_new(card, "levels", levels_json(&cpuid));
    (void)json_object_set_new(card, "peers", peers_json(peers));
    (void)json_object_set_new(card, "environment", environment_json());
    (void)json_object_set_new(card, "environment_unset", json_string(sm_peer_steered()));
    json_t *warnings = json_array();
    sm_machine_warnings(append_warning, warnings);
    (void)json_object_set_new(card, "warnings", warnings);
    return card;
}

void sm_machine_slug(char *buf, size_t size) {
    static const struct {
        const char *vendor, *name;
    } vendors[] = {{"GenuineIntel", "intel"},
                   {"AuthenticAMD", "amd"},
                   {"HygonGenuine", "hygon"},
                   {"CentaurHauls", "zhaoxin"},
                   {"  Shanghai  ", "zhaoxin"}};
    machine_cpu cpu;
    size_t cores, threads;
    const char *vendor = "x86", *level = "none";
    machine_cpu_get(&cpu);
    machine_totals(&cores, &threads);
    for (size_t i = 0; i < sizeof vendors / sizeof vendors[0]; i++)
        if (strcmp(cpu.vendor, vendors[i].vendor) == 0) vendor = vendors[i].name;
    for (size_t i = 0; i < sm_isa_count(); i++)
        if (sm_isa_mask() >> i & 1) level = sm_isa_name(i);
    (void)snprintf(buf, size, "%s-f%dm%d-%s-%zuc", vendor, cpu.family, cpu.model, level, cores);
}
