/* SpMM, columns of MR weights, of X as it lies: where rows of X are used so seldom that packing
 * them takes longer than to read them from L2. */
#include "spmm/bsr_columns.h"

KERNEL_OF_UNPACKED_X(multiply, SM_PLAIN)
