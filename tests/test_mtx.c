/* The Matrix Market reader: what it accepts, and for everything it refuses the place and the
 * expectation. */
#include "input/mtx.h"
#include "scratch.h"

/* A literal with its size, so that NUL bytes count. */
#define TEXT(literal) (literal), sizeof(literal) - 1

#define COORDINATE "%%MatrixMarket matrix coordinate real general\n"
#define INTEGER "%%MatrixMarket matrix coordinate integer general\n"
#define PATTERN "%%MatrixMarket matrix coordinate pattern general\n"
#define SYMMETRIC "%%MatrixMarket matrix coordinate real symmetric\n"
#define ARRAY "%%MatrixMarket matrix array real general\n"

/* Parses and compares with a dense matrix. */
static void assert_dense(const char *text, size_t size, int transposed, size_t rows, size_t cols,
                         const float *expected) {
    sm_csr csr;
    float got[64];
    assert_int_equal(mtx_parse("w.mtx", text, size, transposed, &csr), SM_OK);
    assert_int_equal(sm_csr_check(&csr), SM_OK);
    assert_int_equal(csr.rows, rows);
    assert_int_equal(csr.cols, cols);
    sm_csr_to_dense(&csr, got);
    assert_memory_equal(got, expected, rows * cols * sizeof *got);
    sm_csr_free(&csr);
}

static void accepts_coordinates_in_any_order(void **state) {
    (void)state;
    static const float w[] = {0, 1.5f, 0, -2, 0, 3e-3f}, wt[] = {0, -2, 1.5f, 0, 0, 3e-3f};
    static const float ones[] = {0, 1, 0, 1, 0, 1};
    assert_dense(TEXT(COORDINATE "2 3 3\n1 2 1.5\n2 1 -2\n2 3 3e-3\n"), 0, 2, 3, w);
    assert_dense(TEXT(COORDINATE "2 3 3\n2 3 .003\n2 1 -2.\n1 2 +1.5E0\n"), 0, 2, 3, w);
    assert_dense(TEXT(COORDINATE "2 3 3\n2 3 .003\n2 1 -2.\n1 2 +1.5E0\n"), 1, 3, 2, wt);
    assert_dense(TEXT(COORDINATE "% a comment\n%\n\n%%more\n 2\t3  3 \n\n 1 2 1.5 \r\n2 1 -2\r\n"
                                 "\n2 3 3e-3 "),
                 0, 2, 3, w);
    assert_dense(TEXT("%%matrixmarket MATRIX Coordinate Real GENERAL\r\n2 3 3\r\n1 2 1.5\r\n"
                      "2 1 -2\r\n2 3 3e-3\r\n\r\n"),
                 0, 2, 3, w);
    assert_dense(TEXT(PATTERN "2 3 3\n1 2\n2 1\n2 3\n"), 0, 2, 3, ones);
}

static void drops_stored_zeros(void **state) {
    (void)state;
    static const float w[] = {0, 7, 0, 0};
    sm_csr csr;
    assert_dense(TEXT(INTEGER "2 2 3\n1 1 0\n1 2 7\n2 2 -0\n"), 0, 2, 2, w);
    assert_int_equal(mtx_parse("w.mtx", TEXT(COORDINATE "2 2 2\n1 1 0.0\n2 2 1e-99\n"), 0, &csr),
                     SM_OK);
    assert_int_equal(csr.nnz, 0);
    sm_csr_free(&csr);
    assert_int_equal(mtx_parse("w.mtx", TEXT(PATTERN "4 5 0\n"), 0, &csr), SM_OK);
    assert_int_equal(csr.rows, 4);
    assert_int_equal(csr.nnz, 0);
    sm_csr_free(&csr);
}

static void symmetric_matrices_have_both_halves(void **state) {
    (void)state;
    static const float w[] = {1, 2, 0, 2, 0, 3, 0, 3, 4};
    assert_dense(TEXT(SYMMETRIC "3 3 4\n3 3 4\n2 1 2\n1 1 1\n3 2 3\n"), 0, 3, 3, w);
    assert_dense(TEXT(SYMMETRIC "3 3 4\n3 3 4\n2 1 2\n1 1 1\n3 2 3\n"), 1, 3, 3, w);
    assert_dense(TEXT("%%MatrixMarket matrix array integer symmetric\n3 3\n1\n2\n0\n0\n3\n4\n"), 0,
                 3, 3, w);
}

