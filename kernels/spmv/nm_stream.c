/* SpMV over slots, for weights that come from memory: hardware stops at the end of a page, and two
 * streams of different pace make it late. Lines are fetched past L2, which they would only sweep.
 */
#define AHEAD 1024 /* 4 KiB */
#include "spmv/nm_slots.h"
