/* SpMV over slots, for weights that are in a cache, on Intel's cores and with AVX-512 surely in L2:
 * there each prefetch would take the place of a load. */
#define NM_TRAITS (SM_TAKES_W)
#define ASK_VALUE(p)
#define ASK_INDEX(p)
#define ASK_PAGES 0
#include "spmv/nm_slots.h"
