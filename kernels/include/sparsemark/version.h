/* Which library this is, for programs that load it at run time. */
#ifndef SPARSEMARK_VERSION_H
#define SPARSEMARK_VERSION_H

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Goes up when a struct or the meaning of a function in these headers changes in a way that a
 * program built with the old headers would not survive. Part of the shared library's name. */
#define SM_ABI 1

unsigned sm_abi(void);        /* SM_ABI of the library that was loaded */
const char *sm_version(void); /* "0.1.0"; constant */

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
