/* Every kernel of the list that this CPU can run, against the oracle, between guard pages. */
#include "kernel_cases.h"

static void test_kernel(void **state) {
    const sm_kernel *k = *state;
    if (!(sm_isa_mask() >> k->level & 1)) {
        char reason[128];
        sm_cpuid cpuid;
        sm_cpuid_read(&cpuid);
        print_message("%s: not run natively: %s\n", k->name,
                      sm_isa_reason(&cpuid, k->level, reason, sizeof reason));
        skip();
    }
    check_one_kernel(k, "native");
}

/* A kernel that leaves the last valid column of each panel's first row as it was. */
static void forgetful(const sm_packed *w, const sm_tile *t) {
    sm_kernel_find("spmm_csr_f32_scalar_row_1x8")->run(w, t);
    if (t->last) t->y[t->n - 1] = 0.0f;
}

static void test_a_wrong_kernel_is_found(void **state) {
    (void)state;
    sm_kernel k = *sm_kernel_find("spmm_csr_f32_scalar_row_1x8");
    k.run = forgetful;
    sm_check_result r;
    int turn = 0;
    assert_int_equal(sm_check_kernel(&k, 1, multiply_guarded, &turn, &r), SM_OK);
    assert_false(r.worst <= 1.0);
}

int main(void) {
    const size_t count = sm_kernel_count();
    struct CMUnitTest *tests = calloc(count + 1, sizeof *tests);
    if (!tests) return 1;
    for (size_t i = 0; i < count; i++) {
        tests[i].name = sm_kernel_at(i)->name;
        tests[i].test_func = test_kernel;
        tests[i].initial_state = (void *)(uintptr_t)sm_kernel_at(i);
    }
    tests[count] = (struct CMUnitTest)cmocka_unit_test(test_a_wrong_kernel_is_found);
    const int failed = _cmocka_run_group_tests("kernels, native", tests, count + 1, NULL, NULL);
    free(tests);
    return failed;
}
