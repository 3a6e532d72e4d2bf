/* Lists of .smtx files and folders: names, provenance and N from where a file lies. */
#include "input/input.h"
#include "scratch.h"
#include <unistd.h>

static const char *const tiny = SM_TEST_DATA "/dlmc/rn50/magnitude_pruning/0.8/tiny.smtx";

static const char small[] = "2, 4, 2\n0 1 2\n3 0\n";

static void dlmc_places_name_layer_network_and_n(void **state) {
    (void)state;
    sm_source_list list = {0};
    assert_int_equal(sm_source_add_path(&list, tiny), SM_OK);
    assert_int_equal(sm_source_add_path(&list, SM_TEST_DATA "/dlmc"), SM_OK);
    assert_int_equal(sm_source_add_path(&list, SM_TEST_DATA "/dlmc/rn50/magnitude_pruning/0.8/"),
                     SM_OK);
    assert_int_equal(list.count, 3);
    for (size_t i = 0; i < 3; i++) {
        const sm_source *s = &list.items[i];
        assert_string_equal(s->layer, "tiny");
        assert_string_equal(s->provenance, "pruned-network:rn50/magnitude_pruning");
        assert_int_equal(access(s->path, R_OK), 0);
        assert_int_equal(s->m, 16);
        assert_int_equal(s->k, 25);
        assert_int_equal(s->n, 3136);
        assert_true(s->sparse);
        assert_true(s->sparsity == 0.8);
    }
    assert_string_equal(list.items[0].path, tiny);
    sm_source_list_free(&list);
}

static void other_places_keep_their_path(void **state) {
    (void)state;
    write_text("b.smtx", small);
    write_text("a/z.smtx", small);
    write_text("a/c/y.smtx", small);
    write_text("net/my_method/0.5/x.smtx", small);
    write_text("net/random_pruning/high/x.smtx", small);
    write_text("notes.txt", "not a matrix");
    write_text("._b.smtx", "not a matrix");
    write_text(".cache/b.smtx", "not a matrix");
    static const char *const layers[] = {"a/c/y", "a/z", "b", "net/my_method/0.5/x",
                                         "net/random_pruning/high/x"};
    sm_source_list list = {0};
    assert_int_equal(sm_source_add_path(&list, folder), SM_OK);
    assert_int_equal(list.count, sizeof layers / sizeof *layers);
    for (size_t i = 0; i < list.count; i++) {
        assert_string_equal(list.items[i].layer, layers[i]);
        assert_string_equal(list.items[i].provenance, "pattern-file");
        assert_int_equal(list.items[i].n, 0);
        assert_true(list.items[i].sparsity == 0.75);
    }
    assert_int_equal(sm_source_add_path(&list, below("a/z.smtx")), SM_OK);
    assert_string_equal(list.items[5].layer, "z");
    sm_source_list_free(&list);
}

static void relative_paths_know_their_place(void **state) {
    (void)state;
    char *before = getcwd(NULL, 0);
    assert_non_null(before);
    write_text("rn50_batchsizes.txt", "other,7\nx,49\n");
    write_text("net/random_pruning/0.5/x.smtx", small);
    assert_int_equal(chdir(below("net/random_pruning/0.5")), 0);
    sm_source_list list = {0};
    const sm_status from_file = sm_source_add_path(&list, "x.smtx");
    const sm_status from_folder = sm_source_add_path(&list, ".");
    assert_int_equal(chdir(before), 0);
    free(before);
    assert_int_equal(from_file, SM_OK);
    assert_int_equal(from_folder, SM_OK);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(list.items[i].layer, "x");
        assert_string_equal(list.items[i].provenance, "pruned-network:net/random_pruning");
        assert_int_equal(list.items[i].n, 49);
    }
    sm_source_list_free(&list);
}

static void the_nearest_table_within_four_levels_counts(void **state) {
    (void)state;
    sm_source_list list = {0};
    write_text("rn50_batchsizes.txt", "x,49\n");
    write_text("1/2/3/x.smtx", small);
    write_text("1/2/3/4/x.smtx", small);
    assert_int_equal(sm_source_add_path(&list, below("1/2/3/x.smtx")), SM_OK);
    assert_int_equal(sm_source_add_path(&list, below("1/2/3/4/x.smtx")), SM_OK);
    write_text("1/2/rn50_batchsizes.txt", "\r\ny,5\r\nx,196\r\n");
    assert_int_equal(sm_source_add_path(&list, below("1/2/3/x.smtx")), SM_OK);
    write_text("1/2/rn50_batchsizes.txt", "xx,5\n");
    assert_int_equal(sm_source_add_path(&list, below("1/2/3/x.smtx")), SM_OK);
    static const size_t n[] = {49, 0, 196, 0};
    for (size_t i = 0; i < 4; i++) assert_int_equal(list.items[i].n, n[i]);
    sm_source_list_free(&list);
}

