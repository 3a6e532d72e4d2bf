/* The canonical matrix: allocation limits, invariants, the dense round trip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <sparsemark/matrix.h>
#include <sparsemark/reference.h>
#include <string.h>

static const float dense[12] = {1, 0, -2, 0, /**/ 0, 0, 0, 0, /**/ -0.0f, 3, 0, 4};

static void take(sm_csr *out) {
    assert_int_equal(sm_csr_from_dense(dense, 3, 4, 4, 1, out), SM_OK);
}

static void test_alloc_is_aligned_and_checks_overflow(void **state) {
    (void)state;
    void *p = sm_alloc(3, 5);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 64, 0);
    sm_free(p);
    p = sm_alloc(0, 8);
    assert_non_null(p);
    sm_free(p);
    assert_null(sm_alloc(SIZE_MAX / 2, 4));
    assert_null(sm_alloc(SIZE_MAX, 1));
}

static void test_limits(void **state) {
    (void)state;
    sm_csr csr;
    assert_int_equal(sm_csr_alloc((size_t)UINT32_MAX + 1, 1, 0, &csr), SM_E_LIMIT);
    assert_int_equal(sm_csr_alloc(1, (size_t)UINT32_MAX + 1, 0, &csr), SM_E_LIMIT);
    assert_int_equal(sm_csr_alloc(UINT32_MAX, UINT32_MAX, (size_t)UINT32_MAX + 1, &csr),
                     SM_E_LIMIT);
    assert_int_equal(sm_csr_alloc(2, 3, 7, &csr), SM_E_LIMIT);
    assert_non_null(strstr(sm_message(), "at most 6 nonzeros, got 7"));
    assert_null(csr.row_ptr);
    sm_csr_free(&csr); /* a zeroed struct may be freed */
}

static void test_dense_round_trip(void **state) {
    (void)state;
    sm_csr csr;
    float back[12], transposed[12];
    take(&csr);
    assert_int_equal(csr.nnz, 4); /* zeros of either sign are dropped */
    assert_int_equal(sm_csr_check(&csr), SM_OK);
    sm_csr_to_dense(&csr, back);
    for (size_t i = 0; i < 12; i++) assert_true(back[i] == dense[i]);
    sm_csr_free(&csr);
    for (size_t r = 0; r < 3; r++)
        for (size_t c = 0; c < 4; c++) transposed[c * 3 + r] = dense[r * 4 + c];
    assert_int_equal(sm_csr_from_dense(transposed, 3, 4, 1, 3, &csr), SM_OK);
    sm_csr_to_dense(&csr, back);
    for (size_t i = 0; i < 12; i++) assert_true(back[i] == dense[i]);
    sm_csr_free(&csr);
}

static void test_dense_with_padded_rows(void **state) {
    (void)state;
    float padded[3 * 7], back[12];
    for (size_t i = 0; i < 3 * 7; i++) padded[i] = i % 7 < 4 ? dense[i / 7 * 4 + i % 7] : NAN;
    sm_csr csr;
    assert_int_equal(sm_csr_from_dense(padded, 3, 4, 7, 1, &csr), SM_OK);
    sm_csr_to_dense(&csr, back);
    for (size_t i = 0; i < 12; i++) assert_true(back[i] == dense[i]);
    sm_csr_free(&csr);
}

static void test_dense_must_be_finite(void **state) {
    (void)state;
    const float bad[2][3] = {{1, 2, NAN}, {1, 2, INFINITY}};
    sm_csr csr;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(sm_csr_from_dense(bad[i], 1, 3, 3, 1, &csr), SM_E_FORMAT);
        assert_non_null(strstr(sm_message(), "row 0, column 2: expected a finite value"));
        assert_null(csr.val);
    }
}

/* Each invariant broken once; the message says which. */
static void expect_broken(sm_csr *csr, const char *message) {
    assert_int_equal(sm_csr_check(csr), SM_E_FORMAT);
    if (!strstr(sm_message(), message)) fail_msg("got '%s', expected '%s'", sm_message(), message);
    sm_csr_free(csr);
}

static void test_invariants(void **state) {
    (void)state;
    sm_csr csr = {0};
    expect_broken(&csr, "an array of the matrix is NULL");
    take(&csr);
    sm_csr lacking = csr;
    lacking.col = NULL;
    assert_int_equal(sm_csr_check(&lacking), SM_E_FORMAT);
    lacking.rows = (size_t)UINT32_MAX + 1;
    assert_int_equal(sm_csr_check(&lacking), SM_E_LIMIT);
    sm_csr_free(&csr);
    take(&csr);
    csr.row_ptr[0] = 1;
    expect_broken(&csr, "row offset 0: expected 0, got 1");
    take(&csr);
    csr.row_ptr[2] = 1;
    expect_broken(&csr, "row offset 2: expected 2 to 4, got 1");
    take(&csr);
    csr.row_ptr[1] = 9;
    expect_broken(&csr, "row offset 1: expected 0 to 4, got 9");
    take(&csr);
    csr.row_ptr[3] = 3;
    expect_broken(&csr, "last row offset: expected 4, got 3");
    take(&csr);
    csr.col[1] = 4;
    expect_broken(&csr, "row 0: expected columns below 4, got 4");
    take(&csr);
    csr.col[1] = csr.col[0];
    expect_broken(&csr, "row 0: expected increasing columns, got 0 after 0");
    take(&csr);
    csr.val[2] = 0.0f;
    expect_broken(&csr, "row 2, column 1: expected a finite nonzero value, got 0");
    take(&csr);
    csr.val[2] = NAN;
    expect_broken(&csr, "row 2, column 1: expected a finite nonzero value");
}

/* Sums may be off by a unit a term, and where nothing is added they may not. */
static void test_reference(void **state) {
    (void)state;
    const float of_two_rows[] = {1, -2, 3, 0, 0, 0}, x[] = {1, 1, 1};
    float y[] = {2, 0};
    const size_t column = 0;
    double exact[2], bound[2];
    sm_csr w;
    assert_int_equal(sm_csr_from_dense(of_two_rows, 2, 3, 3, 1, &w), SM_OK);
    const sm_args a = {.x = x,
                       .x_rs = 1,
                       .x_cs = 3,
                       .y = y,
                       .y_rs = 1,
                       .y_cs = 2,
                       .n = 1,
                       .lo = -INFINITY,
                       .hi = INFINITY};
    sm_reference(&w, &a, &column, 1, exact, bound);
    assert_true(exact[0] == 2 && exact[1] == 0 && bound[1] == 0);
    assert_true(bound[0] >= 4 * 6 * 0x1p-24 && bound[0] < 4 * 6 * 0x1p-23);
    assert_true(sm_reference_error(&w, &a, &column, 1, exact, bound) == 0);
    y[0] = 2 + 0x1p-22f;
    const double error = sm_reference_error(&w, &a, &column, 1, exact, bound);
    assert_true(error > 0.1 && error < 1);
    y[1] = FLT_TRUE_MIN;
    assert_true(isinf(sm_reference_error(&w, &a, &column, 1, exact, bound)));
    sm_csr_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc_is_aligned_and_checks_overflow),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_dense_round_trip),
        cmocka_unit_test(test_dense_with_padded_rows),
        cmocka_unit_test(test_dense_must_be_finite),
        cmocka_unit_test(test_invariants),
        cmocka_unit_test(test_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
