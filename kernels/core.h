/* What is known of the core beyond its levels, and what follows from it. Internal to the library.
 */
#ifndef SM_CORE_H
#define SM_CORE_H

#include "packed.h"
#include <stddef.h>

/* Bytes of a core's caches, as far as the system says: of L3 its share. */
size_t sm_l1_bytes(void);
size_t sm_l2_bytes(void);
size_t sm_l3_bytes(void);

/* A virtual machine takes some ten microseconds to say so: ask once and pass it on. */
int sm_core_of_intel(void);

size_t sm_lanes(const sm_kernel *kernel); /* floats in a vector of its level; 8 without vectors */

/* How often a row of X is read for so many stored values: for each, for all rows of a panel at once
 * by formats of whole columns, and for every panel by those that store everything. */
double sm_reads_of_x(const sm_kernel *kernel, size_t rows, size_t cols, double values);

/* Bytes, as sm_asks() counts them, from which on X is asked for ahead; SIZE_MAX: never. w
 * need not be packed yet. */
size_t sm_core_ask_from(const sm_packed *w, int intel);

sm_ask_y sm_core_ask_y(int intel);

/* How kernels ask for so many bytes of packed W. */
sm_ask_w sm_core_ask_w(double bytes, int intel);

/* How X and Y are copied and transposed for kernels of that level. */
sm_strips sm_core_strips(const sm_kernel *kernel, int intel);

#endif
