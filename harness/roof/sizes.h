/* How large a buffer must be to lie in one memory. */
#ifndef ROOF_SIZES_H
#define ROOF_SIZES_H

#include <stddef.h>

/* Bytes for each of so many threads, a multiple of SM_ROOF_GRAIN; 0 where that memory is missing or
 * cannot be told from the one before it. */
size_t sm_roof_window(size_t memory, size_t threads);

/* Bytes of the largest cache level, all caches that so many threads reach. */
size_t sm_roof_cached(size_t threads);

/* Bytes of each of so many rings of which nearly all comes from memory when one is read in circles.
 * All together a quarter of the machine's memory at most, but each twice the caches, which then
 * keep up to half of it. */
size_t sm_roof_ring(size_t threads, size_t rings);

#endif
