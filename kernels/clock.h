/* The monotonic clock. Internal to the library. */
#ifndef SM_CLOCK_H
#define SM_CLOCK_H

#include <time.h>

static inline double sm_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
