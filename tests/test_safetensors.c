/* The .safetensors reader: what it accepts, and for every lie of a header the tensor and what was
 * expected. */
#include "array_files.h"
#include "input/safetensors.h"
#include <unistd.h>

#define TENSOR(type, shape, begin, end)                                                            \
    "{\"dtype\":\"" type "\",\"shape\":[" shape "],\"data_offsets\":[" #begin "," #end "]}"

static sm_status parse(const char *header, uint64_t data_size, safetensors *out) {
    return safetensors_parse("w", header, strlen(header), 8 + strlen(header), data_size, out);
}

static void tensors_come_in_the_order_of_their_data(void **state) {
    (void)state;
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"late\":" TENSOR("F32", "2,3", 34, 58) ",\"none\":" TENSOR(
            "F32", "0,3", 34,
            34) ","
                "\"first\":" TENSOR("BF16", "1,2,3,1", 0, 12) ",\"bits\":" TENSOR(
                    "BOOL", "7", 58,
                    65) ","
                        "\"scalar\":" TENSOR("F64", "", 65, 73) ",\"later\":" TENSOR(
                            "F16", "11", 12,
                            34) ","
                                "\"five\":" TENSOR("F8_E4M3", "1,1,1,1,2", 73,
                                                   75) ",\"new\":" TENSOR("X9", "3", 75, 76) "}   ";
    static const struct {
        const char *name, *type;
        size_t rank;
        sm_array_type kind;
        uint64_t begin;
    } expected[] = {
        {"first", "BF16", 4, SM_ARRAY_BF16, 0},     {"later", "F16", 1, SM_ARRAY_F16, 12},
        {"none", "F32", 2, SM_ARRAY_F32, 34},       {"late", "F32", 2, SM_ARRAY_F32, 34},
        {"bits", "BOOL", 1, SM_ARRAY_OTHER, 58},    {"scalar", "F64", 0, SM_ARRAY_F64, 65},
        {"five", "F8_E4M3", 5, SM_ARRAY_OTHER, 73}, {"new", "X9", 1, SM_ARRAY_OTHER, 75}};
    safetensors tensors;
    assert_int_equal(parse(header, 76, &tensors), SM_OK);
    assert_int_equal(tensors.count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < tensors.count; i++) {
        const safetensor *t = &tensors.items[i];
        assert_string_equal(t->name, expected[i].name);
        assert_string_equal(t->type, expected[i].type);
        assert_int_equal(t->array.rank, expected[i].rank);
        assert_int_equal(t->array.type, expected[i].kind);
        assert_int_equal(t->array.offset, 8 + strlen(header) + expected[i].begin);
    }
    assert_int_equal(tensors.items[0].array.shape[1], 2);
    assert_int_equal(tensors.items[0].array.shape[2], 3);
    safetensors_free(&tensors);
    assert_int_equal(parse("{}", 0, &tensors), SM_OK);
    assert_int_equal(tensors.count, 0);
    safetensors_free(&tensors);
    safetensors_free(&tensors);
}

typedef struct refusal {
    const char *header;
    uint64_t data_size;
    const char *message; /* part of it */
} refusal;

static void assert_refused(const refusal *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        safetensors tensors;
        memset(&tensors, 0xff, sizeof tensors);
        assert_int_equal(parse(cases[i].header, cases[i].data_size, &tensors), SM_E_FORMAT);
        if (!strstr(sm_message(), cases[i].message))
            assert_string_equal(sm_message(), cases[i].message);
        assert_memory_equal(sm_message(), "w: ", 3);
        assert_null(tensors.header);
        assert_null(tensors.items);
    }
}

