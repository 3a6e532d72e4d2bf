/* Threads that several plans share: the layers of a network run one after the other. */
#ifndef SPARSEMARK_POOL_H
#define SPARSEMARK_POOL_H

#include <sparsemark/status.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct sm_pool sm_pool;

/* Starts so many threads beside the caller's, each pinned to its CPU of cpus where that is not
 * NULL. After a run they spin for 0.2 ms, in which the next one finds them awake. They block all
 * signals. A child of fork() has none of them: it may free the pool and what uses it, no more.
 * SM_E_ARG (a CPU that cannot be had), SM_E_NOMEM; *out is then NULL. */
sm_status sm_pool_create(size_t threads, const int *cpus, sm_pool **out);
void sm_pool_free(sm_pool *pool); /* accepts NULL */

/* An sm_parallel_for for sm_plan_options, with pool an sm_pool: the caller takes tasks too. Calls
 * take turns: one from within a task of the same pool would wait for itself for ever. */
void sm_pool_run(void *pool, size_t tasks, void (*task)(void *arg, size_t i), void *arg);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
