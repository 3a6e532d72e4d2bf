/* Lists of layer shapes (built-in names, layer files) and the matrices that sources give. */
#include "input/input.h"
#include "prune/prune.h"
#include "scratch.h"
#include <math.h>
#include <unistd.h>

static const char *const tiny = SM_TEST_DATA "/dlmc/rn50/magnitude_pruning/0.8/tiny.smtx";

static const sm_pattern anywhere = {0};

static const char small[] = "2, 4, 2\n0 1 2\n3 0\n";

static void assert_shape(const sm_source *s, const char *layer, size_t m, size_t k, size_t n) {
    assert_string_equal(s->layer, layer);
    assert_int_equal(s->m, m);
    assert_int_equal(s->k, k);
    assert_int_equal(s->n, n);
    assert_string_equal(s->provenance, "seeded-gaussian");
    assert_null(s->path);
    assert_false(s->sparse);
    assert_true(s->sparsity == 0.0);
}

static void built_in_layers_are_unique_and_lower_case(void **state) {
    (void)state;
    assert_true(sm_layer_count() >= 25);
    for (size_t i = 0; i < sm_layer_count(); i++) {
        const sm_layer *l = sm_layer_at(i);
        assert_int_equal(strspn(l->name, "abcdefghijklmnopqrstuvwxyz0123456789-/"),
                         strlen(l->name));
        assert_true(l->m > 0 && l->k > 0 && l->n > 0);
        for (size_t j = 0; j < i; j++) assert_string_not_equal(sm_layer_at(j)->name, l->name);
    }
    assert_null(sm_layer_at(sm_layer_count()));
}

static void names_and_globs_select_layers(void **state) {
    (void)state;
    sm_source_list list = {0};
    assert_int_equal(sm_source_add_layers(&list, "mnist/conv2,bert-*,mnist/dense?"), SM_OK);
    assert_int_equal(list.count, 6);
    assert_shape(&list.items[0], "mnist/conv2", 64, 800, 196);
    assert_shape(&list.items[1], "bert-base/attention", 768, 768, 128);
    assert_shape(&list.items[2], "bert-base/ffn1", 3072, 768, 128);
    assert_shape(&list.items[3], "bert-base/ffn2", 768, 3072, 128);
    assert_shape(&list.items[4], "mnist/dense1", 1024, 3136, 1);
    assert_shape(&list.items[5], "mnist/dense2", 10, 1024, 1);
    assert_int_equal(sm_source_add_layers(&list, "bert-base/ffn1,bert-*"), SM_OK);
    assert_int_equal(list.count, 6); /* named again, listed once */
    assert_int_equal(sm_source_add_layers(&list, "all"), SM_OK);
    assert_int_equal(list.count, sm_layer_count());
    sm_source_list_free(&list);
    assert_int_equal(list.count, 0);
    assert_null(list.items);
    sm_source_list_free(&list);
}

static void unknown_names_leave_the_list_alone(void **state) {
    (void)state;
    sm_source_list list = {0};
    assert_int_equal(sm_source_add_layers(&list, "mnist/conv1"), SM_OK);
    assert_int_equal(sm_source_add_layers(&list, "bert-*,gpt/ffn"), SM_E_ARG);
    assert_string_equal(
        sm_message(), "no layer or file \"gpt/ffn\": expected built-in names, globs, \"all\" or a "
                      "file of lines \"name m k n\"");
    assert_int_equal(sm_source_add_layers(&list, "bert-*,,mnist/*"), SM_E_ARG);
    assert_string_equal(sm_message(),
                        "layers \"bert-*,,mnist/*\": expected a name, got an empty one");
    assert_int_equal(sm_source_add_layers(&list, ""), SM_E_ARG);
    assert_string_equal(sm_message(), "layers \"\": expected a name, got an empty one");
    assert_int_equal(list.count, 1);
    assert_shape(&list.items[0], "mnist/conv1", 32, 25, 784);
    sm_source_list_free(&list);
}

static void listed_layers_are_read(void **state) {
    (void)state;
    const char *path = write_text("layers.txt", "# my network\n\nin 16 9 100\r\n"
                                                "  a/b-1 2147483648\t1 7 # wide\nout 10 64 1");
    sm_source_list list = {0};
    assert_int_equal(sm_source_add_layers(&list, path), SM_OK);
    assert_int_equal(list.count, 3);
    assert_shape(&list.items[0], "in", 16, 9, 100);
    assert_shape(&list.items[1], "a/b-1", 2147483648, 1, 7);
    assert_shape(&list.items[2], "out", 10, 64, 1);
    sm_source_list_free(&list);
}

