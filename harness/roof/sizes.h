/* How large a buffer must be to lie in one memory. */
#ifndef ROOF_SIZES_H
#define ROOF_SIZES_H

#include <stddef.h>

/* Bytes for each of so many threads, a multiple of SM_ROOF_GRAIN; 0 where that memory is missing or
 * cannot be told from the one before it. */
size_t sm_roof_window(size_t memory, size_t threads);

/* Bytes of the largest cache level, all caches that so many threads reach. */
size_t sm_roof_cached(size_t threads);

/* Bytes that come from memory when they are read in circles. A thirty-second of the machine's
 * memory at most, for there are several such rings at a time, but twice the caches. */
size_t sm_roof_ring(size_t threads);

#endif
