/* What is known of the core beyond its levels, and what follows from it. */
#include "core.h"
#include <cpuid.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

size_t sm_cache_bytes(int name, size_t fallback) {
    const long bytes = sysconf(name);
    return bytes > 0 ? (size_t)bytes : fallback;
}

int sm_core_of_intel(void) {
    enum { GENU = 0x756e6547 }; /* of GenuineIntel */
    unsigned eax, ebx, ecx, edx;
    __cpuid(0, eax, ebx, ecx, edx);
    return ebx == GENU;
}

size_t sm_lanes(const sm_kernel *k) {
    return strstr(k->isa, "512") ? 16 : 8;
}

/* Pays where X and Y, with W, are too large for X to stay in L2 from one call to the next, and a K
 * tile fits L1: one that comes from L2 itself comes the way that asking takes. X that is read as
 * it lies must be larger than L2, and used often enough that most of its lines come at all. AMD's
 * cores lose by asking. */
size_t sm_core_ask_from(const sm_packed *w, int intel) {
    enum { USES = 4 };
    if (!intel) return SIZE_MAX;
    const size_t l1 = sm_cache_bytes(_SC_LEVEL1_DCACHE_SIZE, 32768);
    const size_t l2 = sm_cache_bytes(_SC_LEVEL2_CACHE_SIZE, 1 << 20);
    if (w->kt * w->kernel->nr * sizeof(float) > l1) return SIZE_MAX;
    if (!w->in_place) return l2 / 2 + 1;
    return w->nnz / w->cols < USES ? SIZE_MAX : l2 + 1;
}

/* On Intel's cores lines that are asked for early are gone again when they are stored: rows of Y
 * that are a multiple of 1 KiB apart share a few sets of L1, which X fills, it seems. Not measured
 * on AMD's. */
sm_ask_y sm_core_ask_y(int intel) {
    return intel ? SM_Y_LATE : SM_Y_EARLY;
}

/* The first level has no AVX2. To have lines in L1 when they are stored is worth it on Intel's
 * cores. */
sm_strips sm_core_strips(const sm_kernel *k, int intel) {
    if (k->level == 0) return SM_STRIPS_BASE;
    return intel ? SM_STRIPS_ASKING : SM_STRIPS_AVX2;
}