static void bad_layer_files_name_the_line(void **state) {
    (void)state;
#define EXPECTED ": expected \"name m k n\", sizes from 1 to 2^31, got "
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"a 1 2 3\nb 1 2\n", ":2" EXPECTED "\"b 1 2\""},
        {"a 1 2 3 4\n", ":1" EXPECTED "\"a 1 2 3 4\""},
        {"\n\na 0 2 3\n", ":3" EXPECTED "\"a 0 2 3\""},
        {"a 1 -2 3\n", ":1" EXPECTED "\"a 1 -2 3\""},
        {"a 1 2 x\n", ":1" EXPECTED "\"a 1 2 x\""},
        {"a 1 2 2147483649\n", ":1" EXPECTED "\"a 1 2 2147483649\""},
        {"a 18446744073709551617 2 2\n", ":1" EXPECTED "\"a 18446744073709551617 2 2\""},
        {"a,b 1 2 3\n", ":1" EXPECTED "\"a,b 1 2 3\""},
        {"\xc3\xa4 1 2 3\n", ":1" EXPECTED "\"\\xc3\\xa4 1 2 3\""},
        {"a 1 2 3\n\na 4 5 6\n", ":3: expected a new layer name, got \"a\" again"},
        {"", ": expected lines \"name m k n\", got none"},
        {"# nothing\n", ": expected lines \"name m k n\", got none"},
    };
    sm_source_list list = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = write_text("layers.txt", cases[i].text);
        assert_int_equal(sm_source_add_layers(&list, path), SM_E_FORMAT);
        assert_message(path, cases[i].message);
        assert_int_equal(list.count, 0);
    }
    const char *path = write_file("layers.txt", "a 1 2 3\0\n", 9);
    assert_int_equal(sm_source_add_layers(&list, path), SM_E_FORMAT);
    assert_message(path, ":1" EXPECTED "\"a 1 2 3\\x00\"");
    sm_source_list_free(&list);
#undef EXPECTED
}

static void dense_sources_are_pruned_by_magnitude(void **state) {
    (void)state;
    sm_source_list list = {0};
    assert_int_equal(sm_source_add_layers(&list, "mnist/conv1"), SM_OK);
    sm_csr all, some, again, other;
    assert_int_equal(sm_source_matrix(&list.items[0], &anywhere, 0.0, 1, &all), SM_OK);
    assert_int_equal(sm_source_matrix(&list.items[0], &anywhere, 0.9, 1, &some), SM_OK);
    assert_int_equal(sm_source_matrix(&list.items[0], &anywhere, 0.9, 1, &again), SM_OK);
    assert_int_equal(sm_source_matrix(&list.items[0], &anywhere, 0.9, 2, &other), SM_OK);
    assert_int_equal(sm_csr_check(&all), SM_OK);
    assert_int_equal(sm_csr_check(&some), SM_OK);
    assert_int_equal(all.rows, 32);
    assert_int_equal(all.cols, 25);
    assert_int_equal(all.nnz, 800);
    assert_int_equal(some.nnz, 80);
    assert_memory_equal(some.val, again.val, some.nnz * sizeof *some.val);
    assert_memory_equal(some.col, again.col, some.nnz * sizeof *some.col);
    assert_int_equal(other.nnz, 80);
    assert_memory_not_equal(some.val, other.val, some.nnz * sizeof *some.val);

    float expected[800], got[800];
    sm_fill_normal(expected, 800, 1);
    assert_int_equal(sm_prune(&anywhere, 0.9, expected, 32, 25), SM_OK);
    sm_csr_to_dense(&some, got);
    assert_memory_equal(got, expected, sizeof got);
    sm_csr_free(&all);
    sm_csr_free(&some);
    sm_csr_free(&again);
    sm_csr_free(&other);
    sm_source_list_free(&list);
}

