/* A build of the library, opened at run time as a table of its functions. */
#ifndef AB_LIBRARY_H
#define AB_LIBRARY_H

#include <sparsemark/isa.h>
#include <sparsemark/kernel.h>
#include <sparsemark/plan.h>
#include <sparsemark/status.h>
#include <sparsemark/version.h>

/* THE list of what a build must offer; abi is first. */
#define AB_FUNCTIONS(X)                                                                            \
    X(abi)                                                                                         \
    X(version)                                                                                     \
    X(message)                                                                                     \
    X(isa_mask)                                                                                    \
    X(kernel_count)                                                                                \
    X(kernel_at)                                                                                   \
    X(plan_create)                                                                                 \
    X(plan_free)                                                                                   \
    X(plan_get_info)                                                                               \
    X(plan_workspace)                                                                              \
    X(plan_run)

typedef struct ab_library {
#define AB_POINTER(name) __typeof__(sm_##name) *name;
    AB_FUNCTIONS(AB_POINTER)
#undef AB_POINTER
} ab_library;

/* The functions that are linked into this program. */
void ab_library_own(ab_library *out);

/* Loads a copy of the file behind fd: every call gives an instance with its own code and data, and
 * no instance sees another's names. It stays loaded to the end of the process. SM_E_IO where the
 * loader refuses it, SM_E_FORMAT where a function is missing or the ABI is not SM_ABI. */
sm_status ab_library_open(int fd, ab_library *out);

#endif