static void arrays_run_down_the_columns(void **state) {
    (void)state;
    static const float w[] = {1, 2, 3, 4, 5, 0}, wt[] = {1, 4, 2, 5, 3, 0};
    assert_dense(TEXT(ARRAY "2 3\n1\n4\n2\n5\n3\n0\n"), 0, 2, 3, w);
    assert_dense(TEXT(ARRAY "2 3\n1\n4\n2\n5\n3\n0\n"), 1, 3, 2, wt);
    assert_dense(TEXT(ARRAY "% c\n2 3\n1 4 2\n\n5\n3 0 \n\n"), 0, 2, 3, w);
}

typedef struct refusal {
    const char *text;
    size_t size;
    sm_status status;
    const char *message;
} refusal;

static void assert_refused(const refusal *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        sm_csr csr;
        memset(&csr, 0xff, sizeof csr);
        const sm_status status = mtx_parse("w.mtx", cases[i].text, cases[i].size, 0, &csr);
        assert_string_equal(sm_message(), cases[i].message);
        assert_int_equal(status, cases[i].status);
        assert_null(csr.row_ptr);
        assert_null(csr.col);
        assert_null(csr.val);
    }
}

static void refuses_other_banners(void **state) {
    (void)state;
#define EXPECTED                                                                                   \
    "w.mtx:1: expected \"%%MatrixMarket matrix\", coordinate or array, real, integer or (not of "  \
    "arrays) pattern, general or symmetric, got "
    static const refusal cases[] = {
        {TEXT(""), SM_E_FORMAT, EXPECTED "\"\""},
        {TEXT("2 3 1\n1 1 1\n"), SM_E_FORMAT, EXPECTED "\"2 3 1\""},
        {TEXT("%%MatrixMarket\n"), SM_E_FORMAT, EXPECTED "\"%%MatrixMarket\""},
        {TEXT("%MatrixMarket matrix array real general\n"), SM_E_FORMAT,
         EXPECTED "\"%MatrixMarket matrix array real general\""},
        {TEXT("%%MatrixMarket vector array real general\n"), SM_E_FORMAT,
         EXPECTED "\"%%MatrixMarket vector array real general\""},
        {TEXT("%%MatrixMarket matrix array real\n"), SM_E_FORMAT,
         EXPECTED "\"%%MatrixMarket matrix array real\""},
        {TEXT("%%MatrixMarket matrix array real general x\n"), SM_E_FORMAT,
         EXPECTED "\"%%MatrixMarket matrix array real general...\""},
        {TEXT("%%MatrixMarket matrix array pattern general\n"), SM_E_FORMAT,
         EXPECTED "\"%%MatrixMarket matrix array pattern gene...\""},
        {TEXT("%%MatrixMarket matrix array complex general\n"), SM_E_FORMAT,
         EXPECTED "\"%%MatrixMarket matrix array complex gene...\""},
        {TEXT("%%MatrixMarket matrix array real hermitian\n"), SM_E_FORMAT,
         EXPECTED "\"%%MatrixMarket matrix array real hermiti...\""},
        {TEXT("%%MatrixMarket matrix\0array real general\n"), SM_E_FORMAT,
         EXPECTED "\"%%MatrixMarket matrix\\x00array real gene...\""},
    };
    assert_refused(cases, sizeof cases / sizeof *cases);
}

