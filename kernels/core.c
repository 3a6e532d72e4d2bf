/* What is known of the core beyond its levels, and what follows from it. */
#include "core.h"
#include "formats/format.h"
#include <cpuid.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static size_t cache_bytes(int name, size_t fallback) {
    const long bytes = sysconf(name);
    return bytes > 0 ? (size_t)bytes : fallback;
}

size_t sm_l1_bytes(void) {
    return cache_bytes(_SC_LEVEL1_DCACHE_SIZE, 32768);
}

size_t sm_l2_bytes(void) {
    return cache_bytes(_SC_LEVEL2_CACHE_SIZE, 524288);
}

/* What is reported may be that of a socket, or of nothing at all in a virtual machine; a core's
 * share of it is 8 to 32 times its L2. */
size_t sm_l3_bytes(void) {
    const size_t share = 32 * sm_l2_bytes();
    return sm_min_size(cache_bytes(_SC_LEVEL3_CACHE_SIZE, share), share);
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

double sm_reads_of_x(const sm_kernel *k, size_t rows, size_t cols, double values) {
    const sm_format *format = sm_format_of(k);
    const double a_column = values / (double)cols, mr = (double)k->mr;
    return format->rows_alike ? (double)rows / mr : format->values ? a_column / mr : a_column;
}

/* Pays where X and Y, with W, are too large for X to stay in L2 from one call to the next, and a K
 * tile fits L1: one that comes from L2 itself comes the way that asking takes. X that is read as
 * it lies must be larger than L2, and read often enough that most of its lines come at all. AMD's
 * cores lose by asking. */
size_t sm_core_ask_from(const sm_packed *w, int intel) {
    enum { READS = 3 };
    if (!intel) return SIZE_MAX;
    if (w->kt * w->kernel->nr * sizeof(float) > sm_l1_bytes()) return SIZE_MAX;
    if (!w->in_place) return sm_l2_bytes() / 2 + 1;
    const double reads = sm_reads_of_x(w->kernel, w->rows, w->cols, (double)w->nnz);
    return reads < READS ? SIZE_MAX : sm_l2_bytes() + 1;
}

/* On Intel's cores lines that are asked for early are gone again when they are stored: rows of Y
 * that are a multiple of 1 KiB apart share a few sets of L1, which X fills, it seems. Not measured
 * on AMD's. */
sm_ask_y sm_core_ask_y(int intel) {
    return intel ? SM_Y_LATE : SM_Y_EARLY;
}

/* Pages pay on Intel's cores from about half of a core's share of L3 on, below which they cost up
 * to 2 %; lines asked for in the loops were not tried there. On a Zen 5 lines do more than pages,
 * from a quarter of L3 on, below which they cost up to 6 %. A Zen 4 was not measured. */
sm_ask_w sm_core_ask_w(double bytes, int intel) {
    const double l3 = (double)sm_l3_bytes();
    if (intel) return bytes > l3 / 2 ? SM_W_PAGES : SM_W_NEVER;
    return bytes > l3 / 4 ? SM_W_LINES : SM_W_NEVER;
}

/* The first level has no AVX2. To have lines in L1 when they are stored is worth it on Intel's
 * cores, where transposes with AVX-512 gained less; a Zen 4 was not measured with them. A kernel
 * may run emulated on a CPU without AVX-512, so that is asked as well. */
sm_strips sm_core_strips(const sm_kernel *k, int intel) {
    if (k->level == 0) return SM_STRIPS_BASE;
    if (intel) return SM_STRIPS_ASKING;
    const int wide = sm_lanes(k) == 16 && (sm_isa_mask() >> k->level & 1);
    return wide ? SM_STRIPS_AVX512 : SM_STRIPS_AVX2;
}
