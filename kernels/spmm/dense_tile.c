/* Dense control, of X packed. */
#include "spmm/dense_columns.h"

KERNEL_OF_PACKED_X(multiply, SM_PLAIN)
