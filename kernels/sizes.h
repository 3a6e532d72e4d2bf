/* Sums with sizes. Internal to the library. */
#ifndef SM_SIZES_H
#define SM_SIZES_H

#include <stddef.h>

static inline size_t sm_min_size(size_t a, size_t b) {
    return a < b ? a : b;
}
static inline size_t sm_ceil_div(size_t a, size_t b) {
    return a / b + (a % b != 0); /* a may be SIZE_MAX: a caller's "no limit" */
}

/* The least multiple of unit that is n or more. */
static inline size_t sm_round_up(size_t n, size_t unit) {
    return sm_ceil_div(n, unit) * unit;
}

#endif
