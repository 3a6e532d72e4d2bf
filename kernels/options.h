/* Public structs that begin with their size, so that fields can be added at their end. */
#ifndef SM_OPTIONS_H
#define SM_OPTIONS_H

#include <sparsemark/status.h>
#include <stddef.h>

/* What the caller's version of the struct has: fields that it lacks stay as they are in own[known],
 * fields that this library lacks must be zero. */
sm_status sm_options_copy(const char *name, const void *given, void *own, size_t known);

#endif
