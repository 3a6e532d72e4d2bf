/* From .mtx, .npy and .safetensors files to sources: which matrices there are, how they are named
 * and read, what is left out and why, and the matrices that they give. */
#include "array_files.h"
#include "input/input.h"
#include "prune/prune.h"
#include <unistd.h>

#define TENSOR(shape, begin, end)                                                                  \
    "{\"dtype\":\"F32\",\"shape\":[" shape "],\"data_offsets\":[" #begin "," #end "]}"

/* W[2, 3], V[3, 2] of which a third is zero, a bias and a 1 x 2 convolution C[2, 1, 1, 2]. */
static const char header[] = "{\"w\":" TENSOR("2,3", 0, 24) ",\"v\":" TENSOR(
    "3,2", 24, 48) ","
                   "\"bias\":" TENSOR("3", 48, 60) ",\"c\":" TENSOR(
                       "2,1,1,2", 60, 76) ","
                                          "\"row\":" TENSOR("1,4", 76, 92) "}";
static const float data[] = {1, -2, 3, -4, 5, -6, 7,  0, 0, 8, 9, 10,
                             1, 1,  1, 2,  4, 8,  16, 1, 1, 1, 1};

static const sm_pattern anywhere = {0};
static char notes[4096];

static void remember(const char *text) {
    const size_t used = strlen(notes);
    snprintf(notes + used, sizeof notes - used, "%s\n", text);
}

static sm_source_list new_list(void) {
    notes[0] = '\0';
    return (sm_source_list){.options.note = remember};
}

static void assert_source(const sm_source *s, const char *layer, const char *provenance, size_t m,
                          size_t k, int sparse) {
    assert_string_equal(s->layer, layer);
    assert_string_equal(s->provenance, provenance);
    assert_int_equal(s->m, m);
    assert_int_equal(s->k, k);
    assert_int_equal(s->n, 0);
    assert_int_equal(s->sparse, sparse);
}

static void assert_matrix(const sm_source *s, double sparsity, const float *expected) {
    sm_csr csr;
    float got[64];
    assert_int_equal(sm_source_matrix(s, &anywhere, sparsity, 1, &csr), SM_OK);
    assert_int_equal(sm_csr_check(&csr), SM_OK);
    assert_int_equal(csr.rows, s->m);
    assert_int_equal(csr.cols, s->k);
    sm_csr_to_dense(&csr, got);
    assert_memory_equal(got, expected, s->m * s->k * sizeof *got);
    sm_csr_free(&csr);
}

static void tensors_of_a_file(void **state) {
    (void)state;
    const char *path = write_safetensors("net.safetensors", header, data, sizeof data);
    sm_source_list list = new_list();
    char expected[512];
    assert_int_equal(sm_source_add_path(&list, path), SM_OK);
    assert_int_equal(list.count, 3);
    assert_source(&list.items[0], "w", "real-weights:magnitude:net", 2, 3, 0);
    assert_source(&list.items[1], "v", "real-weights:own:net", 3, 2, 1);
    assert_source(&list.items[2], "c", "real-weights:magnitude:net", 2, 2, 0);
    assert_string_equal(list.items[0].tensor, "w");
    assert_string_equal(list.items[0].path, path);
    assert_string_equal(sm_source_order(&list.items[0]), "out-in");
    assert_string_equal(sm_source_order(&list.items[2]), "oihw");
    assert_true(list.items[1].sparsity > 0.33 && list.items[1].sparsity < 0.34);
    assert_false(list.items[0].im2col);
    assert_true(list.items[2].im2col);
    assert_matrix(&list.items[0], 0.0, data);
    assert_matrix(&list.items[1], 0.9, data + 6); /* keeps its own */
    static const float half[] = {0, 0, 0, -4, 5, -6};
    assert_matrix(&list.items[0], 0.5, half);
    snprintf(
        expected, sizeof expected,
        "%s: 3 weight matrices, 2-D read as out-in, 4-D as oihw; 1 are at least 25 %% zero and "
        "run once, as they are; left out: 1 of a rank other than 2 and 4 (bias), 1 with fewer "
        "than 2 rows or columns (row)\n",
        path);
    assert_string_equal(notes, expected);
    sm_source_list_free(&list);
}

