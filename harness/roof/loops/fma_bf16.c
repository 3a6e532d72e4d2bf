/* Dot products of two bf16 added to f32 sums: vdpbf16ps. Limit: the ports that have it; the latency
 * is 6 on some CPUs, hence 24 chains. */
#include "loop.h"

enum { CHAINS = 24 };

uint64_t SM_SYMBOL(void *buffer, size_t bytes, size_t passes) {
    (void)buffer;
    (void)bytes;
    vec acc[CHAINS];
    __m512i pair = _mm512_set1_epi16(0x3f80); /* 1.0 */
    OPAQUE(pair);
    ROOF_FOR(i, CHAINS) acc[i] = vec_set1((float)i);
    for (size_t pass = 0; pass < passes; pass++)
        ROOF_FOR(i, CHAINS) acc[i] = _mm512_dpbf16_ps(acc[i], (__m512bh)pair, (__m512bh)pair);
    ROOF_FOR(i, CHAINS) OPAQUE(acc[i]);
    return (uint64_t)passes * CHAINS * VL * 2 * 2;
}
