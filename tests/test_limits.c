/* Cold weights, and the marks that follow from what the machine can do. */
#include "measure/group.h"
#include "plan_problem.h"

enum { M = 32, K = 48, N = 8 };

static int third(size_t r, size_t c) {
    return (r * 31 + c * 17) % 3 == 0;
}

static void make_operands(sm_operands *o) {
    problem p;
    make_problem(M, K, N, 0, third, &p);
    sm_csr w = p.w;
    p.w = (sm_csr){0};
    free_problem(&p);
    assert_int_equal(sm_operands_create(&w, N, SM_FEATURE_MAJOR, 1, o), SM_OK);
}

/* As many copies as make the bytes, each of them a right answer, taken in turn. */
static void test_a_ring_of_copies(void **state) {
    (void)state;
    sm_operands o;
    make_operands(&o);
    const sm_plan_options options = {.size = sizeof options, .n = N, .budget_s = -1};
    sm_candidate c;
    assert_int_equal(sm_candidate_plan(&o, &options, &c), SM_OK);
    assert_int_equal(c.copy_count, 1);
    const size_t each = sm_candidate_weight_bytes(&c);
    assert_true(each >= o.w.nnz * sizeof(float));
    assert_int_equal(sm_candidate_copy(&c, 5 * each - 1), SM_OK);
    assert_int_equal(c.copy_count, 5);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(c.turn, i % 5);
        assert_true(sm_candidate_verify(&c));
    }
    for (size_t i = 1; i < c.copy_count; i++) {
        sm_plan_info info;
        sm_plan_get_info(c.copies[i].plan, &info);
        assert_ptr_equal(info.kernel, c.info.kernel);
        assert_int_equal(info.kt, c.info.kt);
        assert_int_equal(info.mc, c.info.mc);
        assert_ptr_not_equal(c.copies[i].plan, c.copies[0].plan);
    }
    sm_candidate_free(&c);
    sm_operands_free(&o);
}

static sm_roof *roof; /* of one thread */

static int measure_roof(void **state) {
    (void)state;
    const size_t one = 1;
    return sm_roof_measure(&one, 1, SM_ROOF_MEMORIES, 0.05, &roof) == SM_OK ? 0 : -1;
}

static int free_roof(void **state) {
    (void)state;
    sm_roof_free(roof);
    return 0;
}

static void test_a_slow_dense_opponent_is_a_weak_baseline(void **state) {
    (void)state;
    const sm_run_options options = {0};
    sm_session session = {.roof = roof, .options = &options};
    const group g = {.session = &session};
    sm_cell cell = {.m = 1024, .k = 1024, .n = 64, .roof_share = 0.5};
    assert_true(sm_group_weak_baseline(&g, &cell));
    cell.roof_share = 0.8;
    assert_false(sm_group_weak_baseline(&g, &cell));
    cell.roof_share = 0.5;
    cell.n = 63; /* below 2^26 products */
    assert_false(sm_group_weak_baseline(&g, &cell));
}

static void test_weights_faster_than_memory_were_not_cold(void **state) {
    (void)state;
    const sm_run_options options = {0};
    sm_session session = {.roof = roof, .options = &options};
    sm_point point = {.threads = 1, .cold = 1};
    const group g = {.session = &session, .point = &point};
    const double gbytes_s = sm_roof_read(roof, SM_ROOF_DRAM, 1);
    sm_cell cell = {.bytes_weights = 1000000, .time_ns_median = 1000000 / (1.2 * gbytes_s)};
    assert_true(sm_cell_not_cold(&g, &cell));
    cell.time_ns_median = 1000000 / (0.9 * gbytes_s);
    assert_false(sm_cell_not_cold(&g, &cell));
    point.cold = 0;
    cell.time_ns_median = 1;
    assert_false(sm_cell_not_cold(&g, &cell));
}

static void test_the_roof_is_the_lower_of_peak_and_stream(void **state) {
    (void)state;
    const sm_run_options options = {0};
    sm_session session = {.roof = roof, .options = &options};
    sm_point point = {.threads = 1};
    const group g = {.session = &session, .point = &point};
    const sm_candidate c = {.dense = 0};
    sm_cell cell = {.m = 100, .k = 100, .n = 100, .nnz = 5000, .time_ns_median = 1e6};
    cell.bytes_moved = 1; /* a million FLOP a byte */
    assert_string_equal(sm_cell_limits(&g, &c, &cell), "fma");
    assert_true(cell.arithmetic_intensity == 1e6);
    assert_true(cell.roof_gflops == sm_roof_fma(roof, "", 1));
    assert_true(fabs(cell.roof_share * cell.roof_gflops - 1.0) < 1e-9); /* 1 GFLOP/s */
    cell.bytes_moved = (int64_t)1 << 40;
    assert_string_equal(sm_cell_limits(&g, &c, &cell), "DRAM");
    assert_true(cell.roof_gflops < sm_roof_fma(roof, "", 1));
    cell.nnz = cell.n = 1; /* so little to compute that any memory sets the limit */
    cell.bytes_moved = 8192;
    assert_string_equal(sm_cell_limits(&g, &c, &cell), "L1");
    point.cold = 1; /* weights from memory, however small they are */
    assert_string_equal(sm_cell_limits(&g, &c, &cell), "DRAM");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_ring_of_copies),
        cmocka_unit_test(test_a_slow_dense_opponent_is_a_weak_baseline),
        cmocka_unit_test(test_weights_faster_than_memory_were_not_cold),
        cmocka_unit_test(test_the_roof_is_the_lower_of_peak_and_stream),
    };
    return cmocka_run_group_tests(tests, measure_roof, free_roof);
}
