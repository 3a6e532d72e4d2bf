/* Fills the whole issue width of a core, so that any work on its SMT sibling slows it, integer work
 * too. Per multiply-add with a memory operand two independent integer additions: with two FMA and
 * two load ports that is 2 FMA + 2 loads + 4 additions a cycle, six instructions. Limit: decode and
 * issue width, all of the FMA, load and integer ports at once. */
#include "loop.h"

enum { CHAINS = 12, ADDS = 2, COUNTERS = 4 };

uint64_t SM_SYMBOL(void *buffer, size_t bytes, size_t passes) {
    (void)bytes;
    const float *x = buffer;
    vec acc[CHAINS], m = vec_set1(1.0f);
    uint64_t counter[COUNTERS] = {0}, step = 1;
    OPAQUE(m);
    __asm__ volatile("" : "+r"(step));
    ROOF_FOR(i, CHAINS) acc[i] = vec_set1((float)i);
    for (size_t left = passes; left > 0; left--) {
        ROOF_FOR(i, CHAINS) {
            acc[i] = vec_fma(acc[i], m, vec_load(x + i * VL));
            ROOF_FOR(j, ADDS) {
                counter[(i * ADDS + j) % COUNTERS] += step;
                __asm__ volatile("" : "+r"(counter[(i * ADDS + j) % COUNTERS]));
            }
        }
        NEW_PASS();
    }
    ROOF_FOR(i, CHAINS) OPAQUE(acc[i]);
    return passes;
}
