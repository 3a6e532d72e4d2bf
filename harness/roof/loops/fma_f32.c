/* Multiply-adds of f32 in registers: acc = acc * m + c in independent chains. Limit: the FMA ports.
 * Latency 4 or 5 times two ports asks for ten chains. Without FMA (scalar) the chain is a product
 * and a sum, 6 to 8 cycles, and twelve chains still hold two of them a cycle on most CPUs. */
#include "loop.h"

enum { CHAINS = VL == 16 ? 24 : 12 };
_Static_assert(CHAINS + 2 <= VEC_REGS, "the chains and two operands must fit the registers");

uint64_t SM_SYMBOL(void *buffer, size_t bytes, size_t passes) {
    (void)buffer;
    (void)bytes;
    vec acc[CHAINS], m = vec_set1(0.999f), c = vec_set1(0.001f);
    OPAQUE(m);
    OPAQUE(c);
    ROOF_FOR(i, CHAINS) acc[i] = vec_set1((float)i);
    for (size_t pass = 0; pass < passes; pass++) ROOF_FOR(i, CHAINS) acc[i] = vec_fma(acc[i], m, c);
    ROOF_FOR(i, CHAINS) OPAQUE(acc[i]);
    return (uint64_t)passes * CHAINS * VL * 2;
}