static void orders_are_asked_for(void **state) {
    (void)state;
    const char *path = write_safetensors("net.safetensors", header, data, sizeof data);
    sm_source_list list = new_list();
    list.options.orders = (sm_orders){1, 1, 1, 1};
    assert_int_equal(sm_source_add_path(&list, path), SM_OK);
    assert_int_equal(list.count, 3);
    assert_source(&list.items[0], "w", "real-weights:magnitude:net", 3, 2, 0);
    assert_source(&list.items[1], "v", "real-weights:own:net", 2, 3, 1);
    assert_string_equal(sm_source_order(&list.items[0]), "in-out");
    assert_string_equal(sm_source_order(&list.items[2]), "hwio");
    static const float w[] = {1, -4, -2, 5, 3, -6}, v[] = {7, 0, 9, 0, 8, 10}, c[] = {2, 8, 4, 16};
    assert_matrix(&list.items[0], 0.0, w);
    assert_matrix(&list.items[1], 0.0, v);
    assert_matrix(&list.items[2], 0.0, c);
    assert_non_null(strstr(notes, "2-D read as in-out, 4-D as hwio"));
    sm_source_list_free(&list);
}

static void globs_select_tensors_and_files(void **state) {
    (void)state;
    const char *path = write_safetensors("net.safetensors", header, data, sizeof data);
    write_npy("what.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", data, 16);
    write_text("x.mtx", "%%MatrixMarket matrix coordinate pattern general\n3 3 1\n1 1\n");
    write_text("y.smtx", "2, 4, 2\n0 1 2\n3 0\n");
    sm_source_list list = new_list();
    list.options.tensors = "w*,?";
    assert_int_equal(sm_source_add_path(&list, folder), SM_OK);
    static const char *const layers[] = {"net/w", "net/v", "net/c", "what", "x", "y"};
    assert_int_equal(list.count, sizeof layers / sizeof *layers);
    for (size_t i = 0; i < list.count; i++) assert_string_equal(list.items[i].layer, layers[i]);
    assert_null(strstr(notes, "with fewer"));
    assert_non_null(strstr(notes, "2 not named by --tensors (bias, ...)"));

    list.options.tensors = "nothing*";
    assert_int_equal(sm_source_add_path(&list, path), SM_E_FORMAT);
    assert_message(path, ": expected weight matrices, got none; left out: 5 not named by --tensors "
                         "(w, ...)");
    assert_int_equal(sm_source_add_path(&list, folder), SM_E_ARG);
    assert_message(folder, ": expected a weight matrix named nothing*, found none in 4 files");
    assert_int_equal(sm_source_add_path(&list, below("y.smtx")), SM_E_ARG);
    assert_message(below("y.smtx"),
                   ": expected a weight matrix named nothing*, found none in 1 file");
    assert_int_equal(list.count, 6);
    sm_source_list_free(&list);
}

static void arrays_of_numpy(void **state) {
    (void)state;
    sm_source_list list = new_list();
    const char *path = write_npy(
        "a/dense.npy", "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}", data, 24);
    assert_int_equal(sm_source_add_path(&list, path), SM_OK);
    assert_source(&list.items[0], "dense", "real-weights:magnitude:dense", 2, 3, 0);
    static const float by_columns[] = {1, 3, 5, -2, -4, -6};
    assert_matrix(&list.items[0], 0.0, by_columns);
    assert_string_equal(notes, "");
    write_npy("a/pruned.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", data + 6,
              16);
    write_npy("a/vector.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (4,)}", data, 16);
    write_npy("a/bytes.npy", "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2)}", data, 4);
    assert_int_equal(sm_source_add_path(&list, folder), SM_OK);
    assert_int_equal(list.count, 3);
    assert_source(&list.items[1], "a/dense", "real-weights:magnitude:dense", 2, 3, 0);
    assert_source(&list.items[2], "a/pruned", "real-weights:own:pruned", 2, 2, 1);
    assert_non_null(strstr(notes, "a/bytes.npy: left out, an array of a type other than F16, BF16, "
                                  "F32 and F64: rank 2, type |u1\n"));
    assert_non_null(strstr(notes,
                           "a/pruned.npy: 50.0 % of its weights are zero: it runs once, as it "
                           "is (--reprune prunes it further)\n"));
    assert_non_null(strstr(notes, "a/vector.npy: left out, an array of a rank other than 2 and 4: "
                                  "rank 1, type <f4\n"));
    assert_int_equal(sm_source_add_path(&list, below("a/vector.npy")), SM_E_FORMAT);
    assert_message(below("a/vector.npy"),
                   ": expected a weight matrix, got an array of a rank other "
                   "than 2 and 4: rank 1, type <f4");
    assert_int_equal(list.count, 3);
    sm_source_list_free(&list);
}

