/* SpMM, rows in step, of X as it lies, for all cores but Intel's. Nothing is packed, for one
 * multiplication a row of X more. It pays where rows of X are used seldom, few rows or many zeros,
 * and do not share a few sets of L1, as rows whose distance is a multiple of 1 KiB do. */
#include "spmm/sell_steps.h"

KERNEL_OF_UNPACKED_X(multiply, SM_FOR_OTHERS)
