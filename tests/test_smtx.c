/* The .smtx reader: what it accepts, and for everything it refuses the place and the expectation.
 */
#include "input/input.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A literal with its size, so that NUL bytes count. */
#define TEXT(literal) (literal), sizeof(literal) - 1

static const char good[] = "3, 4, 5\n0 2 2 5\n0 3 0 1 2\n";

static void assert_good(const char *text, size_t size) {
    static const uint32_t row_ptr[] = {0, 2, 2, 5}, col[] = {0, 3, 0, 1, 2};
    sm_csr csr;
    assert_int_equal(sm_smtx_parse("layer.smtx", text, size, &csr), SM_OK);
    assert_int_equal(sm_csr_check(&csr), SM_OK);
    assert_int_equal(csr.rows, 3);
    assert_int_equal(csr.cols, 4);
    assert_int_equal(csr.nnz, 5);
    assert_memory_equal(csr.row_ptr, row_ptr, sizeof row_ptr);
    assert_memory_equal(csr.col, col, sizeof col);
    for (int i = 0; i < 5; i++) assert_true(csr.val[i] == 1.0f);
    sm_csr_free(&csr);
}

static void accepts_the_usual_spellings(void **state) {
    (void)state;
    assert_good(TEXT(good));
    assert_good(TEXT("3 4 5\n0 2 2 5\n0 3 0 1 2\n"));
    assert_good(TEXT("3,4,5\n0 2 2 5\n0 3 0 1 2\n"));
    assert_good(TEXT(" 3 ,\t4 , 5 \n\t0  2 2\t5 \n 0 3 0 1 2 \n"));
    assert_good(TEXT("3, 4, 5\r\n0 2 2 5\r\n0 3 0 1 2\r\n"));
    assert_good(TEXT("3, 4, 5\n0 2 2 5\n0 3 0 1 2 "));
    assert_good(TEXT("3, 4, 5\n0 2 2 5\n0 3 0 1 2\n\n \t\n\r\n"));
    assert_good(TEXT("003, 4, 5\n00 2 2 5\n0 03 0 1 2\n"));
}

static void accepts_a_pattern_without_nonzeros(void **state) {
    (void)state;
    static const char *const texts[] = {"2, 7, 0\n0 0 0\n", "2, 7, 0\n0 0 0\n\n",
                                        "2, 7, 0\r\n0 0 0\r\n \r\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sm_csr csr;
        assert_int_equal(sm_smtx_parse("none.smtx", texts[i], strlen(texts[i]), &csr), SM_OK);
        assert_int_equal(sm_csr_check(&csr), SM_OK);
        assert_int_equal(csr.nnz, 0);
        assert_int_equal(csr.row_ptr[2], 0);
        sm_csr_free(&csr);
    }
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
        const sm_status status = sm_smtx_parse("layer.smtx", cases[i].text, cases[i].size, &csr);
        assert_string_equal(sm_message(), cases[i].message);
        assert_int_equal(status, cases[i].status);
        assert_null(csr.row_ptr);
        assert_null(csr.col);
        assert_null(csr.val);
    }
}

static void refuses_bad_headers(void **state) {
    (void)state;
    static const refusal cases[] = {
        {TEXT(""), SM_E_FORMAT, "layer.smtx:1: expected \"nrows, ncols, nnz\", got an empty line"},
        {TEXT("\n3, 4, 5\n"), SM_E_FORMAT,
         "layer.smtx:1: expected \"nrows, ncols, nnz\", got an empty line"},
        {TEXT(" \n"), SM_E_FORMAT, "layer.smtx:1: expected \"nrows, ncols, nnz\", got \" \""},
        {TEXT("3, 4\n"), SM_E_FORMAT, "layer.smtx:1: expected \"nrows, ncols, nnz\", got \"3, 4\""},
        {TEXT("3,, 4, 5\n"), SM_E_FORMAT,
         "layer.smtx:1: expected \"nrows, ncols, nnz\", got \"3,, 4, 5\""},
        {TEXT("3, 4, 5,\n"), SM_E_FORMAT,
         "layer.smtx:1: expected \"nrows, ncols, nnz\", got \"3, 4, 5,\""},
        {TEXT("3, 4, 5, 6\n0 2 2 5\n"), SM_E_FORMAT,
         "layer.smtx:1: expected \"nrows, ncols, nnz\", got \"3, 4, 5, 6\""},
        {TEXT("0, 4, 0\n0\n\n"), SM_E_FORMAT,
         "layer.smtx:1: expected 1 to 4294967295 rows, got \"0\""},
        {TEXT("4, 0, 0\n0 0 0 0 0\n\n"), SM_E_FORMAT,
         "layer.smtx:1: expected 1 to 4294967295 columns, got \"0\""},
        {TEXT("-3, 4, 5\n"), SM_E_FORMAT,
         "layer.smtx:1: expected 1 to 4294967295 rows, got \"-3\""},
        {TEXT("3, 4.0, 5\n"), SM_E_FORMAT,
         "layer.smtx:1: expected 1 to 4294967295 columns, got \"4.0\""},
        {TEXT("3, 4, 0x5\n"), SM_E_FORMAT, "layer.smtx:1: expected 0 to 12 nonzeros, got \"0x5\""},
        {TEXT("3, 4, 13\n0 4 8 13\n"), SM_E_FORMAT,
         "layer.smtx:1: expected 0 to 12 nonzeros, got \"13\""},
        {TEXT("3\0, 4, 5\n"), SM_E_FORMAT,
         "layer.smtx:1: expected 1 to 4294967295 rows, got \"3\\x00\""},
        {TEXT("\xef\xbb\xbf"
              "3, 4, 5\n"),
         SM_E_FORMAT, "layer.smtx:1: expected 1 to 4294967295 rows, got \"\\xef\\xbb\\xbf3\""},
    };
    assert_refused(cases, sizeof cases / sizeof *cases);
}