static void matrix_market_files(void **state) {
    (void)state;
    sm_source_list list = new_list();
    write_text("array.mtx", "%%MatrixMarket matrix array real general\n2 2\n1\n2\n3\n4\n");
    write_text("empty.mtx", "%%MatrixMarket matrix array real general\n2 2\n0\n2\n0\n4\n");
    write_text("full.mtx", "%%MatrixMarket matrix coordinate real general\n2 1 2\n1 1 5\n2 1 6\n");
    write_text("pattern.mtx",
               "%%MatrixMarket matrix coordinate pattern general\n2 3 2\n1 3\n2 1\n");
    write_text("sym.mtx", "%%MatrixMarket matrix coordinate real symmetric\n2 2 1\n2 1 7\n");
    list.options.orders.in_out = 1;
    assert_int_equal(sm_source_add_path(&list, folder), SM_OK);
    assert_int_equal(list.count, 5);
    assert_source(&list.items[0], "array", "real-weights:magnitude:array", 2, 2, 0);
    assert_source(&list.items[1], "empty", "real-weights:own:empty", 2, 2, 1);
    assert_source(&list.items[2], "full", "real-weights:own:full", 1, 2, 1);
    assert_source(&list.items[3], "pattern", "pattern-file", 3, 2, 1);
    assert_source(&list.items[4], "sym", "real-weights:own:sym", 2, 2, 1);
    assert_string_equal(sm_source_order(&list.items[3]), "in-out");
    assert_true(list.items[1].sparsity == 0.5);
    assert_true(list.items[4].sparsity == 0.5);
    static const float array[] = {1, 2, 3, 4}, sym[] = {0, 7, 7, 0}, full[] = {5, 6};
    assert_matrix(&list.items[0], 0.0, array);
    assert_matrix(&list.items[2], 0.5, full);
    assert_matrix(&list.items[4], 0.5, sym);
    float values[2];
    sm_fill_normal(values, 2, 1);
    const float pattern[] = {0, values[0], 0, 0, values[1], 0};
    assert_matrix(&list.items[3], 0.5, pattern);
    assert_non_null(strstr(notes, "empty.mtx: 50.0 % of its weights are zero"));
    sm_source_list_free(&list);
}

static void reprune_makes_sparse_weights_dense(void **state) {
    (void)state;
    sm_source_list list = new_list();
    list.options.reprune = 1;
    write_npy("a.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", data + 6, 16);
    write_text("b.mtx", "%%MatrixMarket matrix coordinate integer general\n2 2 2\n1 2 -1\n2 1 5\n");
    write_text("c.mtx", "%%MatrixMarket matrix coordinate pattern general\n2 2 2\n1 2\n2 1\n");
    write_text("d.smtx", "2, 2, 1\n0 1 1\n1\n");
    assert_int_equal(sm_source_add_path(&list, folder), SM_OK);
    assert_int_equal(list.count, 4);
    assert_source(&list.items[0], "a", "real-weights:repruned:a", 2, 2, 0);
    assert_source(&list.items[1], "b", "real-weights:repruned:b", 2, 2, 0);
    assert_source(&list.items[2], "c", "pattern-file", 2, 2, 1);
    assert_source(&list.items[3], "d", "pattern-file", 2, 2, 1);
    assert_true(list.items[0].sparsity == 0.5);
    static const float a[] = {7, 0, 0, 8}, a_pruned[] = {0, 0, 0, 8}, b[] = {0, 0, 5, 0};
    assert_matrix(&list.items[0], 0.5, a);
    assert_matrix(&list.items[0], 0.75, a_pruned);
    assert_matrix(&list.items[1], 0.75, b);
    assert_string_equal(notes, "");
    sm_source_list_free(&list);
}

