/* SpMM, rows in step, of X packed; one load fetches four weights. */
#include "spmm/sell_packed.h"
