/* SpMV over slots, for weights that come from memory: hardware stops at the end of a page, and two
 * streams of different pace make it late. Lines are fetched past L2, which they would only sweep.
 */
#define NM_TRAITS (SM_FOR_OTHERS | SM_ASKS_FOR_W)
#define ASK_VALUE(p) __builtin_prefetch(p, 0, 0)
#define ASK_INDEX(p)
#define ASK_PAGES 0
#include "spmv/nm_slots.h"