static void dense_weights_come_unpruned(void **state) {
    (void)state;
    sm_source_list list = new_list();
    const char *path = write_safetensors("net.safetensors", header, data, sizeof data);
    assert_int_equal(sm_source_add_path(&list, path), SM_OK);
    write_text("p.smtx", "2, 2, 1\n0 1 1\n1\n");
    assert_int_equal(sm_source_add_path(&list, below("p.smtx")), SM_OK);
    assert_int_equal(sm_source_add_layers(&list, "mnist/conv1"), SM_OK);
    float *w, seeded[800];
    assert_int_equal(sm_source_dense(&list.items[1], 1, &w), SM_OK);
    assert_memory_equal(w, data + 6, 24);
    sm_free(w);
    assert_int_equal(sm_source_dense(&list.items[3], 4, &w), SM_OK);
    sm_fill_normal(seeded, 1, 4);
    assert_true(w[0] == 0 && w[1] == seeded[0] && w[2] == 0 && w[3] == 0);
    sm_free(w);
    assert_int_equal(sm_source_dense(&list.items[4], 4, &w), SM_OK);
    sm_fill_normal(seeded, 800, 4);
    assert_memory_equal(w, seeded, sizeof seeded);
    sm_free(w);
    unlink(path);
    assert_int_equal(sm_source_dense(&list.items[0], 1, &w), SM_E_IO);
    assert_null(w);
    sm_source_list_free(&list);
}

static void bad_files_leave_the_list_alone(void **state) {
    (void)state;
    sm_source_list list = new_list();
    write_npy("a.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", data, 16);
    const float infinite[] = {1, 2, 3, 4, 5, 6, 1, 2, 1.0f / 0.0f, 4};
    const char *bad = write_safetensors(
        "b.safetensors", "{\"w\":" TENSOR("2,3", 0, 24) ",\"v\":" TENSOR("2,2", 24, 40) "}",
        infinite, sizeof infinite);
    assert_int_equal(sm_source_add_path(&list, folder), SM_E_FORMAT);
    assert_message(bad, ": v: element [1,0]: expected a finite number, got infinity");
    assert_int_equal(list.count, 0);
    bad = write_safetensors("b.safetensors", "{\"w\":" TENSOR("2,3", 0, 20) "}", data, 20);
    assert_int_equal(sm_source_add_path(&list, folder), SM_E_FORMAT);
    assert_message(bad, ": w: expected 6 elements of type F32, got 20 bytes");
    unlink(bad);
    bad = write_text("c.mtx", "%%MatrixMarket matrix array real general\n2 2\n1\n2\n3\nx\n");
    assert_int_equal(sm_source_add_path(&list, folder), SM_E_FORMAT);
    assert_message(bad, ":6: expected a number that f32 holds, got \"x\"");
    unlink(bad);
    bad = write_text("d.txt", "2, 2, 1\n0 1 1\n1\n");
    assert_int_equal(sm_source_add_path(&list, bad), SM_E_FORMAT);
    assert_message(bad, ": expected a name that ends in .smtx, .mtx, .npy or .safetensors");
    bad = write_safetensors("e.safetensors", "{}", NULL, 0);
    assert_int_equal(sm_source_add_path(&list, bad), SM_E_FORMAT);
    assert_message(bad, ": expected weight matrices, got none");
    assert_int_equal(list.count, 0);
    assert_int_equal(sm_source_add_path(&list, folder), SM_OK);
    assert_int_equal(list.count, 1);
    sm_source_list_free(&list);
}

static void matrices_that_change_are_refused(void **state) {
    (void)state;
    sm_source_list list = new_list();
    sm_csr csr;
    const char *path = write_text("a.mtx", "%%MatrixMarket matrix coordinate real general\n"
                                           "2 2 1\n2 1 7\n");
    assert_int_equal(sm_source_add_path(&list, path), SM_OK);
    write_text("a.mtx", "%%MatrixMarket matrix coordinate real general\n3 2 1\n2 1 7\n");
    assert_int_equal(sm_source_matrix(&list.items[0], &anywhere, 0.0, 1, &csr), SM_E_FORMAT);
    assert_message(path, ": expected 2 x 2 as before, got 3 x 2");
    path =
        write_npy("b.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)}", data, 16);
    assert_int_equal(sm_source_add_path(&list, path), SM_OK);
    write_npy("b.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", data, 24);
    assert_int_equal(sm_source_matrix(&list.items[1], &anywhere, 0.0, 1, &csr), SM_E_IO);
    assert_message(path, ": changed since it was listed");
    assert_null(csr.row_ptr);
    sm_source_list_free(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(tensors_of_a_file),
        SCRATCH_TEST(orders_are_asked_for),
        SCRATCH_TEST(globs_select_tensors_and_files),
        SCRATCH_TEST(arrays_of_numpy),
        SCRATCH_TEST(matrix_market_files),
        SCRATCH_TEST(reprune_makes_sparse_weights_dense),
        SCRATCH_TEST(dense_weights_come_unpruned),
        SCRATCH_TEST(bad_files_leave_the_list_alone),
        SCRATCH_TEST(matrices_that_change_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
