/* Which instruction-set levels can run here: CPUID says what the CPU has, XCR0 what the operating
 * system saves. The levels and their needs are listed in isa.inc. */
#include <cpuid.h>
#include <sparsemark/isa.h>
#include <stdio.h>
#include <string.h>

enum { LEAF1_ECX, LEAF7_EBX };

/* Features in the order in which a reason names them. */
static const struct feature {
    const char *name;
    int reg, bit;
} features[] = {
    {"FMA", LEAF1_ECX, 12},      {"OSXSAVE", LEAF1_ECX, 27},  {"AVX", LEAF1_ECX, 28},
    {"AVX2", LEAF7_EBX, 5},      {"BMI2", LEAF7_EBX, 8},      {"AVX512F", LEAF7_EBX, 16},
    {"AVX512DQ", LEAF7_EBX, 17}, {"AVX512BW", LEAF7_EBX, 30}, {"AVX512VL", LEAF7_EBX, 31},
};

enum {
    NEED_YMM = 0x1f, /* the first five features */
    SM_NEED_NONE = 0,
    SM_NEED_AVX2 = NEED_YMM,
    SM_NEED_AVX512 = 0x1ff /* all nine */
};
enum { XCR0_YMM = 0x06, XCR0_ZMM = 0xe6 };

static const struct level {
    const char *name;
    unsigned needs;
    const char *header; /* of its vector operations */
} levels[] = {
#define SM_ISA(name, needs, header, flags) {#name, needs, #header},
#include "isa.inc"
#undef SM_ISA
};
enum { LEVELS = sizeof levels / sizeof levels[0] };
_Static_assert(LEVELS <= 32, "a mask of levels is 32 bits wide");

void sm_cpuid_read(sm_cpuid *out) {
    *out = (sm_cpuid){0};
    sm_cpuid_regs r;
    if (__get_cpuid_count(1, 0, &r.eax, &r.ebx, &r.ecx, &r.edx)) {
        out->leaf1 = r;
        out->has_leaf1 = 1;
    }
    if (__get_cpuid_count(7, 0, &r.eax, &r.ebx, &r.ecx, &r.edx)) {
        out->leaf7_0 = r;
        out->has_leaf7_0 = 1;
        if (r.eax >= 1) { /* the highest sub-leaf */
            __cpuid_count(7, 1, out->leaf7_1.eax, out->leaf7_1.ebx, out->leaf7_1.ecx,
                          out->leaf7_1.edx);
            out->has_leaf7_1 = 1;
        }
    }
    if (out->has_leaf1 && (out->leaf1.ecx >> 27 & 1)) {
        uint32_t lo, hi;
        __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
        out->xcr0 = (uint64_t)hi << 32 | lo;
        out->has_xcr0 = 1;
    }
}

size_t sm_isa_count(void) {
    return LEVELS;
}

const char *sm_isa_name(size_t level) {
    return level < LEVELS ? levels[level].name : NULL;
}

sm_status sm_isa_find(const char *name, size_t *level) {
    char known[256] = "";
    size_t at = 0;
    for (size_t i = 0; i < LEVELS; i++) {
        if (strcmp(levels[i].name, name) == 0) {
            *level = i;
            return SM_OK;
        }
        at +=
            (size_t)snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", levels[i].name);
    }
    return sm_fail(SM_E_ARG, "unknown instruction-set level '%s': expected one of %s", name, known);
}

int sm_isa_hand_written(const char *name) {
    for (size_t i = 0; i < LEVELS; i++)
        if (strcmp(levels[i].name, name) == 0) return strcmp(levels[i].header, "scalar") != 0;
    return 0;
}

static int has_leaf(const sm_cpuid *c, int reg) {
    return reg == LEAF1_ECX ? c->has_leaf1 : c->has_leaf7_0;
}

static int has_feature(const sm_cpuid *c, const struct feature *f) {
    const uint32_t value = f->reg == LEAF1_ECX ? c->leaf1.ecx : c->leaf7_0.ebx;
    return has_leaf(c, f->reg) && (value >> f->bit & 1);
}

const char *sm_isa_reason(const sm_cpuid *c, size_t level, char *buf, size_t size) {
    if (level >= LEVELS) {
        snprintf(buf, size, "no such level");
        return buf;
    }
    const unsigned needs = levels[level].needs;
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
        if (!(needs >> i & 1) || has_feature(c, &features[i])) continue;
        if (!has_leaf(c, features[i].reg))
            snprintf(buf, size, "%s unknown: CPUID leaf %d is missing", features[i].name,
                     features[i].reg == LEAF1_ECX ? 1 : 7);
        else if (strcmp(features[i].name, "OSXSAVE") == 0)
            snprintf(buf, size, "operating system has not enabled XSAVE (OSXSAVE clear)");
        else
            snprintf(buf, size, "CPU lacks %s", features[i].name);
        return buf;
    }
    if (needs && !c->has_xcr0)
        snprintf(buf, size, "XCR0 is unknown");
    else if (needs && (c->xcr0 & XCR0_YMM) != XCR0_YMM)
        snprintf(buf, size, "operating system does not save YMM registers (XCR0 bits 1-2)");
    else if (needs == SM_NEED_AVX512 && (c->xcr0 & XCR0_ZMM) != XCR0_ZMM)
        snprintf(buf, size, "operating system does not save ZMM registers (XCR0 bits 5-7)");
    else
        snprintf(buf, size, "usable");
    return buf;
}

uint32_t sm_isa_usable(const sm_cpuid *c) {
    uint32_t mask = 0;
    char reason[128];
    for (size_t i = 0; i < LEVELS; i++)
        if (strcmp(sm_isa_reason(c, i, reason, sizeof reason), "usable") == 0) mask |= 1u << i;
    return mask;
}

uint32_t sm_isa_mask(void) {
    /* Racing first calls compute the same value. */
    static _Atomic uint32_t cached;
    uint32_t mask = cached;
    if (mask == 0) {
        sm_cpuid c;
        sm_cpuid_read(&c);
        mask = sm_isa_usable(&c);
        cached = mask;
    }
    return mask;
}