static void refuses_what_is_no_json(void **state) {
    (void)state;
    static const refusal cases[] = {
        {"", 0, "byte 8: expected a JSON object, got \"\""},
        {" {}", 0, "byte 8: expected a JSON object, got \" {}\""},
        {"[]", 0, "byte 8: expected a JSON object, got \"[]\""},
        {"\x80\x04pickle", 0, "byte 8: expected a JSON object, got \"\\x80\\x04pickle\""},
        {"{", 0, "byte 9: expected JSON: "},
        {"{}x", 0, "expected JSON: end of file expected"},
        {"{}{}", 0, "expected JSON: end of file expected"},
        {"{\"a\":1,}", 0, "expected JSON: "},
        {"{'a':1}", 0, "expected JSON: "},
        {"{\"a\":{},\"a\":{}}", 0, "expected JSON: duplicate object key"},
        {"{\"a\":" TENSOR("F32", "2,2", 0, 16) ",\"a\":" TENSOR("F32", "2,2", 16, 32) "}", 32,
         "expected JSON: duplicate object key"},
        {"{\"a\":{\"shape\":[],\"shape\":[]}}", 0, "expected JSON: duplicate object key"},
        {"{\"a\\u0000b\":" TENSOR("F32", "1,1", 0, 4) "}", 4, "expected JSON: "},
        {"{\"\xff\":" TENSOR("F32", "1,1", 0, 4) "}", 4, "expected JSON: "},
        {"{\"a\":" TENSOR("F32", "1,1", 0, 9223372036854775808) "}", 4, "expected JSON: too big"},
        {"{\"a\":" TENSOR("F32", "9223372036854775808", 0, 4) "}", 4, "expected JSON: too big"},
    };
    assert_refused(cases, sizeof cases / sizeof *cases);
}

static void refuses_deep_nesting(void **state) {
    (void)state;
    static char header[200000];
    memset(header, '[', sizeof header - 1);
    memcpy(header, "{\"a\":", 5);
    static const refusal cases[] = {{header, 0, "expected JSON: maximum parsing depth reached"}};
    assert_refused(cases, 1);
}

static void refuses_tensors_that_are_none(void **state) {
    (void)state;
#define SHAPE "w: a: expected a \"shape\" of sizes from 0 on"
#define OFFSETS "w: a: expected \"data_offsets\" [begin, end] from 0 on"
#define TYPE "w: a: expected a \"dtype\" such as \"F32\""
    static const refusal cases[] = {
        {"{\"a\":1}", 0, "\"a\": expected an object"},
        {"{\"a\":null}", 0, "\"a\": expected an object"},
        {"{\"__metadata__\":\"x\"}", 0, "\"__metadata__\": expected an object"},
        {"{\"\":" TENSOR("F32", "1,1", 0, 4) "}", 4,
         "expected tensor names in printable ASCII, got \"\""},
        {"{\"a\\nb\":" TENSOR("F32", "1,1", 0, 4) "}", 4,
         "expected tensor names in printable ASCII, got \"a\\x0ab\""},
        {"{\"\xc3\xa4\":" TENSOR("F32", "1,1", 0, 4) "}", 4,
         "expected tensor names in printable ASCII, got \"\\xc3\\xa4\""},
        {"{\"a\":{}}", 0, TYPE},
        {"{\"a\":{\"dtype\":32,\"shape\":[1,1],\"data_offsets\":[0,4]}}", 4, TYPE},
        {"{\"a\":{\"dtype\":\"\",\"shape\":[1,1],\"data_offsets\":[0,4]}}", 4, TYPE},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, SHAPE},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,4]}}", 4, SHAPE},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":{},\"data_offsets\":[0,4]}}", 4, SHAPE},
        {"{\"a\":" TENSOR("F32", "1,-1", 0, 4) "}", 4, SHAPE},
        {"{\"a\":" TENSOR("F32", "1,1.0", 0, 4) "}", 4, SHAPE},
        {"{\"a\":" TENSOR("F32", "1,\"1\"", 0, 4) "}", 4, SHAPE},
        {"{\"a\":" TENSOR("F32", "1,1e0", 0, 4) "}", 4, SHAPE},
        {"{\"a\":" TENSOR("F32", "1,null", 0, 4) "}", 4, SHAPE},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1]}}", 4, OFFSETS},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":4}}", 4, OFFSETS},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[4]}}", 4, OFFSETS},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,2,4]}}", 4, OFFSETS},
        {"{\"a\":" TENSOR("F32", "1,1", -4, 0) "}", 4, OFFSETS},
        {"{\"a\":" TENSOR("F32", "1,1", 0, 4.0) "}", 4, OFFSETS},
        {"{\"a\":" TENSOR("F32", "1,1", 4, 0) "}", 4, OFFSETS},
    };
    assert_refused(cases, sizeof cases / sizeof *cases);
}

