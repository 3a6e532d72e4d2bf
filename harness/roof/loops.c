/* The lines of roof.inc as a table. A line may need a feature beyond its level; the level's own
 * test covers what the operating system saves. */
#include "roof/loops.h"
#include <stdio.h>
#include <string.h>

#define SM_ROOF(kind, dtype, isa, level, flags) sm_roof_loop sm_roof_##kind##_##dtype##_##isa;
#include "roof/roof.inc"
#undef SM_ROOF

static const sm_roof_line lines[] = {
#define SM_ROOF(kind, dtype, isa, level, flags)                                                    \
    {SM_ROOF_##kind, #dtype, #isa, #level, sm_roof_##kind##_##dtype##_##isa},
#include "roof/roof.inc"
#undef SM_ROOF
};
enum { LINES = sizeof lines / sizeof lines[0] };

size_t sm_roof_line_count(void) {
    return LINES;
}

const sm_roof_line *sm_roof_line_at(size_t i) {
    return i < LINES ? &lines[i] : NULL;
}

/* A leaf that is not there reads as zero: the CPU lacks what it would show. */
int sm_roof_usable(const sm_cpuid *cpuid, const sm_roof_line *line, char *reason, size_t size) {
    const struct feature {
        const char *isa, *name;
        uint32_t reg;
        int bit;
    } features[] = {
        {"avxvnni", "AVX-VNNI", cpuid->leaf7_1.eax, 4},
        {"avx512vnni", "AVX512_VNNI", cpuid->leaf7_0.ecx, 11},
        {"avx512bf16", "AVX512_BF16", cpuid->leaf7_1.eax, 5},
    };
    size_t level;
    if (sm_isa_find(line->level, &level) != SM_OK) {
        (void)snprintf(reason, size, "%s", sm_message());
        return 0;
    }
    (void)sm_isa_reason(cpuid, level, reason, size);
    if (!(sm_isa_usable(cpuid) >> level & 1)) return 0;
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
        const struct feature *f = &features[i];
        if (strcmp(f->isa, line->isa) != 0) continue;
        if (f->reg >> f->bit & 1) return 1;
        (void)snprintf(reason, size, "CPU lacks %s", f->name);
        return 0;
    }
    if (strcmp(line->isa, line->level) == 0) return 1;
    (void)snprintf(reason, size, "%s: no feature of this name is known", line->isa);
    return 0;
}
