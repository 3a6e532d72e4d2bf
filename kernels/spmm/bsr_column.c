/* SpMM, columns of MR weights, of X packed. */
#include "spmm/bsr_columns.h"

KERNEL_OF_PACKED_X(multiply, SM_PLAIN)