static void refuses_sizes_that_lie(void **state) {
    (void)state;
    static const refusal cases[] = {
        {"{\"a\":" TENSOR("F32", "2,2", 0, 12) "}", 12,
         "a: expected 4 elements of type F32, got 12 bytes"},
        {"{\"a\":" TENSOR("F16", "2,2", 0, 16) "}", 16,
         "a: expected 4 elements of type F16, got 16 bytes"},
        {"{\"a\":" TENSOR("I64", "2,2", 0, 16) "}", 16,
         "a: expected 4 elements of type I64, got 16 bytes"},
        {"{\"a\":" TENSOR("F32", "", 0, 0) "}", 0, "a: expected 1 elements of type F32"},
        {"{\"a\":" TENSOR("F32", "4611686018427387904", 0, 0) "}", 0,
         "a: expected 4611686018427387904 elements of type F32, got 0 bytes"},
        {"{\"a\":" TENSOR("F32", "4294967296,4294967296", 0, 0) "}", 0,
         "a: expected a shape of less than 2^64 elements"},
        {"{\"a\":" TENSOR("F32", "9223372036854775807,9223372036854775807,0", 0, 0) "}", 0,
         "a: expected a shape of less than 2^64 elements"},
        {"{\"a\":" TENSOR("X9", "4294967296,4294967296", 0, 0) "}", 0,
         "a: expected a shape of less than 2^64 elements"},
    };
    assert_refused(cases, sizeof cases / sizeof *cases);
}

static void refuses_holes_and_overlaps(void **state) {
    (void)state;
    static const refusal cases[] = {
        {"{}", 4, "expected 0 bytes of data, got 4"},
        {"{\"a\":" TENSOR("F32", "2,2", 0, 16) "}", 15, "expected 16 bytes of data, got 15"},
        {"{\"a\":" TENSOR("F32", "2,2", 0, 16) "}", 17, "expected 16 bytes of data, got 17"},
        {"{\"a\":" TENSOR("F32", "2,2", 4, 20) "}", 20,
         "a: expected data from offset 0 on, where the data before it ends, got 4"},
        {"{\"a\":" TENSOR("F32", "2,2", 0, 16) ",\"b\":" TENSOR("F32", "2,2", 12, 28) "}", 28,
         "b: expected data from offset 16 on, where the data before it ends, got 12"},
        {"{\"a\":" TENSOR("F32", "2,2", 0, 16) ",\"b\":" TENSOR("F32", "2,2", 0, 16) "}", 16,
         "b: expected data from offset 16 on, where the data before it ends, got 0"},
        {"{\"b\":" TENSOR("F32", "2,2", 20, 36) ",\"a\":" TENSOR("F32", "2,2", 0, 16) "}", 36,
         "b: expected data from offset 16 on, where the data before it ends, got 20"},
        {"{\"a\":" TENSOR("X9", "2", 9223372036854775806, 9223372036854775807) "}", 8,
         "a: expected data from offset 0 on, where the data before it ends, got "
         "9223372036854775806"},
        {"{\"a\":" TENSOR("X9", "2", 0, 9223372036854775807) "}", 8,
         "expected 9223372036854775807 bytes of data, got 8"},
    };
    assert_refused(cases, sizeof cases / sizeof *cases);
}

static void reads_files(void **state) {
    (void)state;
    /* 1, -2, 0.5 and the smallest subnormal, 2^-133; then two halves. */
    static const uint16_t data[] = {0x3f80, 0xc000, 0x3f00, 0x0001, 0x3c00, 0xc100};
    const char *path = write_safetensors(
        "w.safetensors",
        "{\"b\":" TENSOR("F16", "1,2", 8, 12) ","
                                              "\"a\":" TENSOR("BF16", "2,2", 0, 8) "}  ",
        data, sizeof data);
    static const float expected[] = {1, -2, 0.5f, 0x1p-133f, 1, -2.5f};
    float w[6];
    size_t zeros;
    safetensors tensors;
    assert_int_equal(safetensors_read_header(path, &tensors), SM_OK);
    assert_int_equal(tensors.count, 2);
    assert_int_equal(array_read(path, "a", &tensors.items[0].array, w, &zeros), SM_OK);
    assert_int_equal(array_read(path, "b", &tensors.items[1].array, w + 4, &zeros), SM_OK);
    assert_memory_equal(w, expected, sizeof expected);
    safetensors_free(&tensors);
}