static void refuses_what_it_cannot_store(void **state) {
    (void)state;
    static const refusal cases[] = {
        {TEXT("9223372036854775808, 4, 5\n"), SM_E_LIMIT,
         "layer.smtx:1: expected 1 to 4294967295 rows, got \"9223372036854775808\""},
        {TEXT("3, 4294967296, 5\n"), SM_E_LIMIT,
         "layer.smtx:1: expected 1 to 4294967295 columns, got \"4294967296\""},
        {TEXT("4294967295, 4294967295, 4294967296\n"), SM_E_LIMIT,
         "layer.smtx:1: expected 0 to 4294967295 nonzeros, got \"4294967296\""},
        {TEXT("3, 18446744073709551617, 5\n"), SM_E_FORMAT,
         "layer.smtx:1: expected 1 to 4294967295 columns, got \"18446744073709551617\""},
    };
    assert_refused(cases, sizeof cases / sizeof *cases);
}

static void refuses_wrong_counts(void **state) {
    (void)state;
    static const refusal cases[] = {
        {TEXT("3, 4, 5\n"), SM_E_FORMAT, "layer.smtx:2: expected 4 row offsets, got 0"},
        {TEXT("3, 4, 5"), SM_E_FORMAT, "layer.smtx:2: expected 4 row offsets, got 0"},
        {TEXT("3, 4, 5\n0 2 5\n0 3 0 1 2\n"), SM_E_FORMAT,
         "layer.smtx:2: expected 4 row offsets, got 3"},
        {TEXT("3, 4, 5\n0 2 2 5 5 5\n0 3 0 1 2\n"), SM_E_FORMAT,
         "layer.smtx:2: expected 4 row offsets, got 6"},
        {TEXT("3, 4, 5\n\n0 2 2 5\n0 3 0 1 2\n"), SM_E_FORMAT,
         "layer.smtx:2: expected 4 row offsets, got 0"},
        {TEXT("3, 4, 5\n0 2 2 5\n"), SM_E_FORMAT, "layer.smtx:3: expected 5 column indices, got 0"},
        {TEXT("3, 4, 5\n0 2 2 5\n0 3 0 1\n"), SM_E_FORMAT,
         "layer.smtx:3: expected 5 column indices, got 4"},
        {TEXT("3, 4, 5\n0 2 2 5\n0 3 0 1 2 3\n"), SM_E_FORMAT,
         "layer.smtx:3: expected 5 column indices, got 6"},
        {TEXT("2, 2, 0\n0 0 0\n1\n"), SM_E_FORMAT,
         "layer.smtx:3: expected 0 column indices, got 1"},
        {TEXT("3, 4, 5\n0 2 2 5\n0 3 0\n1 2\n"), SM_E_FORMAT,
         "layer.smtx:3: expected 5 column indices, got 3"},
    };
    assert_refused(cases, sizeof cases / sizeof *cases);
}

