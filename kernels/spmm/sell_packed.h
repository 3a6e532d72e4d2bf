/* The body of kernels whose X is packed: offsets are distances in the strip, and a row of X there
 * is aligned and has no neighbours in its cache set. */
#ifndef SM_SELL_PACKED_H
#define SM_SELL_PACKED_H

#include "spmm/sell_steps.h"

SM_INLINE void multiply(const sm_packed *w, const sm_tile *t, const size_t nv) {
    const strip s = {.x = (const char *)t->x, .unit = STRIP_UNIT, .whole = 1};
    multiply_strip(w, t, &s, nv);
}

void SM_SYMBOL(const sm_packed *w, const sm_tile *t) {
    NARROW(multiply, w, t);
}

#endif