static void bad_elements_name_tensor_and_place(void **state) {
    (void)state;
    static const uint16_t data[] = {0x3f80, 0xc000, 0x3f00, 0x7fc0, 0x3c00, 0xff80};
    const char *path = write_safetensors(
        "w.safetensors",
        "{\"x.weight\":" TENSOR("BF16", "2,2", 0, 8) ","
                                                     "\"y\":" TENSOR("BF16", "2,1", 8, 12) "}",
        data, sizeof data);
    size_t zeros;
    safetensors tensors;
    assert_int_equal(safetensors_read_header(path, &tensors), SM_OK);
    assert_int_equal(array_read(path, "x.weight", &tensors.items[0].array, NULL, &zeros),
                     SM_E_FORMAT);
    assert_message(path, ": x.weight: element [1,1]: expected a finite number, got NaN");
    assert_int_equal(array_read(path, "y", &tensors.items[1].array, NULL, &zeros), SM_E_FORMAT);
    assert_message(path, ": y: element [1,0]: expected a finite number, got infinity");
    safetensors_free(&tensors);
}

static void refuses_bad_lengths(void **state) {
    (void)state;
#define FITS ": expected a header of at most 100000000 bytes within the file's "
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } cases[] = {
        {"", 0, ": expected the length of the header, 8 bytes, got 0"},
        {"\2\0\0\0\0\0\0", 7, ": expected the length of the header, 8 bytes, got 7"},
        {"\3\0\0\0\0\0\0\0{}", 10, FITS "10, got 3"},
        {"\0\0\0\0\0\0\0\0", 8, ": byte 8: expected a JSON object, got \"\""},
        {"\1\0\0\0\0\0\0\0{}", 10,
         ": byte 9: expected JSON: string or '}' expected near end of file"},
        {"\0\0\0\0\0\0\0\x80{}", 10, FITS "10, got 9223372036854775808"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, FITS "10, got 18446744073709551615"},
        {"\0\xe1\xf5\5\0\0\0\0{}", 10, FITS "10, got 100000000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        safetensors tensors;
        const char *path = write_file("w.safetensors", cases[i].bytes, cases[i].size);
        assert_int_equal(safetensors_read_header(path, &tensors), SM_E_FORMAT);
        assert_message(path, cases[i].message);
        assert_int_equal(tensors.count, 0);
    }
}

static void refuses_every_cut(void **state) {
    (void)state;
    static const float data[4] = {1, 2, 3, 4};
    static const char header[] = "{\"a\":" TENSOR("F32", "2,2", 0, 16) "}";
    safetensors tensors;
    for (size_t size = 0; size < 8 + strlen(header) + sizeof data; size++) {
        const char *path = write_safetensors("w.safetensors", header, data, sizeof data);
        assert_int_equal(truncate(path, (off_t)size), 0);
        assert_int_equal(safetensors_read_header(path, &tensors), SM_E_FORMAT);
    }
    const char *path = write_safetensors("w.safetensors", header, data, sizeof data);
    assert_int_equal(safetensors_read_header(path, &tensors), SM_OK);
    safetensors_free(&tensors);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_come_in_the_order_of_their_data),
        cmocka_unit_test(refuses_what_is_no_json),
        cmocka_unit_test(refuses_deep_nesting),
        cmocka_unit_test(refuses_tensors_that_are_none),
        cmocka_unit_test(refuses_sizes_that_lie),
        cmocka_unit_test(refuses_holes_and_overlaps),
        SCRATCH_TEST(reads_files),
        SCRATCH_TEST(bad_elements_name_tensor_and_place),
        SCRATCH_TEST(refuses_bad_lengths),
        SCRATCH_TEST(refuses_every_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
