/* The body of kernels that read X as it lies: offsets are columns of the K tile. Nothing is packed,
 * for one multiplication a row of X more. It pays where rows of X are used seldom, few rows or many
 * zeros, and do not share a few sets of L1, as rows whose distance is a multiple of 1 KiB do. */
#ifndef SM_SELL_IN_PLACE_H
#define SM_SELL_IN_PLACE_H

#include "spmm/sell_steps.h"

SM_INLINE void multiply(const sm_packed *w, const sm_tile *t, const size_t nv, const int whole) {
    const strip s = {.x = (const char *)t->x,
                     .unit = t->x_rs * (ptrdiff_t)sizeof(float),
                     .rest = t->n - (nv - 1) * VL,
                     .whole = whole};
    multiply_strip(w, t, &s, nv);
}

SM_INLINE void narrow(const sm_packed *w, const sm_tile *t, const size_t nv) {
    multiply(w, t, nv, 0);
}

void SM_SYMBOL(const sm_packed *w, const sm_tile *t) {
    if (t->n == NR)
        multiply(w, t, NV, 1);
    else
        NARROW(narrow, w, t);
}

#endif
