/* SpMM, rows in step, of X packed, as Intel's cores want it. An FMA whose operand in memory has an
 * index register takes two of their six issue slots a cycle instead of one, so each row of X gets a
 * pointer of its own: a single step of 4 x 64 takes 42 slots, not 54, and one of 4 x 24 with AVX2
 * 38, not 46, where the FMAs take six cycles. And 512-bit shuffles share a port with FMAs, so the
 * weights of shared steps are loaded into all lanes: 18.0 cycles a turn, not 20.7, of which FMAs
 * are 16 (X in L1, Emerald Rapids). Rows of Y are asked for late, see ASKS_Y.
 * Limit: there two vectors are loaded a cycle, weights and offsets included, and single steps take
 * 10.8 cycles however the weights come, for 16 loads of X. */
#define SELL_POINTERS 1
#include "spmm/sell_steps.h"

KERNEL_OF_PACKED_X(multiply, SM_FOR_INTEL)