static void refuses_bad_row_offsets(void **state) {
    (void)state;
    static const refusal cases[] = {
        {TEXT("3, 4, 5\n1 2 2 5\n0 3 0 1 2\n"), SM_E_FORMAT,
         "layer.smtx:2: row offset 0: expected 0, got 1"},
        {TEXT("3, 4, 5\n0 2 2 4\n0 3 0 1 2\n"), SM_E_FORMAT,
         "layer.smtx:2: row offset 3: expected 5, got 4"},
        {TEXT("3, 4, 5\n0 3 2 5\n0 1 2 0 1\n"), SM_E_FORMAT,
         "layer.smtx:2: row offset 2: expected 3 to 5, got 2"},
        {TEXT("3, 4, 5\n0 2 6 5\n0 3 0 1 2\n"), SM_E_FORMAT,
         "layer.smtx:2: row offset 2: expected 2 to 5, got 6"},
        {TEXT("3, 4, 5\n0 -2 2 5\n0 3 0 1 2\n"), SM_E_FORMAT,
         "layer.smtx:2: row offset 1: expected 0 to 5, got -2"},
        {TEXT("3, 4, 5\n0 2 two 5\n0 3 0 1 2\n"), SM_E_FORMAT,
         "layer.smtx:2: row offset 2: expected 2 to 5, got two"},
        {TEXT("3, 4, 5\n0, 2, 2, 5\n0 3 0 1 2\n"), SM_E_FORMAT,
         "layer.smtx:2: row offset 0: expected 0, got 0,"},
        {TEXT("3, 4, 5\n0 2 \0002 5\n0 3 0 1 2\n"), SM_E_FORMAT,
         "layer.smtx:2: row offset 2: expected 2 to 5, got \\x002"},
        {TEXT("3, 4, 5\n0 18446744073709551618 2 5\n0 3 0 1 2\n"), SM_E_FORMAT,
         "layer.smtx:2: row offset 1: expected 0 to 5, got 18446744073709551618"},
        /* 2^32 + 2, which 32 bits would take for 2. */
        {TEXT("3, 4, 5\n0 4294967298 2 5\n0 3 0 1 2\n"), SM_E_FORMAT,
         "layer.smtx:2: row offset 1: expected 0 to 5, got 4294967298"},
    };
    assert_refused(cases, sizeof cases / sizeof *cases);
}

static void refuses_bad_column_indices(void **state) {
    (void)state;
    static const refusal cases[] = {
        {TEXT("3, 4, 5\n0 2 2 5\n0 4 0 1 2\n"), SM_E_FORMAT,
         "layer.smtx:3: column index 1 (row 0): expected 0 to 3, got 4"},
        {TEXT("3, 4, 5\n0 2 2 5\n3 0 0 1 2\n"), SM_E_FORMAT,
         "layer.smtx:3: column index 1 (row 0): expected more than 3, got 0"},
        {TEXT("3, 4, 5\n0 2 2 5\n0 3 0 1 1\n"), SM_E_FORMAT,
         "layer.smtx:3: column index 4 (row 2): expected more than 1, got 1"},
        {TEXT("3, 4, 5\n0 2 2 5\n0 -3 0 1 2\n"), SM_E_FORMAT,
         "layer.smtx:3: column index 1 (row 0): expected 0 to 3, got -3"},
        {TEXT("3, 4, 5\n0 2 2 5\n0 3 0 1 1e0\n"), SM_E_FORMAT,
         "layer.smtx:3: column index 4 (row 2): expected 0 to 3, got 1e0"},
        {TEXT("3, 4, 5\n0 2 2 5\n0 3 0 \0 2\n"), SM_E_FORMAT,
         "layer.smtx:3: column index 3 (row 2): expected 0 to 3, got \\x00"},
        {TEXT("3, 4, 5\n0 2 2 5\n0 4294967299 0 1 2\n"), SM_E_FORMAT,
         "layer.smtx:3: column index 1 (row 0): expected 0 to 3, got 4294967299"},
    };
    assert_refused(cases, sizeof cases / sizeof *cases);
}

static void refuses_what_follows(void **state) {
    (void)state;
    static const refusal cases[] = {
        {TEXT("3, 4, 5\n0 2 2 5\n0 3 0 1 2\nmore text\n"), SM_E_FORMAT,
         "layer.smtx:4: expected the end of the file, got \"more\""},
        {TEXT("3, 4, 5\n0 2 2 5\n0 3 0 1 2\n\n\n7\n"), SM_E_FORMAT,
         "layer.smtx:6: expected the end of the file, got \"7\""},
        {TEXT("3, 4, 5\n0 2 2 5\n0 3 0 1 2\n\0\0\0"), SM_E_FORMAT,
         "layer.smtx:4: expected the end of the file, got \"\\x00\\x00\\x00\""},
        {TEXT("2, 2, 0\n0 0 0\n\n0123456789012345678901234567890123456789012345\n"), SM_E_FORMAT,
         "layer.smtx:4: expected the end of the file, "
         "got \"0123456789012345678901234567890123456789...\""},
    };
    assert_refused(cases, sizeof cases / sizeof *cases);
}

