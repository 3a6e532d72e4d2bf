/* SpMM, rows in step, of X as it lies, for all cores but Intel's: spmm/sell_in_place.h. */
#include "spmm/sell_in_place.h"