static void refuses_bad_sizes(void **state) {
    (void)state;
    static const refusal cases[] = {
        {TEXT(COORDINATE), SM_E_FORMAT, "w.mtx:1: expected \"rows columns entries\", got \"\""},
        {TEXT(COORDINATE "% x\n\n"), SM_E_FORMAT,
         "w.mtx:3: expected \"rows columns entries\", got \"\""},
        {TEXT(COORDINATE "2 3\n"), SM_E_FORMAT,
         "w.mtx:2: expected \"rows columns entries\", got \"2 3\""},
        {TEXT(COORDINATE "2 3 1 1\n"), SM_E_FORMAT,
         "w.mtx:2: expected \"rows columns entries\", got \"2 3 1 1\""},
        {TEXT(ARRAY "2 3 6\n"), SM_E_FORMAT, "w.mtx:2: expected \"rows columns\", got \"2 3 6\""},
        {TEXT(COORDINATE "0 3 0\n"), SM_E_FORMAT,
         "w.mtx:2: expected 1 to 16777216 rows, got \"0\""},
        {TEXT(COORDINATE "2 -3 1\n"), SM_E_FORMAT,
         "w.mtx:2: expected 1 to 16777216 columns, got \"-3\""},
        {TEXT(COORDINATE "2 3.0 1\n"), SM_E_FORMAT,
         "w.mtx:2: expected 1 to 16777216 columns, got \"3.0\""},
        {TEXT(COORDINATE "16777217 3 1\n"), SM_E_LIMIT,
         "w.mtx:2: expected 1 to 16777216 rows, got \"16777217\""},
        {TEXT(COORDINATE "2 9223372036854775808 1\n"), SM_E_LIMIT,
         "w.mtx:2: expected 1 to 16777216 columns, got \"9223372036854775808\""},
        {TEXT(COORDINATE "2 18446744073709551617 1\n"), SM_E_FORMAT,
         "w.mtx:2: expected 1 to 16777216 columns, got \"18446744073709551617\""},
        {TEXT(COORDINATE "2 3 7\n"), SM_E_FORMAT, "w.mtx:2: expected 0 to 6 entries, got \"7\""},
        {TEXT(COORDINATE "2 3 -1\n"), SM_E_FORMAT, "w.mtx:2: expected 0 to 6 entries, got \"-1\""},
        {TEXT(SYMMETRIC "3 3 7\n"), SM_E_FORMAT, "w.mtx:2: expected 0 to 6 entries, got \"7\""},
        {TEXT(SYMMETRIC "2 3 1\n2 1 1\n"), SM_E_FORMAT,
         "w.mtx:2: expected a symmetric matrix to be square, got \"2 3 1\""},
    };
    assert_refused(cases, sizeof cases / sizeof *cases);
}

/* Believing these headers would take gigabytes; the text is measured first. */
static void a_lying_header_allocates_nothing(void **state) {
    (void)state;
    static const refusal cases[] = {
        {TEXT(COORDINATE "16777216 16777216 281474976710656\n1 1 1\n"), SM_E_FORMAT,
         "w.mtx: expected at least 1688849860263936 bytes for 281474976710656 entries, got 6"},
        {TEXT(PATTERN "16777216 16777216 281474976710656\n1 1\n"), SM_E_FORMAT,
         "w.mtx: expected at least 1125899906842624 bytes for 281474976710656 entries, got 4"},
        {TEXT(ARRAY "16777216 16777216\n1\n"), SM_E_FORMAT,
         "w.mtx: expected at least 562949953421312 bytes for 281474976710656 numbers, got 2"},
        {TEXT("%%MatrixMarket matrix array real symmetric\n16777216 16777216\n1\n"), SM_E_FORMAT,
         "w.mtx: expected at least 281474993487872 bytes for 140737496743936 numbers, got 2"},
        {TEXT(COORDINATE "2 2 2\n1 1 1\n"), SM_E_FORMAT,
         "w.mtx: expected at least 12 bytes for 2 entries, got 6"},
    };
    assert_refused(cases, sizeof cases / sizeof *cases);
}

