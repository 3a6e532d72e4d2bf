/* The list of kernels: what kernels/kernels.inc says, as a table. */
#ifndef SPARSEMARK_KERNEL_H
#define SPARSEMARK_KERNEL_H

#include <sparsemark/isa.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct sm_packed;
struct sm_tile;

/* A micro-kernel: one strip of X x one row block x one K tile. It cannot fail, allocates nothing
 * and touches no byte outside its operands; kernels/README.md is the contract. */
typedef void sm_kernel_fn(const struct sm_packed *w, const struct sm_tile *tile);

typedef struct sm_kernel {
    const char *name; /* op_format_dtype_isa_variant_MRxNR: also object, test, record and label */
    const char *op, *format, *dtype, *isa, *variant;
    size_t level;  /* index of isa, see isa.h */
    size_t mr, nr; /* register tile: mr rows of W, nr columns of X */
    sm_kernel_fn *run;
} sm_kernel;

size_t sm_kernel_count(void);
const sm_kernel *sm_kernel_at(size_t i);           /* NULL past the end */
const sm_kernel *sm_kernel_find(const char *name); /* NULL when there is none of that name */

size_t sm_format_count(void);
const char *sm_format_name(size_t format); /* NULL past the end */

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