/* Every cut that loses a number or part of one is noticed, the last digit included. */
static void refuses_every_cut(void **state) {
    (void)state;
    static const char text[] = "2, 200, 3\n0 2 3\n5 30 147\n";
    for (size_t size = 0; size < sizeof text - 2; size++) {
        sm_csr csr;
        assert_int_equal(sm_smtx_parse("cut.smtx", text, size, &csr), SM_E_FORMAT);
        assert_null(csr.row_ptr);
    }
    sm_csr csr;
    assert_int_equal(sm_smtx_parse("cut.smtx", text, sizeof text - 3, &csr), SM_E_FORMAT);
    assert_string_equal(
        sm_message(),
        "cut.smtx:3: expected a line end after the last number, got the end of the file");
    assert_int_equal(sm_smtx_parse("cut.smtx", text, sizeof text - 1, &csr), SM_OK);
    sm_csr_free(&csr);
}

/* Believing these headers would take 50 and 34 gigabytes; the text is counted first. */
static void a_lying_header_allocates_nothing(void **state) {
    (void)state;
    static const refusal cases[] = {
        {TEXT("4294967295, 4294967295, 4294967295\n0 1\n0\n"), SM_E_FORMAT,
         "layer.smtx:2: expected 4294967296 row offsets, got 2"},
        {TEXT("1, 4294967295, 4294967295\n0 4294967295\n0\n"), SM_E_FORMAT,
         "layer.smtx:3: expected 4294967295 column indices, got 1"},
    };
    assert_refused(cases, sizeof cases / sizeof *cases);
}

static void long_header_lines_are_refused(void **state) {
    (void)state;
    char text[400];
    memset(text, ' ', sizeof text);
    memcpy(text + 300, "1, 1, 0\n0 0\n", 12);
    sm_csr csr;
    assert_int_equal(sm_smtx_parse("long.smtx", text, 312, &csr), SM_E_FORMAT);
    assert_string_equal(sm_message(), "long.smtx:1: expected at most 255 characters, got 307");
}

static void reads_files(void **state) {
    (void)state;
    static const struct {
        const char *path;
        size_t rows, cols, nnz;
    } files[] = {{SM_TEST_DATA "/smtx/attention.smtx", 64, 64, 816},
                 {SM_TEST_DATA "/smtx/ffn.smtx", 96, 48, 402},
                 {SM_TEST_DATA "/smtx/windows.smtx", 16, 32, 71},
                 {SM_TEST_DATA "/dlmc/rn50/magnitude_pruning/0.8/tiny.smtx", 16, 25, 80}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        sm_csr csr;
        assert_int_equal(sm_smtx_read(files[i].path, &csr), SM_OK);
        assert_int_equal(sm_csr_check(&csr), SM_OK);
        assert_int_equal(csr.rows, files[i].rows);
        assert_int_equal(csr.cols, files[i].cols);
        assert_int_equal(csr.nnz, files[i].nnz);
        sm_csr_free(&csr);
    }
}

static void assert_unreadable(const char *path, const char *reason) {
    char expected[512];
    sm_csr csr;
    assert_int_equal(sm_smtx_read(path, &csr), SM_E_IO);
    snprintf(expected, sizeof expected, "%s: %s", path, reason);
    assert_string_equal(sm_message(), expected);
    assert_null(csr.row_ptr);
}

static void unreadable_files_say_why(void **state) {
    (void)state;
    char folder[] = P_tmpdir "/test_smtx.XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    assert_unreadable(folder, "expected a file: Is a directory");
    snprintf(path, sizeof path, "%s/missing.smtx", folder);
    assert_unreadable(path, "cannot open: No such file or directory");
    snprintf(path, sizeof path, "%s/pipe.smtx", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_unreadable(path, "expected a regular file");
    unlink(path);

    snprintf(path, sizeof path, "%s/secret.smtx", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(good, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0), 0);
    /* Root may read everything: become somebody else for a moment. */
    const uid_t me = geteuid();
    if (me == 0) assert_int_equal(seteuid(65534), 0);
    assert_unreadable(path, "cannot open: Permission denied");
    if (me == 0) assert_int_equal(seteuid(me), 0);
    unlink(path);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_the_usual_spellings),
        cmocka_unit_test(accepts_a_pattern_without_nonzeros),
        cmocka_unit_test(refuses_bad_headers),
        cmocka_unit_test(refuses_what_it_cannot_store),
        cmocka_unit_test(refuses_wrong_counts),
        cmocka_unit_test(refuses_bad_row_offsets),
        cmocka_unit_test(refuses_bad_column_indices),
        cmocka_unit_test(refuses_what_follows),
        cmocka_unit_test(refuses_every_cut),
        cmocka_unit_test(a_lying_header_allocates_nothing),
        cmocka_unit_test(long_header_lines_are_refused),
        cmocka_unit_test(reads_files),
        cmocka_unit_test(unreadable_files_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