static void bad_tables_name_the_line(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"a,1\nb 2\n", ":2: expected \"layer,n\", n from 1 to 2^31, got \"b 2\""},
        {"a,0\n", ":1: expected \"layer,n\", n from 1 to 2^31, got \"a,0\""},
        {",5\n", ":1: expected \"layer,n\", n from 1 to 2^31, got \",5\""},
        {"x,\n", ":1: expected \"layer,n\", n from 1 to 2^31, got \"x,\""},
        {"x,2147483649\n", ":1: expected \"layer,n\", n from 1 to 2^31, got \"x,2147483649\""},
    };
    sm_source_list list = {0};
    write_text("x.smtx", small);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *table = write_text("rn50_batchsizes.txt", cases[i].text);
        assert_int_equal(sm_source_add_path(&list, below("x.smtx")), SM_E_FORMAT);
        assert_message(table, cases[i].message);
    }
    assert_int_equal(list.count, 0);
    sm_source_list_free(&list);
}

static void bad_paths_leave_the_list_alone(void **state) {
    (void)state;
    sm_source_list list = {0};
    assert_int_equal(sm_source_add_path(&list, tiny), SM_OK);

    assert_int_equal(sm_source_add_path(&list, below("missing")), SM_E_IO);
    assert_message(below("missing"), ": cannot open: No such file or directory");
    write_text("notes.txt", "not a matrix");
    assert_int_equal(sm_source_add_path(&list, folder), SM_E_IO);
    assert_message(
        folder, ": expected a .smtx, .mtx, .npy or .safetensors file in it or below, found none");
    write_text("a.smtx", small);
    const char *bad = write_text("b.smtx", "3, 0, 0\n");
    assert_int_equal(sm_source_add_path(&list, folder), SM_E_FORMAT);
    assert_message(bad, ":1: expected 1 to 4294967295 columns, got \"0\"");
    bad = write_text("b.smtx", "");
    assert_int_equal(sm_source_add_path(&list, folder), SM_E_FORMAT);
    assert_message(bad, ":1: expected \"nrows, ncols, nnz\", got an empty line");
    bad = write_text("b.smtx", "1000, 1000, 500\n0 1\n");
    assert_int_equal(sm_source_add_path(&list, folder), SM_E_FORMAT);
    assert_message(bad, ": expected at least 3002 bytes for 1001 row offsets and 500 column "
                        "indices, got 20");
    unlink(bad);
    assert_int_equal(symlink("nowhere", bad), 0);
    assert_int_equal(sm_source_add_path(&list, folder), SM_E_IO);
    assert_message(bad, ": cannot open: No such file or directory");
    unlink(bad);
    assert_int_equal(symlink(".", below("loop")), 0);
    assert_int_equal(sm_source_add_path(&list, folder), SM_E_IO);
    assert_message(below("loop"), ": expected a tree, got a cycle");

    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].path, tiny);
    sm_source_list_free(&list);
}

static void folders_without_permission_are_refused(void **state) {
    (void)state;
    write_text("a/x.smtx", small);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(chmod(below("a"), 0), 0);
    sm_source_list list = {0};
    /* Root may read everything: become somebody else for a moment. */
    const uid_t me = geteuid();
    if (me == 0) assert_int_equal(seteuid(65534), 0);
    const sm_status status = sm_source_add_path(&list, folder);
    if (me == 0) assert_int_equal(seteuid(me), 0);
    assert_int_equal(chmod(below("a"), 0700), 0);
    assert_int_equal(status, SM_E_IO);
    assert_message(below("a"), ": cannot read: Permission denied");
    sm_source_list_free(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(dlmc_places_name_layer_network_and_n),
        SCRATCH_TEST(other_places_keep_their_path),
        SCRATCH_TEST(relative_paths_know_their_place),
        SCRATCH_TEST(the_nearest_table_within_four_levels_counts),
        SCRATCH_TEST(bad_tables_name_the_line),
        SCRATCH_TEST(bad_paths_leave_the_list_alone),
        SCRATCH_TEST(folders_without_permission_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
