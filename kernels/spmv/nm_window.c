/* SpMV over slots, for weights that are in cache: there each prefetch would take the place of a
 * load.
 */
#define AHEAD 0
#include "spmv/nm_slots.h"
