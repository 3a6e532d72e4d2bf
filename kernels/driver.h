/* The nest that runs the kernel of a packed matrix, see driver.c. Internal to the library. */
#ifndef SM_DRIVER_H
#define SM_DRIVER_H

#include "packed.h"
#include <sparsemark/pool.h>

/* Workspace bytes and one multiplication; the driver knows every kernel only by its signature. */
size_t sm_driver_workspace(const sm_packed *w, size_t n, size_t threads);
void sm_driver_run(const sm_packed *w, const sm_args *args, size_t threads,
                   sm_parallel_for *parallel_for, void *pool, void *workspace);
void sm_driver_pack_x(const sm_packed *w, const sm_args *args, void *workspace);

/* The same for a convolution. */
void sm_driver_run_conv(const sm_packed *w, const sm_conv_args *args, size_t threads,
                        sm_parallel_for *parallel_for, void *pool, void *workspace);
void sm_driver_pack_conv(const sm_packed *w, const sm_conv_args *args, void *workspace);

#endif