static void refuses_bad_entries(void **state) {
    (void)state;
#define TWO COORDINATE "2 3 2\n1 1 1.0\n"
    static const refusal cases[] = {
        {TEXT(TWO "       \n"), SM_E_FORMAT, "w.mtx:4: expected 2 entries, got 1"},
        {TEXT(TWO "2 1 5\n\n1 2 3\n"), SM_E_FORMAT,
         "w.mtx:6: expected the end of the file, got \"1\""},
        {TEXT(TWO "3 1 5\n"), SM_E_FORMAT, "w.mtx:4: expected 1 to 2 as row, got \"3\""},
        {TEXT(TWO "0 1 5\n"), SM_E_FORMAT, "w.mtx:4: expected 1 to 2 as row, got \"0\""},
        {TEXT(TWO "-1 1 5\n"), SM_E_FORMAT, "w.mtx:4: expected 1 to 2 as row, got \"-1\""},
        {TEXT(TWO "2 4 5\n"), SM_E_FORMAT, "w.mtx:4: expected 1 to 3 as column, got \"4\""},
        {TEXT(TWO "2 4294967297 5\n"), SM_E_FORMAT,
         "w.mtx:4: expected 1 to 3 as column, got \"4294967297\""},
        {TEXT(TWO "2 1.0 5\n"), SM_E_FORMAT, "w.mtx:4: expected 1 to 3 as column, got \"1.0\""},
        {TEXT(TWO "2 1      \n"), SM_E_FORMAT,
         "w.mtx:4: expected \"row column value\", got \"2 1      \""},
        {TEXT(TWO "2 1 5 6\n"), SM_E_FORMAT,
         "w.mtx:4: expected \"row column value\", got \"2 1 5 6\""},
        {TEXT(TWO "% a comment\n2 1 5\n"), SM_E_FORMAT,
         "w.mtx:4: expected 1 to 2 as row, got \"%\""},
        {TEXT(PATTERN "2 3 1\n1 1 1\n"), SM_E_FORMAT,
         "w.mtx:3: expected \"row column\", got \"1 1 1\""},
        {TEXT(SYMMETRIC "2 2 1\n1 2 1\n"), SM_E_FORMAT,
         "w.mtx:3: expected an entry of the lower triangle, got \"1 2 1\""},
        {TEXT(TWO "1 1 2.0\n"), SM_E_FORMAT,
         "w.mtx: expected one entry at row 1, column 1, got two"},
        {TEXT(PATTERN "9 9 3\n2 5\n1 1\n2 5\n"), SM_E_FORMAT,
         "w.mtx: expected one entry at row 2, column 5, got two"},
    };
    assert_refused(cases, sizeof cases / sizeof *cases);
    sm_csr csr;
    assert_int_equal(mtx_parse("w.mtx", TEXT(PATTERN "9 9 3\n2 5\n1 1\n2 5\n"), 1, &csr),
                     SM_E_FORMAT);
    assert_string_equal(sm_message(), cases[14].message);
}

