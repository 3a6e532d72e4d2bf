/* Who made this CPU and what it says about itself. libcpuid gives names; it does not decide which
 * levels are usable, since it reads neither XCR0 nor sub-leaf 1 of leaf 7. Its code names are left
 * out: for a CPU younger than the library they are another CPU's. */
#include "machine/parts.h"
#include <cpuid.h>
#include <libcpuid.h>
#include <sparsemark/isa.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { HYPERVISOR_BIT = 31, EXTENDED = 0x80000000, MAX_EXTENDED_LEAVES = 64 };
#define HYPERVISOR_LEAF 0x40000000u

static void read_microcode(char *buf, size_t size) {
    char line[256];
    (void)snprintf(buf, size, "unknown");
    FILE *in = fopen("/proc/cpuinfo", "r");
    if (in == NULL) return;
    while (fgets(line, sizeof line, in) != NULL) {
        char value[24];
        if (sscanf(line, "microcode : %23s", value) != 1) continue;
        (void)snprintf(buf, size, "%s", value);
        break;
    }
    (void)fclose(in);
}

static void read_hypervisor(machine_cpu *cpu) {
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> HYPERVISOR_BIT & 1)) return;
    cpu->virtualized = 1;
    /* Outside the range that __get_cpuid() checks, but defined where the bit is set. */
    __cpuid(HYPERVISOR_LEAF, a, b, c, d);
    const unsigned words[3] = {b, c, d};
    for (size_t i = 0; i < 12; i++) {
        const char letter = (char)(words[i / 4] >> 8 * (i % 4));
        if (letter >= ' ' && letter <= '~') cpu->hypervisor[strlen(cpu->hypervisor)] = letter;
    }
}

void machine_cpu_get(machine_cpu *out) {
    *out = (machine_cpu){0};
    struct cpu_raw_data_t raw;
    struct cpu_id_t id;
    if (cpuid_get_raw_data(&raw) == 0 && cpu_identify(&raw, &id) == 0) {
        (void)snprintf(out->vendor, sizeof out->vendor, "%.15s", id.vendor_str);
        (void)snprintf(out->brand, sizeof out->brand, "%.63s", id.brand_str);
        out->family = id.ext_family;
        out->model = id.ext_model;
        out->stepping = id.stepping;
    }
    read_microcode(out->microcode, sizeof out->microcode);
    read_hypervisor(out);
}

static void add_leaf(json_t *leaves, uint32_t leaf, uint32_t sub) {
    char name[32], value[48];
    unsigned a, b, c, d;
    __cpuid_count(leaf, sub, a, b, c, d);
    (void)snprintf(name, sizeof name, "0x%08x.%u", leaf, sub);
    (void)snprintf(value, sizeof value, "%08x %08x %08x %08x", a, b, c, d);
    (void)json_object_set_new(leaves, name, json_string(value));
}

json_t *machine_cpuid_json(void) {
    json_t *leaves = json_object();
    const uint32_t basic = (uint32_t)__get_cpuid_max(0, NULL);
    add_leaf(leaves, 0, 0);
    if (basic >= 1) add_leaf(leaves, 1, 0);
    if (basic >= 7) {
        unsigned a, b, c, d;
        add_leaf(leaves, 7, 0);
        __cpuid_count(7, 0, a, b, c, d);
        if (a >= 1) add_leaf(leaves, 7, 1);
    }
    const uint32_t extended = (uint32_t)__get_cpuid_max(EXTENDED, NULL);
    for (uint32_t i = 0; extended >= EXTENDED && i <= extended - EXTENDED; i++) {
        if (i == MAX_EXTENDED_LEAVES) break;
        add_leaf(leaves, EXTENDED + i, 0);
    }
    return leaves;
}
