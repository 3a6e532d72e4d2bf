/* A build of the library with one thing about it changed, for tests/test_ab.py: it hands every call
 * on to the real one, REAL, except for what the macro that it is compiled with says. */
#include <dlfcn.h>
#include <signal.h>
#include <sparsemark/plan.h>
#include <sparsemark/version.h>
#include <stdlib.h>

static void *real(const char *name) {
    static void *handle;
    if (!handle) handle = dlopen(REAL, RTLD_NOW | RTLD_LOCAL);
    return handle ? dlsym(handle, name) : NULL;
}
#define CALL(name) ((__typeof__(name) *)real(#name))

#ifdef DIES_WHEN_LOADED
__attribute__((constructor)) static void die(void) {
    raise(SIGSEGV);
}
#endif

unsigned sm_abi(void) {
#ifdef OTHER_ABI
    return SM_ABI + 1;
#else
    return SM_ABI;
#endif
}

#ifndef OTHER_ABI /* another ABI need not have the same functions */

const char *sm_version(void) {
    return "0.0.stub";
}

const char *sm_message(void) {
    return CALL(sm_message)();
}

uint32_t sm_isa_mask(void) {
#ifdef SCALAR_ONLY
    return 1;
#else
    return CALL(sm_isa_mask)();
#endif
}

/* FEWER_KERNELS lacks the first one. */
#ifdef FEWER_KERNELS
enum { SKIPPED = 1 };
#else
enum { SKIPPED = 0 };
#endif

size_t sm_kernel_count(void) {
    return CALL(sm_kernel_count)() - SKIPPED;
}

const sm_kernel *sm_kernel_at(size_t i) {
    return CALL(sm_kernel_at)(i + SKIPPED);
}

sm_status sm_plan_create(const sm_csr *w, const sm_plan_options *options, sm_plan **out) {
    sm_plan_options changed = *options;
#ifdef OTHER_OPTIONS
    changed.size += sizeof(void *);
#endif
#ifdef OTHER_BLOCKING
    changed.kt = 32;
#endif
    return CALL(sm_plan_create)(w, &changed, out);
}

void sm_plan_free(sm_plan *plan) {
    CALL(sm_plan_free)(plan);
}

void sm_plan_get_info(const sm_plan *plan, sm_plan_info *out) {
    CALL(sm_plan_get_info)(plan, out);
}

size_t sm_plan_workspace(const sm_plan *plan, size_t n) {
    return CALL(sm_plan_workspace)(plan, n);
}

void sm_plan_run(const sm_plan *plan, const sm_args *args, void *workspace) {
    __typeof__(sm_plan_run) *run = CALL(sm_plan_run);
#ifdef DIES_WHEN_RUN
    abort();
#endif
#ifdef ENDS_WHEN_RUN
    exit(0);
#endif
#ifdef SLOW
    for (int i = 0; i < 9; i++) run(plan, args, workspace);
#endif
    run(plan, args, workspace);
#ifdef WRONG
    args->y[0] += 1;
#endif
}
#endif
