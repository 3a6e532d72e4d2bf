/* SpMM, rows in step, of X packed, as Intel's cores want it. An FMA whose operand in memory has an
 * index register takes two issue slots there instead of one, so each row of X gets a pointer of its
 * own: 42 instead of 53 slots a single step of 4 x 64, 36 instead of 45 of 4 x 24 with AVX2, whose
 * FMAs need 36. And 512-bit shuffles share a port with FMAs, so the weights of shared steps are
 * loaded into all lanes: 18.0 instead of 20.7 cycles a turn on a Sapphire Rapids core. */
#define SELL_POINTERS 1
#include "spmm/sell_packed.h"