static void refuses_bad_numbers(void **state) {
    (void)state;
    static const struct {
        const char *banner, *number, *message;
    } cases[] = {
        {COORDINATE, "nan", "a number that f32 holds, got \"nan\""},
        {COORDINATE, "-inf", "a number that f32 holds, got \"-inf\""},
        {COORDINATE, "1e39", "a number that f32 holds, got \"1e39\""},
        {COORDINATE, "-3.4028236e38", "a number that f32 holds, got \"-3.4028236e38\""},
        {COORDINATE, "1e999999999999", "a number that f32 holds, got \"1e999999999999\""},
        {COORDINATE, "0x10", "a number that f32 holds, got \"0x10\""},
        {COORDINATE, "1d5", "a number that f32 holds, got \"1d5\""},
        {COORDINATE, "1,5", "a number that f32 holds, got \"1,5\""},
        {COORDINATE, "+-1", "a number that f32 holds, got \"+-1\""},
        {COORDINATE, ".", "a number that f32 holds, got \".\""},
        {COORDINATE, "1e", "a number that f32 holds, got \"1e\""},
        {COORDINATE, "0.0000000000000000000000000000000000000000000000000000000000000000001",
         "a number that f32 holds, got \"0.00000000000000000000000000000000000000...\""},
        {INTEGER, "1.5", "an integer that f32 holds, got \"1.5\""},
        {INTEGER, "1e3", "an integer that f32 holds, got \"1e3\""},
        {INTEGER, "999999999999999999999999999999999999999",
         "an integer that f32 holds, got \"999999999999999999999999999999999999999\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256], message[256];
        sm_csr csr;
        snprintf(text, sizeof text, "%s2 3 1\n2 1 %s\n", cases[i].banner, cases[i].number);
        snprintf(message, sizeof message, "w.mtx:3: expected %s", cases[i].message);
        assert_int_equal(mtx_parse("w.mtx", text, strlen(text), 0, &csr), SM_E_FORMAT);
        assert_string_equal(sm_message(), message);
    }
    static const refusal array[] = {
        {TEXT(ARRAY "2 2\n1\n2\nx\n4\n"), SM_E_FORMAT,
         "w.mtx:5: expected a number that f32 holds, got \"x\""},
        {TEXT(ARRAY "2 2\n1\n2\n3   \n"), SM_E_FORMAT, "w.mtx:5: expected 4 numbers, got fewer"},
        {TEXT(ARRAY "2 2\n1\n2\n3\n4\n5\n"), SM_E_FORMAT,
         "w.mtx:7: expected the end of the file, got \"5\""},
        {TEXT(ARRAY "2 2\n1\n2\n3\n4 5\n"), SM_E_FORMAT,
         "w.mtx:6: expected the end of the file, got \"5\""},
    };
    assert_refused(array, sizeof array / sizeof *array);
}

/* Every cut that loses a number or part of one is noticed, the last digit included. */
static void refuses_every_cut(void **state) {
    (void)state;
    static const char *const texts[] = {COORDINATE "2 200 3\n1 5 1.25\n1 30 2\n2 147 0.75\n",
                                        PATTERN "2 200 3\n1 5\n1 30\n2 147\n",
                                        ARRAY "2 2\n1.5\n2.5\n3.5\n45\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sm_csr csr;
        for (size_t size = 0; size < strlen(texts[i]); size++) {
            assert_int_equal(mtx_parse("cut.mtx", texts[i], size, 0, &csr), SM_E_FORMAT);
            assert_null(csr.row_ptr);
        }
        assert_int_equal(mtx_parse("cut.mtx", texts[i], strlen(texts[i]), 0, &csr), SM_OK);
        sm_csr_free(&csr);
    }
}

static void headers_are_read_alone(void **state) {
    (void)state;
    mtx_header h;
    assert_int_equal(mtx_read_header(write_text("w.mtx", SYMMETRIC "3 3 2\n1 1 1\nnonsense\n"), &h),
                     SM_OK);
    assert_int_equal(h.rows, 3);
    assert_int_equal(h.cols, 3);
    assert_int_equal(h.entries, 2);
    assert_true(h.symmetric && !h.array && !h.pattern);
    const char *path = write_text("w.mtx", PATTERN "30 40 200\n1 1\n");
    assert_int_equal(mtx_read_header(path, &h), SM_E_FORMAT);
    assert_message(path, ": expected at least 800 bytes for 200 entries, got 4");
    assert_int_equal(mtx_read_header(below("none.mtx"), &h), SM_E_IO);

    /* Comments that go on for a megabyte. */
    char *text = malloc((1 << 20) + 100);
    assert_non_null(text);
    memset(text, '%', 1 << 20);
    memcpy(text, TEXT(COORDINATE));
    memcpy(text + (1 << 20), "\n2 2 1\n1 1 1\n", 14);
    path = write_text("w.mtx", text);
    free(text);
    assert_int_equal(mtx_read_header(path, &h), SM_E_FORMAT);
    assert_message(path, ": expected the matrix's size within 1048576 bytes");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_coordinates_in_any_order),
        cmocka_unit_test(drops_stored_zeros),
        cmocka_unit_test(symmetric_matrices_have_both_halves),
        cmocka_unit_test(arrays_run_down_the_columns),
        cmocka_unit_test(refuses_other_banners),
        cmocka_unit_test(refuses_bad_sizes),
        cmocka_unit_test(a_lying_header_allocates_nothing),
        cmocka_unit_test(refuses_bad_entries),
        cmocka_unit_test(refuses_bad_numbers),
        cmocka_unit_test(refuses_every_cut),
        SCRATCH_TEST(headers_are_read_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