static void patterns_shape_dense_sources(void **state) {
    (void)state;
    sm_source_list list = {0};
    assert_int_equal(sm_source_add_layers(&list, "mnist/conv1"), SM_OK);
    const sm_pattern two_of_four = {.kind = SM_PATTERN_NM, .n = 2, .m = 4, .v = 8};
    float expected[800], got[800];
    sm_csr csr;
    assert_int_equal(sm_source_matrix(&list.items[0], &two_of_four, (double)NAN, 1, &csr), SM_OK);
    assert_int_equal(sm_csr_check(&csr), SM_OK);
    assert_int_equal(csr.nnz, 32 * (6 * 2 + 1)); /* 25 columns: the last group has one */
    sm_fill_normal(expected, 800, 1);
    assert_int_equal(sm_prune(&two_of_four, (double)NAN, expected, 32, 25), SM_OK);
    sm_csr_to_dense(&csr, got);
    assert_memory_equal(got, expected, sizeof got);
    sm_csr_free(&csr);

    const sm_pattern blocks = {.kind = SM_PATTERN_BLOCK, .r = 4, .c = 3};
    assert_int_equal(sm_source_matrix(&list.items[0], &blocks, 0.8, 1, &csr), SM_OK);
    sm_fill_normal(expected, 800, 1);
    assert_int_equal(sm_prune(&blocks, 0.8, expected, 32, 25), SM_OK);
    sm_csr_to_dense(&csr, got);
    assert_memory_equal(got, expected, sizeof got);
    sm_csr_free(&csr);
    assert_int_equal(sm_source_matrix(&list.items[0], &blocks, (double)NAN, 1, &csr), SM_E_ARG);
    sm_source_list_free(&list);
}

static void sparse_sources_keep_their_pattern(void **state) {
    (void)state;
    sm_source_list list = {0};
    assert_int_equal(sm_source_add_path(&list, tiny), SM_OK);
    sm_csr pattern, csr;
    assert_int_equal(sm_smtx_read(tiny, &pattern), SM_OK);
    assert_int_equal(sm_source_matrix(&list.items[0], &anywhere, 0.5, 3, &csr), SM_OK);
    assert_int_equal(sm_csr_check(&csr), SM_OK);
    assert_int_equal(csr.nnz, 80);
    assert_memory_equal(csr.row_ptr, pattern.row_ptr, 17 * sizeof *csr.row_ptr);
    assert_memory_equal(csr.col, pattern.col, 80 * sizeof *csr.col);
    float values[80];
    sm_fill_normal(values, 80, 3);
    assert_memory_equal(csr.val, values, sizeof values);
    sm_csr_free(&pattern);
    sm_csr_free(&csr);
    sm_source_list_free(&list);
}

static void impossible_matrices_are_refused(void **state) {
    (void)state;
    sm_source_list list = {0};
    sm_csr csr;
    assert_int_equal(
        sm_source_add_layers(&list, write_text("big.txt", "big 2147483648 2147483648 1\n")), SM_OK);
    assert_int_equal(sm_source_matrix(&list.items[0], &anywhere, 0.5, 1, &csr), SM_E_NOMEM);
    assert_string_equal(sm_message(), "big: no memory for 2147483648 x 2147483648 weights");
    assert_int_equal(sm_source_matrix(&list.items[0], &anywhere, 1.5, 1, &csr), SM_E_ARG);
    assert_string_equal(sm_message(), "big: sparsity: expected 0 to 1, got 1.5");

    const char *path = write_text("x.smtx", small);
    assert_int_equal(sm_source_add_path(&list, path), SM_OK);
    write_text("x.smtx", "2, 5, 2\n0 1 2\n3 0\n");
    assert_int_equal(sm_source_matrix(&list.items[1], &anywhere, 0.0, 1, &csr), SM_E_FORMAT);
    assert_message(list.items[1].path, ": expected 2 x 4 as before, got 2 x 5");
    assert_null(csr.row_ptr);
    unlink(list.items[1].path);
    assert_int_equal(sm_source_matrix(&list.items[1], &anywhere, 0.0, 1, &csr), SM_E_IO);
    assert_message(list.items[1].path, ": cannot open: No such file or directory");
    sm_source_list_free(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(built_in_layers_are_unique_and_lower_case),
        SCRATCH_TEST(names_and_globs_select_layers),
        SCRATCH_TEST(unknown_names_leave_the_list_alone),
        SCRATCH_TEST(listed_layers_are_read),
        SCRATCH_TEST(bad_layer_files_name_the_line),
        SCRATCH_TEST(dense_sources_are_pruned_by_magnitude),
        SCRATCH_TEST(patterns_shape_dense_sources),
        SCRATCH_TEST(sparse_sources_keep_their_pattern),
        SCRATCH_TEST(impossible_matrices_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
