/* The AVX-512 kernels of the list, compiled against SIMDe for AVX2: right on machines without
 * AVX-512, and never timed. */
#include "kernel_cases.h"
#include <stdio.h>

#define FIELDS(op, format, dtype, isa, variant, mr, nr)                                            \
    op##_##format##_##dtype##_##isa##_##variant##_##mr##x##nr
#define DECLARE(name) DECLARE_(name)
#define DECLARE_(name) sm_kernel_fn sm_emulated_##name;
#define NAME(name) NAME_(name)
#define NAME_(name) {#name, sm_emulated_##name},

/* Only lines of the level avx512 have an emulated twin: EMULATED_<isa> picks them. */
#define EMULATED_scalar(...)
#define EMULATED_autovec256(...)
#define EMULATED_autovec512(...)
#define EMULATED_avx2(...)
#define EMULATED_avx512(...) __VA_ARGS__

#define SM_FORMAT(format)
#define SM_KERNEL(op, format, dtype, isa, variant, mr, nr)                                         \
    EMULATED_##isa(DECLARE(FIELDS(op, format, dtype, isa, variant, mr, nr)))
#include "kernels.inc"
#undef SM_KERNEL

static const struct emulated {
    const char *name;
    sm_kernel_fn *run;
} emulated[] = {
#define SM_KERNEL(op, format, dtype, isa, variant, mr, nr)                                         \
    EMULATED_##isa(NAME(FIELDS(op, format, dtype, isa, variant, mr, nr)))
#include "kernels.inc"
#undef SM_KERNEL
#undef SM_FORMAT
};
enum { EMULATED = sizeof emulated / sizeof emulated[0] };

static void test_kernel(void **state) {
    const struct emulated *e = *state;
    size_t avx2;
    assert_int_equal(sm_isa_find("avx2", &avx2), SM_OK);
    if (!(sm_isa_mask() >> avx2 & 1)) {
        print_message("%s: not emulated: this CPU cannot run avx2\n", e->name);
        skip();
    }
    sm_kernel k = *sm_kernel_find(e->name);
    k.run = e->run;
    check_one_kernel(&k, "emulated");
}

int main(void) {
    struct CMUnitTest tests[EMULATED] = {{0}};
    for (size_t i = 0; i < EMULATED; i++) {
        tests[i].name = emulated[i].name;
        tests[i].test_func = test_kernel;
        tests[i].initial_state = (void *)(uintptr_t)&emulated[i];
    }
    return _cmocka_run_group_tests("kernels, emulated", tests, EMULATED, NULL, NULL);
}
