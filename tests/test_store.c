/* Model files: what is written comes back bit for bit, dense and sparse; what contradicts itself is
 * refused; what cannot be written whole is not there. */
#include "input/safetensors.h"
#include "store/store.h"
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/sparsemark-store-XXXXXX";

static const char *file_in(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static sm_tensor make(const char *name, size_t rank, const size_t *shape) {
    sm_tensor t = {.name = strdup(name), .type = "F32", .rank = rank, .count = 1};
    for (size_t i = 0; i < rank; i++) t.count *= t.shape[i] = shape[i];
    t.bytes = t.count * sizeof(float);
    t.data = calloc(t.count + 1, sizeof(float));
    assert_non_null(t.data);
    return t;
}

/* Seeded weights, about `zero` of them +0.0. */
static void fill(sm_tensor *t, double zero, unsigned seed) {
    float *w = t->data;
    for (size_t i = 0; i < t->count; i++) {
        seed = seed * 1664525u + 1013904223u;
        w[i] = (seed >> 8) / 16777216.0 < zero ? 0.0f : (float)(seed >> 4) - 1e8f;
    }
}

/* Writes, reads, compares; gives the file's size. */
static size_t round_trip(sm_model_file *file, sm_store_kind kind) {
    const char *path = file_in("m.safetensors");
    sm_model_file back;
    assert_int_equal(model_file_write(path, file, kind), SM_OK);
    if (model_file_read(path, &back) != SM_OK) fail_msg("%s", sm_message());
    assert_int_equal(back.count, file->count);
    for (size_t i = 0; i < file->count; i++) {
        const sm_tensor *a = &file->items[i], *b = model_file_find(&back, a->name);
        assert_non_null(b);
        assert_string_equal(a->type, b->type);
        assert_int_equal(a->rank, b->rank);
        for (size_t d = 0; d < a->rank; d++) assert_int_equal(a->shape[d], b->shape[d]);
        assert_int_equal(a->bytes, b->bytes);
        assert_memory_equal(a->data, b->data, a->bytes);
    }
    model_file_free(&back);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    const long size = ftell(f);
    fclose(f);
    return (size_t)size;
}

static void returns_every_bit(void **state) {
    (void)state;
    sm_tensor items[9];
    items[0] = make("half", 2, (const size_t[]){37, 53});
    fill(&items[0], 0.5, 1);
    items[1] = make("conv", 4, (const size_t[]){5, 5, 3, 7});
    fill(&items[1], 0.9, 2);
    items[2] = make("zero", 1, (const size_t[]){1001});
    items[3] = make("none", 1, (const size_t[]){64});
    fill(&items[3], 0, 3);
    items[4] = make("odd", 1, (const size_t[]){19});
    const float odd[] = {-0.0f, NAN, INFINITY, 0.0f, 0x1p-149f, -0x1p-149f};
    memcpy(items[4].data, odd, sizeof odd);
    items[5] = make("scalar", 0, NULL);
    items[6] = make("eight", 8, (const size_t[]){2, 1, 3, 1, 2, 1, 1, 5});
    fill(&items[6], 0.8, 4);
    items[7] = make("empty", 2, (const size_t[]){0, 4});
    items[8] = make("bytes", 1, (const size_t[]){4});
    strcpy(items[8].type, "I32");
    sm_model_file file = {items, 9, json_pack("{s:s}", "framework", "tests")};
    const size_t dense = round_trip(&file, SM_STORE_DENSE);
    assert_true(round_trip(&file, SM_STORE_SPARSE) < dense);
    for (size_t i = 0; i < 9; i++) {
        free(items[i].name);
        free(items[i].data);
    }
    json_decref(file.metadata);
}

/* Two per cent over 4 bytes a value and a bit a weight, header included. */
static void takes_what_is_promised(void **state) {
    (void)state;
    sm_tensor t = make("w", 2, (const size_t[]){512, 512});
    sm_model_file file = {&t, 1, NULL};
    for (int tenth = 5; tenth <= 9; tenth += 2) {
        fill(&t, tenth / 10.0, 7);
        size_t stored = 0;
        for (size_t i = 0; i < t.count; i++) stored += ((float *)t.data)[i] != 0;
        const double promised = 4.0 * (double)stored + (double)t.count / 8;
        sm_store_sizes sizes;
        assert_int_equal(model_tensor_sizes(&t, &sizes), SM_OK);
        assert_true((double)sizes.sparse == promised);
        assert_int_equal(sizes.dense, t.bytes);
        assert_true(sizes.gzip < sizes.dense && sizes.sparse_gzip <= sizes.sparse + 1024);
        assert_true((double)round_trip(&file, SM_STORE_SPARSE) < 1.02 * promised);
    }
    free(t.name);
    free(t.data);
}

static void drop(sm_tensor *t) {
    free(t->name);
    free(t->data);
}

/* One value in every four neighbours, the last of them fewer; every hundredth four have none. */
static void fill_one_of_four(sm_tensor *t, unsigned seed) {
    uint32_t *w = t->data;
    for (size_t i = 0; i < t->count; i += 4) {
        const size_t left = t->count - i < 4 ? t->count - i : 4;
        seed = seed * 1664525u + 1013904223u;
        /* Any bits: NaN with a payload and -0.0 among them. */
        w[i + (seed >> 16) % left] = i % 400 == 396 ? 0 : i % 64 == 0 ? 0x80000000u : seed | 1;
    }
}

static void one_of_four_takes_two_bits(void **state) {
    (void)state;
    for (size_t count = 1; count < 5000; count = count < 70 ? count + 1 : count * 3 + 1) {
        sm_tensor t = make("w", 1, &count);
        sm_model_file file = {&t, 1, NULL};
        sm_store_sizes sizes;
        fill_one_of_four(&t, (unsigned)count);
        assert_int_equal(model_tensor_sizes(&t, &sizes), SM_OK);
        if (count >= 2000) /* fewer values than fours, but two bits for each of these */
            assert_int_equal(sizes.sparse, (count + 3) / 4 * 4 + ((count + 3) / 4 + 3) / 4);
        (void)round_trip(&file, SM_STORE_SPARSE);
        drop(&t);
    }
}

/* Exactly n of every m neighbours, at places that differ. */
static void patterns_take_what_is_smallest(void **state) {
    (void)state;
    static const struct {
        size_t n, m, bytes;
    } cases[] = {{2, 4, 4096 * 2 + 512}, {1, 4, 4096 + 256}, {3, 4, 4096 * 3 + 512},
                 {4, 4, 4096 * 4},       {0, 4, 512},        {1, 16, 1024 + 512}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        sm_tensor t = make("w", 2, (const size_t[]){64, 64});
        sm_model_file file = {&t, 1, NULL};
        sm_store_sizes sizes;
        for (size_t i = 0; i < t.count; i++)
            if ((i + i / cases[c].m) % cases[c].m < cases[c].n) ((float *)t.data)[i] = (float)i + 1;
        assert_int_equal(model_tensor_sizes(&t, &sizes), SM_OK);
        assert_int_equal(sizes.sparse, cases[c].bytes);
        (void)round_trip(&file, SM_STORE_SPARSE);
        drop(&t);
    }
}

static void every_rank_and_density(void **state) {
    (void)state;
    for (size_t rank = 0; rank <= SM_TENSOR_RANK; rank++)
        for (int tenth = 0; tenth <= 10; tenth++) {
            size_t shape[SM_TENSOR_RANK];
            for (size_t i = 0; i < rank; i++) shape[i] = 1 + (i * 7 + (size_t)tenth) % 5;
            if (rank > 0) shape[rank - 1] = 67;
            sm_tensor t = make("w", rank, shape);
            sm_model_file file = {&t, 1, NULL};
            fill(&t, tenth / 10.0, (unsigned)(rank * 11 + (size_t)tenth));
            (void)round_trip(&file, SM_STORE_DENSE);
            (void)round_trip(&file, SM_STORE_SPARSE);
            drop(&t);
        }
}

static void names_that_are_taken(void **state) {
    (void)state;
    sm_tensor items[] = {make("w", 1, (const size_t[]){100}),
                         make("w.sparse_values", 1, (const size_t[]){3})};
    sm_model_file file = {items, 2, NULL};
    ((float *)items[1].data)[0] = ((float *)items[1].data)[1] = ((float *)items[1].data)[2] = 1;
    (void)round_trip(&file, SM_STORE_DENSE);
    assert_int_equal(model_file_write(file_in("taken.safetensors"), &file, SM_STORE_SPARSE),
                     SM_E_FORMAT);
    assert_non_null(strstr(sm_message(), "w.sparse_values: expected a name once"));
    assert_int_equal(access(file_in("taken.safetensors"), F_OK), -1);
    drop(&items[0]);
    drop(&items[1]);
}

static void refuses_every_cut(void **state) {
    (void)state;
    const char *path = file_in("cut.safetensors");
    sm_tensor items[] = {make("w", 1, (const size_t[]){70}), make("q", 1, (const size_t[]){64})};
    sm_model_file file = {items, 2, NULL}, back;
    fill(&items[0], 0.7, 5);
    fill_one_of_four(&items[1], 6);
    assert_int_equal(model_file_write(path, &file, SM_STORE_SPARSE), SM_OK);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    const long size = ftell(f);
    fclose(f);
    for (long cut = size - 1; cut >= 0; cut--) {
        assert_int_equal(truncate(path, cut), 0);
        assert_int_equal(model_file_read(path, &back), SM_E_FORMAT);
        assert_null(back.items);
    }
    drop(&items[0]);
    drop(&items[1]);
}

/* A file with these tensors and note; the data are zeros, but for the bits. */
static sm_status read_made(const char *header, const char *data, size_t size) {
    const char *path = file_in("bad.safetensors");
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    const uint64_t length = strlen(header);
    assert_int_equal(fwrite(&length, 8, 1, f), 1);
    assert_int_equal(fwrite(header, 1, length, f), length);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
    sm_model_file file;
    const sm_status status = model_file_read(path, &file);
    if (status == SM_OK) model_file_free(&file);
    return status;
}

#define VALUES(n, end)                                                                             \
    "\"w.sparse_values\":{\"dtype\":\"F32\",\"shape\":[" #n "],\"data_offsets\":[0," #end "]}"
#define BITS(n, begin, end)                                                                        \
    "\"w.sparse_bitmap\":{\"dtype\":\"U8\",\"shape\":[" #n "],\"data_offsets\":[" #begin "," #end  \
    "]}"
#define NOTE(text) "\"__metadata__\":{\"sparsemark.sparse.w\":\"" text "\"}"

static void refuses(const char *header, const char *data, size_t size, const char *what) {
    assert_int_equal(read_made(header, data, size), SM_E_FORMAT);
    if (!strstr(sm_message(), what)) fail_msg("%s: expected %s", sm_message(), what);
    assert_non_null(strstr(sm_message(), "w"));
}

static void refuses_contradictions(void **state) {
    (void)state;
    static const char good[] = "\0\0\0\0\1\1\1\1\x11\0";
    const char *two = "{" VALUES(2, 8) "," BITS(2, 8, 10) "," NOTE("bitmap F32 3,4") "}";
    assert_int_equal(read_made(two, good, 10), SM_OK);
    refuses(two, "\0\0\0\0\1\1\1\1\x13\0", 10, "more");
    refuses(two, "\0\0\0\0\1\1\1\1\1\0", 10, "fewer");
    refuses(two, "\0\0\0\0\1\1\1\1\1\x10", 10, "behind the last");
    refuses("{" VALUES(2, 8) "," BITS(2, 8, 10) "," NOTE("bitmap F32 3,5,9") "}", good, 10, "135");
    refuses("{" VALUES(2, 8) "," BITS(2, 8, 10) "," NOTE("runs F32 12") "}", good, 10,
            "bitmap F32");
    refuses("{" VALUES(2, 8) "," BITS(2, 8, 10) "," NOTE("bitmap F32 3,") "}", good, 10,
            "bitmap F32");
    refuses("{" VALUES(2, 8) "," NOTE("bitmap F32 3,4") "}", good, 8, "sparse_bitmap");
    refuses("{\"w\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[10,14]}," VALUES(
                2, 8) "," BITS(2, 8, 10) "," NOTE("bitmap F32 3,4") "}",
            "\0\0\0\0\1\1\1\1\x11\0\0\0\0\0", 14, "once");
}

#define INDICES(n, begin, end)                                                                     \
    "\"w.sparse_indices\":{\"dtype\":\"U8\",\"shape\":[" #n "],\"data_offsets\":[" #begin "," #end \
    "]}"

static void refuses_bad_indices(void **state) {
    (void)state;
    const char *good = "{" VALUES(2, 8) "," INDICES(1, 8, 9) "," NOTE("1:4 F32 7") "}";
    assert_int_equal(read_made(good, "\0\0\0\0\1\1\1\1\x0b", 9), SM_OK);
    refuses(good, "\0\0\0\0\1\1\1\1\x0f", 9, "element below 7");
    refuses(good, "\0\0\0\0\1\1\1\1\x1b", 9, "behind the index");
    refuses("{" VALUES(2, 8) "," INDICES(1, 8, 9) "," NOTE("1:4 F32 9") "}", "\0\0\0\0\1\1\1\1\x0b",
            9, "3 values");
    refuses("{" VALUES(2, 8) "," INDICES(1, 8, 9) "," NOTE("1:4 F32 3,22") "}",
            "\0\0\0\0\1\1\1\1\x0b", 9, "5 bytes in w.sparse_indices");
    refuses("{" VALUES(2, 8) "," BITS(1, 8, 9) "," NOTE("1:4 F32 7") "}", "\0\0\0\0\1\1\1\1\x0b", 9,
            "sparse_indices");
    refuses("{" VALUES(2, 8) "," INDICES(1, 8, 9) "," NOTE("2:4 F32 7") "}", "\0\0\0\0\1\1\1\1\x0b",
            9, "1:4 F32");
}

static void refuses_notes_that_are_none(void **state) {
    (void)state;
    static const char data[] = "\0\0\0\0\1\1\1\1\x11\0";
    const char *parts = "{" VALUES(2, 8) "," BITS(2, 8, 10) "}";
    refuses(parts, data, 10, "expected \"sparsemark.sparse.w\" in \"__metadata__\"");
    refuses("{" VALUES(2, 8) "," BITS(2, 8, 10) ",\"__metadata__\":{\"sparsemark.sparse.w\":3}}",
            data, 10, "expected a string");
    refuses("{" VALUES(2, 8) "," BITS(2, 8, 10) ",\"__metadata__\":{\"sparsemark.sparse.w\\n\":"
                                                "\"bitmap F32 12\"}}",
            data, 10, "printable ASCII, got \"w\\x0a\"");
    assert_int_equal(
        read_made("{" VALUES(2, 8) "," BITS(2, 8, 10) ",\"__metadata__\":{\"sparsemark.sparse.\":"
                                                      "\"bitmap F32 12\"}}",
                  data, 10),
        SM_E_FORMAT);
    assert_non_null(strstr(sm_message(), "printable ASCII, got \"\""));
    /* One part alone is a tensor like any other. */
    assert_int_equal(read_made("{" VALUES(2, 8) "}", data, 8), SM_OK);
}

static void leaves_nothing_half(void **state) {
    (void)state;
    const char *path = file_in("full.safetensors");
    sm_tensor t = make("w", 1, (const size_t[]){1 << 18});
    fill(&t, 0.5, 9);
    sm_model_file file = {&t, 1, NULL};
    struct rlimit old, small = {1 << 16, 0};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const sm_status status = model_file_write(path, &file, SM_STORE_DENSE);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(status, SM_E_IO);
    assert_int_equal(access(path, F_OK), -1);
    char command[160];
    snprintf(command, sizeof command, "test -z \"$(ls -A %s | grep full)\"", folder);
    assert_int_equal(system(command), 0);
    free(t.name);
    free(t.data);
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[80];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(returns_every_bit),
        cmocka_unit_test(takes_what_is_promised),
        cmocka_unit_test(one_of_four_takes_two_bits),
        cmocka_unit_test(patterns_take_what_is_smallest),
        cmocka_unit_test(every_rank_and_density),
        cmocka_unit_test(names_that_are_taken),
        cmocka_unit_test(refuses_every_cut),
        cmocka_unit_test(refuses_contradictions),
        cmocka_unit_test(refuses_bad_indices),
        cmocka_unit_test(refuses_notes_that_are_none),
        cmocka_unit_test(leaves_nothing_half),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
