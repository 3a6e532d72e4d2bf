/* The .npy reader and the way from a file's numbers to f32 weights: what is accepted, every value
 * of the narrow types, and for everything that is refused the place and the expectation. */
#include "array_files.h"
#include "input/npy.h"
#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#define DICTIONARY(type, order, shape)                                                             \
    "{'descr': '" type "', 'fortran_order': " order ", 'shape': " shape ", }"

/* What the header of a version 1.0 file with this dictionary gives. */
static sm_status parse(const char *dictionary, uint64_t data_size, sm_array *array,
                       char type[NPY_TYPE]) {
    char bytes[512] = "\x93NUMPY\x01";
    const size_t text = strlen(dictionary);
    bytes[8] = (char)(text & 0xff);
    bytes[9] = (char)(text >> 8);
    memcpy(bytes + 10, dictionary, text);
    return npy_parse("w.npy", bytes, 10 + text, 10 + text + data_size, array, type);
}

static void assert_header(const char *dictionary, uint64_t data_size, sm_array_type expected,
                          size_t rank, int fortran) {
    sm_array array;
    char type[NPY_TYPE];
    assert_int_equal(parse(dictionary, data_size, &array, type), SM_OK);
    assert_int_equal(array.type, expected);
    assert_int_equal(array.rank, rank);
    assert_int_equal(array.fortran, fortran);
    assert_int_equal(array.offset, 10 + strlen(dictionary));
    for (size_t i = 0; i < rank && i < SM_ARRAY_RANK; i++) assert_int_equal(array.shape[i], 3 + i);
}

static void accepts_the_usual_spellings(void **state) {
    (void)state;
    assert_header(DICTIONARY("<f4", "False", "(3, 4)"), 48, SM_ARRAY_F32, 2, 0);
    assert_header(DICTIONARY("<f4", "False", "(3, 4)") "      \n", 48, SM_ARRAY_F32, 2, 0);
    assert_header("{\"shape\":(3,4,),\"fortran_order\":True,\"descr\":\"<f2\"}", 24, SM_ARRAY_F16,
                  2, 1);
    assert_header(" {'descr' : '<f8' , 'fortran_order' : False , 'shape' : ( 3 , 4 , 5 , 6 ) } ",
                  2880, SM_ARRAY_F64, 4, 0);
    assert_header(DICTIONARY("<f4", "False", "(3,)"), 12, SM_ARRAY_F32, 1, 0);
    assert_header(DICTIONARY("<f4", "False", "()"), 4, SM_ARRAY_F32, 0, 0);
    /* Types that are not read, whatever their size. */
    assert_header(DICTIONARY(">f4", "False", "(3, 4)"), 48, SM_ARRAY_OTHER, 2, 0);
    assert_header(DICTIONARY("|u1", "False", "(3, 4)"), 12, SM_ARRAY_OTHER, 2, 0);
    assert_header(DICTIONARY("|O", "False", "(3, 4, 5, 6, 7)"), 77, SM_ARRAY_OTHER, 5, 0);
}

static void accepts_long_headers_of_version_2(void **state) {
    (void)state;
    static const char dictionary[] = DICTIONARY("<f4", "False", "(1, 2)");
    char bytes[300] = "\x93NUMPY\x02\x00\x20\x01", type[NPY_TYPE];
    memset(bytes + 12, ' ', sizeof bytes - 12);
    memcpy(bytes + 12, dictionary, sizeof dictionary - 1);
    sm_array array;
    assert_int_equal(npy_parse("w.npy", bytes, 300, 308, &array, type), SM_OK);
    assert_int_equal(array.offset, 300);
    assert_string_equal(type, "<f4");
}

