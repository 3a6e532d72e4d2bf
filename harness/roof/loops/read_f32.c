/* Reads the buffer with vector loads and does nothing with them. Limit: load ports in L1, the way
 * to the cache or memory that holds the buffer otherwise. */
#include "loop.h"

enum { BATCH = 16 };

uint64_t SM_SYMBOL(void *buffer, size_t bytes, size_t passes) {
    const float *x = buffer;
    const size_t count = bytes / sizeof *x;
    for (size_t pass = 0; pass < passes; pass++) {
        for (size_t at = 0; at < count; at += BATCH * VL) {
            ROOF_FOR(i, BATCH) {
                vec v = vec_load(x + at + i * VL);
                OPAQUE(v);
            }
        }
        NEW_PASS();
    }
    return (uint64_t)bytes * passes;
}
