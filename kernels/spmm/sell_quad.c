/* SpMM, rows in step, of X packed; one load fetches four weights. */
#include "spmm/sell_steps.h"

KERNEL_OF_PACKED_X(multiply, SM_FOR_OTHERS)
