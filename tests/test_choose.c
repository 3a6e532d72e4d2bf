/* Which kernels a plan considers, seen through plans that do not time (the most promising
 * candidate) and through how many candidates a plan that does has timed. */
#include "plan_problem.h"

static int nearly_all(size_t r, size_t c) {
    return (r + c) % 10 != 0;
}

static uint32_t formats(const char *first, const char *second) {
    uint32_t mask = 0;
    for (size_t i = 0; sm_format_name(i); i++)
        if (strcmp(sm_format_name(i), first) == 0 || strcmp(sm_format_name(i), second) == 0)
            mask |= 1u << i;
    return mask;
}

static sm_plan_info planned(const problem *p, size_t n, uint32_t format_mask, double budget_s) {
    sm_plan *plan;
    sm_plan_info info;
    const sm_plan_options o = {
        .size = sizeof o, .n = n, .format_mask = format_mask, .budget_s = budget_s};
    if (sm_plan_create(&p->w, &o, &plan) != SM_OK) fail_msg("%s", sm_message());
    sm_plan_get_info(plan, &info);
    sm_plan_free(plan);
    return info;
}

static void test_blocks_only_where_rows_are_alike(void **state) {
    (void)state;
    problem p;
    const uint32_t both = formats("panel", "bsr"), all = 0;
    make_problem(64, 128, 1, 0, alike_in_eights, &p);
    assert_string_equal(planned(&p, 64, both, -1).kernel->format, "bsr");
    free_problem(&p);
    /* Larger than the slice that is looked at, which must begin where a panel does. */
    make_problem(600, 1024, 1, 0, alike_in_eights, &p);
    assert_string_equal(planned(&p, 64, both, -1).kernel->format, "bsr");
    free_problem(&p);
    make_problem(64, 128, 1, 0, scattered, &p);
    assert_string_equal(planned(&p, 64, both, -1).kernel->format, "panel");
    /* Where only blocks are allowed they are taken, at whatever fill. */
    assert_string_equal(planned(&p, 64, formats("bsr", ""), -1).kernel->format, "bsr");
    assert_string_not_equal(planned(&p, 64, all, -1).kernel->format, "bsr");
    free_problem(&p);
}

static void test_without_times_density_decides(void **state) {
    (void)state;
    problem p;
    make_problem(64, 128, 1, 0, nearly_all, &p);
    assert_string_equal(planned(&p, 64, 0, -1).kernel->format, "dense");
    assert_string_not_equal(planned(&p, 64, ~formats("dense", ""), -1).kernel->format, "dense");
    free_problem(&p);
    make_problem(64, 128, 1, 0, scattered, &p);
    assert_string_not_equal(planned(&p, 64, 0, -1).kernel->format, "dense");
    free_problem(&p);
}

static void test_columns_decide_the_operation(void **state) {
    (void)state;
    problem p;
    make_problem(64, 128, 1, 0, scattered, &p);
    assert_string_equal(planned(&p, 1, 0, -1).kernel->op, "spmv");
    assert_string_equal(planned(&p, 100, 0, -1).kernel->op, "spmm");
    /* A format without a kernel for many columns still multiplies them, and the other way round. */
    assert_string_equal(planned(&p, 100, formats("nm", ""), -1).kernel->op, "spmv");
    assert_string_equal(planned(&p, 1, formats("panel", ""), -1).kernel->op, "spmm");
    free_problem(&p);
}

/* Should the budget end early, large tiles were tried. */
static void test_large_tiles_come_first(void **state) {
    (void)state;
    problem p;
    make_problem(64, 128, 1, 0, scattered, &p);
    const sm_kernel *chosen = planned(&p, 512, formats("sell", ""), -1).kernel;
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        if (strcmp(k->format, "sell") == 0 && k->level == chosen->level && 512 % k->nr == 0)
            assert_true(k->mr * k->nr <= chosen->mr * chosen->nr);
    }
    free_problem(&p);
}

/* What is timed is a sample, however many columns a call has. */
static void test_many_columns_of_few_rows(void **state) {
    (void)state;
    problem p;
    make_problem(2048, 8, 1, 0, scattered, &p);
    const sm_plan_info info = planned(&p, 1 << 26, 0, 0); /* Y of such a call: 512 GiB */
    assert_in_range(info.candidates, 2, 3 * sm_kernel_count());
    free_problem(&p);
}

static void test_timed_are_those_with_hope(void **state) {
    (void)state;
    problem p;
    size_t one_column = 0;
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        one_column += strcmp(k->op, "spmv") == 0 && (sm_isa_mask() >> k->level & 1);
    }
    make_problem(64, 128, 1, 0, scattered, &p);
    /* All K fits one tile, so a kernel is one candidate. */
    assert_in_range(planned(&p, 1, 0, 1).candidates, 2, one_column);
    free_problem(&p);
}

/* The dense form would not fit any cache, the sparse one is read in no time. */
static void test_weights_larger_than_the_caches(void **state) {
    (void)state;
    enum { ROWS = 1 << 17, COLS = 1 << 10, EACH = 16 };
    sm_csr w;
    assert_int_equal(sm_csr_alloc(ROWS, COLS, ROWS * EACH, &w), SM_OK);
    for (size_t i = 0; i < ROWS * EACH; i++) {
        w.row_ptr[i / EACH + 1] = (uint32_t)(i / EACH + 1) * EACH;
        w.col[i] = (uint32_t)(i % EACH * (COLS / EACH) + i / EACH * 37 % (COLS / EACH));
        w.val[i] = value_of(i);
    }
    assert_int_equal(sm_csr_check(&w), SM_OK);
    const problem p = {.w = w};
    const sm_plan_info info = planned(&p, 1, 0, 0);
    assert_string_not_equal(info.kernel->format, "dense");
    assert_true(info.dense_s > info.sparse_s && info.sparse_s > 0);
    sm_csr_free(&w);
}

/* Dense weights could be larger than memory there: they are not even tried. A small matrix is. */
static void test_nearly_empty_is_never_dense(void **state) {
    (void)state;
    problem p;
    make_problem(64, 512, 1, 0, one_a_row, &p);
    assert_true(planned(&p, 1, 0, 0).dense_s > 0);
    free_problem(&p);
    make_problem(64, 1 << 15, 1, 0, one_a_row, &p);
    for (size_t n = 1; n <= 64; n *= 64) {
        const sm_plan_info info = planned(&p, n, 0, 0);
        assert_string_not_equal(info.kernel->format, "dense");
        assert_true(info.dense_s == 0 && info.sparse_s > 0);
        assert_string_equal(planned(&p, n, formats("dense", ""), 0).kernel->format, "dense");
    }
    free_problem(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_only_where_rows_are_alike),
        cmocka_unit_test(test_without_times_density_decides),
        cmocka_unit_test(test_columns_decide_the_operation),
        cmocka_unit_test(test_large_tiles_come_first),
        cmocka_unit_test(test_many_columns_of_few_rows),
        cmocka_unit_test(test_timed_are_those_with_hope),
        cmocka_unit_test(test_weights_larger_than_the_caches),
        cmocka_unit_test(test_nearly_empty_is_never_dense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