static void refuses_bad_dictionaries(void **state) {
    (void)state;
    static const struct {
        const char *dictionary, *message;
    } cases[] = {
        {"", "byte 10: expected a dictionary, got \"\""},
        {"[1, 2]", "byte 10: expected a dictionary, got \"[1, 2]\""},
        {"{", "expected 'descr', 'fortran_order' and 'shape' once each, got \"\""},
        {"{}", "expected 'descr', 'fortran_order' and 'shape', got only"},
        {"{'descr': '<f4', }", "and 'shape', got 'descr' only"},
        {"{'descr': '<f4', 'shape': (3, 4)}", "got 'descr' 'shape' only"},
        {"{'descr': '<f4', 'descr': '<f4'}", "byte 27: expected 'descr', 'fortran_order' and"},
        {"{'colour': 1}", "byte 11: expected 'descr', 'fortran_order' and 'shape' once each"},
        {"{descr: '<f4'}", "byte 11: expected 'descr', 'fortran_order' and 'shape' once each"},
        {"{'descr' '<f4'}", "byte 19: expected a colon, got \"'<f4'}\""},
        {"{'descr': [('x', '<f4')]}", "expected a type such as '<f4', got \" [('x', '<f4')]}\""},
        {"{'descr': '<f4}", "expected a type such as '<f4'"},
        {"{'descr': ''}", "expected a type such as '<f4'"},
        {"{'descr': '<f45678901234567'}", "expected a type such as '<f4'"},
        {"{'fortran_order': 1}", "expected True or False, got \"1}\""},
        {"{'fortran_order': true}", "expected True or False, got \"true}\""},
        {"{'shape': [3, 4]}", "expected a shape such as (3, 4), got \"[3, 4]}\""},
        {"{'shape': (3 4)}", "byte 23: expected a comma or the shape's end, got \"4)}\""},
        {"{'shape': (3, -4)}", "expected a size below 2^64, got \"-4)}\""},
        {"{'shape': (3.0, 4)}", "expected a comma or the shape's end, got \".0, 4)}\""},
        {"{'shape': (0x3, 4)}", "expected a comma or the shape's end, got \"x3, 4)}\""},
        {"{'shape': (,)}", "expected a size below 2^64, got \",)}\""},
        {"{'shape': (3, 4", "expected a comma or the shape's end, got \"\""},
        {"{'shape': (18446744073709551616, 1)}", "expected a size below 2^64, got \"18446744073"},
        {DICTIONARY("<f4", "False", "(3, 4)") "\n{", "expected blanks up to the header's end"},
        {DICTIONARY("<f4", "False", "(3, 4)") "x", "expected blanks up to the header's end"},
        {"{'fortran_order': False 'shape': (3, 4)}", "expected a comma or the dictionary's end"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4)", "the dictionary's end, got"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sm_array array;
        char type[NPY_TYPE];
        assert_int_equal(parse(cases[i].dictionary, 48, &array, type), SM_E_FORMAT);
        if (!strstr(sm_message(), cases[i].message))
            assert_string_equal(sm_message(), cases[i].message);
        assert_memory_equal(sm_message(), "w.npy: ", 7);
    }
}

