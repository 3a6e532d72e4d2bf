/* What the list of kernels, and the files of their bodies, say of one. Internal to the library. */
#ifndef SM_REGISTRY_H
#define SM_REGISTRY_H

#include <sparsemark/kernel.h>
#include <stddef.h>

/* What a plan must know of a kernel beside its name and tile; the file of its body says it. */
typedef enum sm_trait {
    SM_PLAIN = 0,
    /* Reads X where it lies: from sm_tile.x_rs and without alignment, and no column from sm_tile.n
     * on. Where columns of X are next to each other, no strip is packed for it. */
    SM_IN_PLACE = 1,
    /* One of two that multiply the same streams, for Intel's cores, or for others. */
    SM_FOR_INTEL = 2,
    SM_FOR_OTHERS = 4,
    /* One of two likewise that asks for lines of W ahead, or takes W as it comes. The one for
     * Intel's cores is also for others with AVX-512 where W is in L3. */
    SM_ASKS_FOR_W = 8,
    SM_TAKES_W = 16
} sm_trait;
unsigned sm_traits(const sm_kernel *kernel);

/* Whether a kernel is one for few columns of X (spmv): its lanes are rows of W, and X, partial sums
 * and Y lie column by column. */
int sm_by_columns(const sm_kernel *kernel);

struct sm_format; /* formats/format.h */
const struct sm_format *sm_format_of(const sm_kernel *kernel);
size_t sm_format_index(const sm_kernel *kernel);
int sm_reads_in_place(const sm_kernel *kernel);

#endif
