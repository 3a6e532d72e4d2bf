/* Dense control, of X as it lies: for W of so few rows that packing X takes longer than to read it
 * from L2. */
#include "spmm/dense_columns.h"

KERNEL_OF_UNPACKED_X(multiply, SM_PLAIN)
