/* Dot products of four bytes (unsigned times signed) added to 32-bit sums: vpdpbusd. Limit: the
 * ports that have it; chains as in fma_f32.c. */
#include "loop.h"

#if VL == 16
enum { CHAINS = 24 };
typedef __m512i ints;
#define SET1 _mm512_set1_epi32
#define DOT _mm512_dpbusd_epi32
#else
enum { CHAINS = 12 };
typedef __m256i ints;
#define SET1 _mm256_set1_epi32
#define DOT _mm256_dpbusd_avx_epi32
#endif

uint64_t SM_SYMBOL(void *buffer, size_t bytes, size_t passes) {
    (void)buffer;
    (void)bytes;
    ints acc[CHAINS], a = SET1(0x01020304), b = SET1(0x05060708);
    OPAQUE(a);
    OPAQUE(b);
    ROOF_FOR(i, CHAINS) acc[i] = SET1((int)i);
    for (size_t pass = 0; pass < passes; pass++) ROOF_FOR(i, CHAINS) acc[i] = DOT(acc[i], a, b);
    ROOF_FOR(i, CHAINS) OPAQUE(acc[i]);
    return (uint64_t)passes * CHAINS * VL * 4 * 2;
}
