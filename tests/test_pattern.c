/* The grammar of patterns: names there and back, and every lie in it. */
#include <math.h>
#include <setjmp.h>
#include <sparsemark/prune.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_pattern(const sm_pattern *found, sm_pattern expected) {
    assert_int_equal(found->kind, expected.kind);
    assert_int_equal(found->r, expected.r);
    assert_int_equal(found->c, expected.c);
    assert_int_equal(found->n, expected.n);
    assert_int_equal(found->m, expected.m);
    assert_int_equal(found->v, expected.v);
}

static void names_give_patterns(void **state) {
    (void)state;
    static const struct {
        const char *name;
        sm_pattern pattern;
    } cases[] = {
        {"unstructured", {0}},
        {"rows", {.kind = SM_PATTERN_ROWS}},
        {"block:4x1", {.kind = SM_PATTERN_BLOCK, .r = 4, .c = 1}},
        {"block:1x16", {.kind = SM_PATTERN_BLOCK, .r = 1, .c = 16}},
        {"block:7x1000", {.kind = SM_PATTERN_BLOCK, .r = 7, .c = 1000}},
        {"block:2147483648x2147483648",
         {.kind = SM_PATTERN_BLOCK, .r = 2147483648, .c = 2147483648}},
        {"nm:2:4", {.kind = SM_PATTERN_NM, .n = 2, .m = 4, .v = 1}},
        {"nm:10:16", {.kind = SM_PATTERN_NM, .n = 10, .m = 16, .v = 1}},
        {"nm:1:1", {.kind = SM_PATTERN_NM, .n = 1, .m = 1, .v = 1}},
        {"nm:2:4@8", {.kind = SM_PATTERN_NM, .n = 2, .m = 4, .v = 8}},
        {"nm:2:4@2147483648", {.kind = SM_PATTERN_NM, .n = 2, .m = 4, .v = 2147483648}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sm_pattern pattern;
        assert_int_equal(sm_pattern_parse(cases[i].name, &pattern), SM_OK);
        assert_pattern(&pattern, cases[i].pattern);
        assert_string_equal(sm_pattern_name(&pattern).s, cases[i].name);
    }
}

static void every_n_of_m_goes_there_and_back(void **state) {
    (void)state;
    for (size_t m = 1; m <= 16; m++)
        for (size_t n = 1; n <= m; n++)
            for (size_t v = 1; v <= 17; v++) {
                const sm_pattern made = {.kind = SM_PATTERN_NM, .n = n, .m = m, .v = v};
                sm_pattern read;
                assert_int_equal(sm_pattern_parse(sm_pattern_name(&made).s, &read), SM_OK);
                assert_pattern(&read, made);
                assert_true(sm_pattern_sparsity(&read) == 1.0 - (double)n / (double)m);
            }
}

/* One row alone shares its mask with nobody. */
static void one_row_needs_no_suffix(void **state) {
    (void)state;
    sm_pattern pattern;
    assert_int_equal(sm_pattern_parse("nm:2:4@1", &pattern), SM_OK);
    assert_string_equal(sm_pattern_name(&pattern).s, "nm:2:4");
}

static void only_nm_fixes_the_sparsity(void **state) {
    (void)state;
    static const char *const open[] = {"unstructured", "rows", "block:4x4"};
    sm_pattern pattern;
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        assert_int_equal(sm_pattern_parse(open[i], &pattern), SM_OK);
        assert_true(isnan(sm_pattern_sparsity(&pattern)));
    }
}

static void longest_name_fits(void **state) {
    (void)state;
    const sm_pattern widest = {.kind = SM_PATTERN_NM, .n = SIZE_MAX, .m = SIZE_MAX, .v = SIZE_MAX};
    assert_int_equal(strlen(sm_pattern_name(&widest).s), 3 + 20 + 1 + 20 + 1 + 20);
}

static void assert_refused(const char *text, const char *expected) {
    sm_pattern pattern;
    memset(&pattern, 0xff, sizeof pattern);
    assert_int_equal(sm_pattern_parse(text, &pattern), SM_E_ARG);
    char message[512];
    snprintf(message, sizeof message, "pattern '%s': expected %s", text, expected);
    assert_string_equal(sm_message(), message);
    assert_pattern(&pattern, (sm_pattern){0});
}

static void lies_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {
        "",       " ",     "Unstructured", "unstructured ", " unstructured", "unstructured:0.5",
        "row",    "rows:", "rows:2",       "block",         "blocks:4x1",    "Block:4x1",
        "4x1",    "nm",    "NM:2:4",       "n:m",           "2:4",           "nm2:4",
        " nm:2:4"};
    static const char *const blocks[] = {"block:",
                                         "block:4",
                                         "block:4x",
                                         "block:x4",
                                         "block:4X4",
                                         "block:4 x4",
                                         "block: 4x4",
                                         "block:4x4 ",
                                         "block:0x4",
                                         "block:4x0",
                                         "block:-4x4",
                                         "block:+4x4",
                                         "block:4x4x4",
                                         "block:4.0x4",
                                         "block:04x4",
                                         "block:0x4x4",
                                         "block:4,4",
                                         "block:4:4",
                                         "block:2147483649x1",
                                         "block:1x2147483649",
                                         "block:18446744073709551617x1",
                                         "block:1e1x1",
                                         "block:4\303\2274",
                                         "block:1x99999999999999999999999999"};
    static const char *const nm[] = {"nm:",       "nm:2",       "nm:2:",
                                     "nm::4",     "nm:0:4",     "nm:4:2",
                                     "nm:5:4",    "nm:1:17",    "nm:17:17",
                                     "nm:2:0",    "nm:-2:4",    "nm:2:-4",
                                     "nm:+2:4",   "nm:02:4",    "nm:2:04",
                                     "nm:2:4:",   "nm:2:4:8",   "nm:2:4@",
                                     "nm:2:4@0",  "nm:2:4@-1",  "nm:2:4@ 8",
                                     "nm:2:4@8 ", "nm:2:4@8@8", "nm:2:4@2147483649",
                                     "nm:2:4x8",  "nm:2/4",     "nm:2x4",
                                     "nm:2.0:4",  "nm:2: 4",    "nm:18446744073709551618:4"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_refused(names[i], "unstructured, block:RxC, nm:N:M, nm:N:M@V or rows");
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        assert_refused(blocks[i], "block:RxC with R and C from 1 to 2^31");
    for (size_t i = 0; i < sizeof nm / sizeof *nm; i++)
        assert_refused(nm[i], "nm:N:M or nm:N:M@V with 1 <= N <= M <= 16 and V from 1 to 2^31; N "
                              "of M are kept (TFMOT's m_by_n counts the zeros: its 1, 4 is 3:4)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_give_patterns),
        cmocka_unit_test(every_n_of_m_goes_there_and_back),
        cmocka_unit_test(one_row_needs_no_suffix),
        cmocka_unit_test(only_nm_fixes_the_sparsity),
        cmocka_unit_test(longest_name_fits),
        cmocka_unit_test(lies_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