static void refuses_sizes_that_lie(void **state) {
    (void)state;
    static const struct {
        const char *dictionary;
        uint64_t size;
        const char *message;
    } cases[] = {
        {DICTIONARY("<f4", "False", "(3, 4)"), 47, "expected 48 bytes from offset 69 on, got 47"},
        {DICTIONARY("<f4", "False", "(3, 4)"), 49, "expected 48 bytes from offset 69 on, got 49"},
        {DICTIONARY("<f4", "False", "(3, 4)"), 0, "expected 48 bytes from offset 69 on, got 0"},
        {DICTIONARY("<f2", "False", "(3, 4)"), 48, "expected 24 bytes from offset 69 on, got 48"},
        {DICTIONARY("<f8", "False", "(3, 4)"), 48, "expected 96 bytes from offset 69 on, got 48"},
        {DICTIONARY("<f4", "False", "(9223372036854775808, 2)"), 0,
         "expected a shape of less than 2^64 bytes"},
        {DICTIONARY("<f4", "False", "(4611686018427387904, 1)"), 0,
         "expected a shape of less than 2^64 bytes"},
        {DICTIONARY("<f4", "False", "(4294967296, 4294967296, 0, 4)"), 0,
         "expected a shape of less than 2^64 bytes"},
        {DICTIONARY("<f4", "False", "(1000000, 1000000)"), 64, "expected 4000000000000 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sm_array array;
        char type[NPY_TYPE];
        assert_int_equal(parse(cases[i].dictionary, cases[i].size, &array, type), SM_E_FORMAT);
        if (!strstr(sm_message(), cases[i].message))
            assert_string_equal(sm_message(), cases[i].message);
    }
}

static void refuses_bad_beginnings(void **state) {
    (void)state;
#define BEGINS "w.npy: expected a .npy file, which begins with \"\\x93NUMPY\""
#define FITS "w.npy: expected a header of at most 65535 bytes within the file's "
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } cases[] = {
        {"", 0, BEGINS},
        {"\x93NUMPY\x01\x00\x00", 9, BEGINS},
        {"\x93NUMPX\x01\x00\x00\x00", 10, BEGINS},
        {"PK\x03\x04 an archive", 15, BEGINS},
        {"\x93NUMPY\x00\x00\x00\x00", 10, "w.npy: expected version 1.0, 2.0 or 3.0, got 0.0"},
        {"\x93NUMPY\x04\x00\x00\x00", 10, "w.npy: expected version 1.0, 2.0 or 3.0, got 4.0"},
        {"\x93NUMPY\x01\x01\x00\x00", 10, "w.npy: expected version 1.0, 2.0 or 3.0, got 1.1"},
        {"\x93NUMPY\x01\x00\x01\x00", 10, FITS "10, got 1"},
        {"\x93NUMPY\x01\x00\xff\xff{}", 12, FITS "12, got 65535"},
        {"\x93NUMPY\x02\x00\xff\xff\xff\xff{}", 14, FITS "14, got 4294967295"},
        {"\x93NUMPY\x02\x00\x00\x00", 10, FITS "10, got 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sm_array array;
        char type[NPY_TYPE];
        assert_int_equal(
            npy_parse("w.npy", cases[i].bytes, cases[i].size, cases[i].size, &array, type),
            SM_E_FORMAT);
        assert_string_equal(sm_message(), cases[i].message);
    }
}

/* Reads a file that holds one array; count is that of its elements. */
static sm_status read_weights(const char *path, sm_weights_order order, float *w, size_t *zeros) {
    sm_array array;
    char type[NPY_TYPE];
    assert_int_equal(npy_read_header(path, &array, type), SM_OK);
    array.order = order;
    return array_read(path, NULL, &array, w, zeros);
}

static void every_order_gives_the_same_matrix(void **state) {
    (void)state;
    /* W[2, 3]; then W[2 outputs, 3 inputs of 2 x 2], K = (input * 2 + row) * 2 + column. */
    static const float c_order[] = {1, 2, 3, 4, 5, 6}, by_columns[] = {1, 4, 2, 5, 3, 6};
    float w[24], file[24];
    size_t zeros;
    const struct {
        const char *dictionary;
        const float *data;
        sm_weights_order order;
    } cases[] = {{DICTIONARY("<f4", "False", "(2, 3)"), c_order, SM_ORDER_OUT_IN},
                 {DICTIONARY("<f4", "True", "(2, 3)"), by_columns, SM_ORDER_OUT_IN},
                 {DICTIONARY("<f4", "False", "(3, 2)"), by_columns, SM_ORDER_IN_OUT},
                 {DICTIONARY("<f4", "True", "(3, 2)"), c_order, SM_ORDER_IN_OUT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = write_npy("w.npy", cases[i].dictionary, cases[i].data, sizeof c_order);
        assert_int_equal(read_weights(path, cases[i].order, w, &zeros), SM_OK);
        assert_memory_equal(w, c_order, sizeof c_order);
        assert_int_equal(zeros, 0);
    }
    for (int fortran = 0; fortran < 2; fortran++) {
        for (int o = 0; o < 2; o++)
            for (int i = 0; i < 3; i++)
                for (int h = 0; h < 2; h++)
                    for (int c = 0; c < 2; c++) {
                        const int hwio =
                            fortran ? h + 2 * (c + 2 * (i + 3 * o)) : ((h * 2 + c) * 3 + i) * 2 + o;
                        file[hwio] = (float)(((o * 3 + i) * 2 + h) * 2 + c);
                    }
        const char *path = write_npy("w.npy",
                                     fortran ? DICTIONARY("<f4", "True", "(2, 2, 3, 2)")
                                             : DICTIONARY("<f4", "False", "(2, 2, 3, 2)"),
                                     file, sizeof file);
        assert_int_equal(read_weights(path, SM_ORDER_HWIO, w, &zeros), SM_OK);
        for (int i = 0; i < 24; i++) assert_true(w[i] == (float)i);
        assert_int_equal(zeros, 1);
    }
    for (int i = 0; i < 24; i++) file[i] = (float)i;
    const char *path =
        write_npy("w.npy", DICTIONARY("<f4", "False", "(2, 3, 2, 2)"), file, sizeof file);
    assert_int_equal(read_weights(path, SM_ORDER_OIHW, w, &zeros), SM_OK);
    assert_memory_equal(w, file, sizeof file);
}

static void convolutions_know_their_matrix(void **state) {
    (void)state;
    static const struct {
        sm_array array;
        size_t m, k;
        int unfolded;
    } cases[] = {
        {{.order = SM_ORDER_OUT_IN, .rank = 2, .shape = {5, 7}}, 5, 7, 0},
        {{.order = SM_ORDER_IN_OUT, .rank = 2, .shape = {5, 7}}, 7, 5, 0},
        {{.order = SM_ORDER_OIHW, .rank = 4, .shape = {5, 7, 3, 2}}, 5, 42, 1},
        {{.order = SM_ORDER_OIHW, .rank = 4, .shape = {5, 7, 1, 1}}, 5, 7, 0},
        {{.order = SM_ORDER_OIHW, .rank = 4, .shape = {5, 7, 1, 2}}, 5, 14, 1},
        {{.order = SM_ORDER_HWIO, .rank = 4, .shape = {3, 2, 7, 5}}, 5, 42, 1},
        {{.order = SM_ORDER_HWIO, .rank = 4, .shape = {1, 1, 7, 5}}, 5, 7, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t m, k;
        array_matrix(&cases[i].array, &m, &k);
        assert_int_equal(m, cases[i].m);
        assert_int_equal(k, cases[i].k);
        assert_int_equal(array_is_unfolded(&cases[i].array), cases[i].unfolded);
    }
}

/* All 63488 finite halves, in more than one buffer; the oracle is the definition of the format. */
static void halves_are_exact(void **state) {
    (void)state;
    enum { FINITE = 0x7c00 };
    static uint16_t file[2 * FINITE];
    static float w[2 * FINITE];
    for (unsigned i = 0; i < 2 * FINITE; i++)
        file[i] = (uint16_t)(i < FINITE ? i : 0x8000 + i - FINITE);
    size_t zeros;
    const char *path =
        write_npy("w.npy", DICTIONARY("<f2", "False", "(2, 31744)"), file, sizeof file);
    assert_int_equal(read_weights(path, SM_ORDER_OUT_IN, w, &zeros), SM_OK);
    assert_int_equal(zeros, 2);
    for (unsigned i = 0; i < 2 * FINITE; i++) {
        const int exponent = file[i] >> 10 & 0x1f, fraction = file[i] & 0x3ff;
        const double magnitude =
            exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
        assert_true(w[i] == (file[i] >> 15 ? -magnitude : magnitude));
        assert_int_equal(signbit(w[i]) != 0, file[i] >> 15);
    }
}

static void doubles_are_rounded_once(void **state) {
    (void)state;
    static const double file[] = {1.0,   0.1,  1 + 0x1p-24, 1 + 0x1.8p-24, -0x1.fffffefp127,
                                  1e-46, -0.0, 0x1p-149,    0x1p-150,      0x1.8p-150};
    static const float expected[] = {1.0f, 0.1f,  1.0f,      1 + 0x1p-23f, -0x1.fffffep127f,
                                     0.0f, -0.0f, 0x1p-149f, 0.0f,         0x1p-149f};
    float w[10];
    size_t zeros;
    const char *path = write_npy("w.npy", DICTIONARY("<f8", "False", "(2, 5)"), file, sizeof file);
    assert_int_equal(read_weights(path, SM_ORDER_OUT_IN, w, &zeros), SM_OK);
    assert_memory_equal(w, expected, sizeof expected);
    assert_int_equal(zeros, 3);
    assert_int_equal(read_weights(path, SM_ORDER_OUT_IN, NULL, &zeros), SM_OK);
    assert_int_equal(zeros, 3);
}

static void assert_bad_element(const char *dictionary, const void *data, size_t size,
                               const char *message) {
    float w[6];
    size_t zeros;
    const char *path = write_npy("w.npy", dictionary, data, size);
    assert_int_equal(read_weights(path, SM_ORDER_OUT_IN, w, &zeros), SM_E_FORMAT);
    assert_message(path, message);
    assert_int_equal(read_weights(path, SM_ORDER_OUT_IN, NULL, &zeros), SM_E_FORMAT);
    assert_message(path, message);
}

static void numbers_that_are_not_finite_name_the_element(void **state) {
    (void)state;
    const float nan_at_4[] = {1, 2, 3, 4, NAN, 6}, infinity_at_1[] = {1, -INFINITY, 3, 4, 5, 6};
    static const double large_at_5[] = {1, 2, 3, 4, 5, 0x1.ffffffp127};
    static const uint16_t half_nan[] = {0x7e00, 0, 0, 0, 0, 0},
                          half_inf[] = {0, 0, 0xfc00, 0, 0, 0};
    assert_bad_element(DICTIONARY("<f4", "False", "(2, 3)"), nan_at_4, sizeof nan_at_4,
                       ": element [1,1]: expected a finite number, got NaN");
    assert_bad_element(DICTIONARY("<f4", "True", "(2, 3)"), nan_at_4, sizeof nan_at_4,
                       ": element [0,2]: expected a finite number, got NaN");
    assert_bad_element(DICTIONARY("<f4", "False", "(2, 3)"), infinity_at_1, sizeof infinity_at_1,
                       ": element [0,1]: expected a finite number, got infinity");
    assert_bad_element(DICTIONARY("<f8", "False", "(2, 3)"), large_at_5, sizeof large_at_5,
                       ": element [1,2]: expected a finite number, got infinity or one that f32 "
                       "cannot hold");
    assert_bad_element(DICTIONARY("<f2", "False", "(2, 3)"), half_nan, sizeof half_nan,
                       ": element [0,0]: expected a finite number, got NaN");
    assert_bad_element(DICTIONARY("<f2", "False", "(2, 3)"), half_inf, sizeof half_inf,
                       ": element [0,2]: expected a finite number, got infinity");
}

static void files_that_change_are_refused(void **state) {
    (void)state;
    static const float data[] = {1, 2, 3, 4, 5, 6};
    static const char dictionary[] = DICTIONARY("<f4", "False", "(2, 3)");
    sm_array array;
    char type[NPY_TYPE];
    float w[6];
    size_t zeros;
    const char *path = write_npy("w.npy", dictionary, data, sizeof data);
    assert_int_equal(npy_read_header(path, &array, type), SM_OK);
    assert_int_equal(truncate(path, 80), 0);
    assert_int_equal(array_read(path, NULL, &array, w, &zeros), SM_E_IO);
    assert_message(path, ": changed since it was listed");
    /* Cut while it is read: the stamp still fits, the data do not. */
    array.stamp.size = 80;
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    array.stamp.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    assert_int_equal(array_read(path, NULL, &array, w, &zeros), SM_E_IO);
    assert_message(path, ": expected 24 bytes at offset 69, got 11: it was cut");
    /* As long as before, but written again. */
    write_npy("w.npy", dictionary, data, sizeof data);
    assert_int_equal(npy_read_header(path, &array, type), SM_OK);
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    assert_int_equal(array_read(path, NULL, &array, w, &zeros), SM_E_IO);
    assert_message(path, ": changed since it was listed");
    unlink(path);
    assert_int_equal(array_read(path, NULL, &array, w, &zeros), SM_E_IO);
    assert_message(path, ": cannot open: No such file or directory");
    assert_int_equal(npy_read_header(folder, &array, type), SM_E_IO);
    assert_message(folder, ": expected a file: Is a directory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_the_usual_spellings),
        cmocka_unit_test(accepts_long_headers_of_version_2),
        cmocka_unit_test(refuses_bad_dictionaries),
        cmocka_unit_test(refuses_sizes_that_lie),
        cmocka_unit_test(refuses_bad_beginnings),
        cmocka_unit_test(convolutions_know_their_matrix),
        SCRATCH_TEST(every_order_gives_the_same_matrix),
        SCRATCH_TEST(halves_are_exact),
        SCRATCH_TEST(doubles_are_rounded_once),
        SCRATCH_TEST(numbers_that_are_not_finite_name_the_element),
        SCRATCH_TEST(files_that_change_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
