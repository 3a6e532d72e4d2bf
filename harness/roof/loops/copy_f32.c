/* Copies the first half of the buffer to the second with ordinary loads and stores, as kernels
 * write Y: a line is read before it is written to, which a count of bytes read and written does
 * not see. Limit: store ports in L1, the way to the memory that holds the buffer otherwise. */
#include "loop.h"

enum { BATCH = 16 };

uint64_t SM_SYMBOL(void *buffer, size_t bytes, size_t passes) {
    const size_t count = bytes / 2 / sizeof(float);
    const float *x = buffer;
    float *y = (float *)buffer + count;
    for (size_t pass = 0; pass < passes; pass++) {
        for (size_t at = 0; at < count; at += BATCH * VL) {
            ROOF_FOR(i, BATCH) {
                vec v = vec_load(x + at + i * VL);
                OPAQUE(v);
                vec_store(y + at + i * VL, v);
            }
        }
        NEW_PASS();
    }
    return (uint64_t)bytes * passes;
}
