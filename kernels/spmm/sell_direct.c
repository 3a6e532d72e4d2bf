/* SpMM, rows in step, of X as it lies (spmm/sell_place.c), as Intel's cores want it: with a
 * pointer a row of X and weights by broadcasts, which spmm/sell_pointer.c explains, and with rows
 * of Y, and of an X that L2 does not hold, asked for ahead. */
#define SELL_POINTERS 1
#include "spmm/sell_steps.h"

KERNEL_OF_UNPACKED_X(multiply, SM_FOR_INTEL)
