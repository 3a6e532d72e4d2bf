/* The same as nm_stream.c for Intel's cores, which are slow to fetch past L2 (1.7 times the time
 * of nm_window.c with AVX-512) and gain by asking for both streams: 1.16 times as fast as
 * nm_window.c with AVX-512, 1.2 with AVX2 (4096 x 4096 from memory, 50 to 90 % sparse, Emerald
 * Rapids), and 1.2 times with AVX-512 from a cache behind L2; there also for a Zen 5, 1.1 times at
 * 50 to 80 %. Of a W that comes from memory (SM_W_PAGES) the beginnings of pages are asked
 * for too: 4 to 13 %. */
#define NM_TRAITS (SM_FOR_INTEL | SM_ASKS_FOR_W)
#define ASK_VALUE(p) __builtin_prefetch(p)
#define ASK_INDEX(p) __builtin_prefetch(p)
#define ASK_PAGES 1
#include "spmv/nm_slots.h"
