/* MNIST's files: what is read, gzipped or not, and what is wrong with those that are refused. */
#include "scratch.h"

#include "input/idx.h"
#include <zlib.h>

#define IMAGES "t10k-images-idx3-ubyte"
#define LABELS "t10k-labels-idx1-ubyte"

/* Three images of 2 x 4, whose pixels count up, and their labels. */
static const char images[] = "\0\0\10\3\0\0\0\3\0\0\0\2\0\0\0\4"
                             "\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24\25\26\377";
static const char labels[] = "\0\0\10\1\0\0\0\3\0\11\5";
enum { IMAGES_SIZE = sizeof images - 1, LABELS_SIZE = sizeof labels - 1 };

static size_t gzip(const char *data, size_t size, char *out, size_t room) {
    z_stream z = {.next_in = (Bytef *)data,
                  .avail_in = (uInt)size,
                  .next_out = (Bytef *)out,
                  .avail_out = (uInt)room};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    const size_t written = z.total_out;
    assert_int_equal(deflateEnd(&z), Z_OK);
    return written;
}

static void expect_read(void) {
    sm_images set;
    assert_int_equal(images_read(folder, 10, &set), SM_OK);
    assert_int_equal(set.count, 3);
    assert_int_equal(set.height, 2);
    assert_int_equal(set.width, 4);
    assert_memory_equal(set.pixels, images + 16, 24);
    assert_memory_equal(set.labels, labels + 8, 3);
    images_free(&set);
}

static void expect_refused(sm_status expected, const char *name, const char *rest) {
    sm_images set;
    assert_int_equal(images_read(folder, 10, &set), expected);
    assert_null(set.pixels);
    assert_null(set.labels);
    assert_message(below(name), rest);
}

static void write_images(const char *data, size_t size) {
    write_file(IMAGES, data, size);
    write_file(LABELS, labels, LABELS_SIZE);
}

static void test_plain_and_gzipped(void **state) {
    (void)state;
    char packed[256];
    write_images(images, IMAGES_SIZE);
    expect_read();
    /* .gz goes first, whatever is beside it. */
    write_file(IMAGES, "junk", 4);
    write_file(IMAGES ".gz", packed, gzip(images, IMAGES_SIZE, packed, sizeof packed));
    expect_read();
    write_file(LABELS ".gz", packed, gzip(labels, LABELS_SIZE, packed, sizeof packed));
    expect_read();
}

static void test_what_is_missing(void **state) {
    (void)state;
    sm_images set;
    char expected[256];
    assert_int_equal(images_read(folder, 10, &set), SM_E_IO);
    snprintf(expected, sizeof expected,
             "%s: expected " IMAGES " or " IMAGES ".gz in it: No such file or directory", folder);
    assert_string_equal(sm_message(), expected);
    write_file(IMAGES, images, IMAGES_SIZE);
    assert_int_equal(images_read(folder, 10, &set), SM_E_IO);
    assert_non_null(strstr(sm_message(), ": expected " LABELS " or " LABELS ".gz in it"));
}

static void test_lies(void **state) {
    (void)state;
    char data[IMAGES_SIZE + 1];
    memcpy(data, images, sizeof data);
    write_images(data, IMAGES_SIZE - 1);
    expect_refused(SM_E_FORMAT, IMAGES, ": expected 24 bytes at offset 16, got 23: it was cut");
    write_images(data, 9);
    expect_refused(SM_E_FORMAT, IMAGES, ": expected 4 bytes at offset 8, got 1: it was cut");
    write_images(data, 0);
    expect_refused(SM_E_FORMAT, IMAGES, ": expected 4 bytes at offset 0, got 0: it was cut");
    write_images(data, IMAGES_SIZE + 1);
    expect_refused(SM_E_FORMAT, IMAGES, ": expected its end after 40 bytes, found more");
    data[3] = 1;
    write_images(data, IMAGES_SIZE);
    expect_refused(SM_E_FORMAT, IMAGES,
                   ": magic number 00000801: expected 00000803, bytes of rank 3");
    data[3] = 3;
    data[11] = 0;
    write_images(data, IMAGES_SIZE);
    expect_refused(SM_E_FORMAT, IMAGES, ": axis 1 is 0 long: expected 1 to 357913941");
    data[8] = 127;
    write_images(data, IMAGES_SIZE);
    expect_refused(SM_E_FORMAT, IMAGES, ": axis 1 is 2130706432 long: expected 1 to 357913941");
}

static void test_labels(void **state) {
    (void)state;
    char data[LABELS_SIZE];
    memcpy(data, labels, sizeof data);
    write_file(IMAGES, images, IMAGES_SIZE);
    data[9] = 10;
    write_file(LABELS, data, LABELS_SIZE);
    expect_refused(SM_E_FORMAT, LABELS, ": label 1 is 10: expected less than 10");
    data[7] = 2;
    write_file(LABELS, data, LABELS_SIZE - 1);
    expect_refused(SM_E_FORMAT, LABELS, ": 2 labels: expected 3, one an image");
}

static void test_damaged_gzip(void **state) {
    (void)state;
    char packed[256];
    const size_t size = gzip(images, IMAGES_SIZE, packed, sizeof packed);
    write_file(LABELS, labels, LABELS_SIZE);
    /* Wherever it is cut, the trailer included. */
    for (size_t cut = 3; cut < size; cut++) {
        sm_images set;
        const char *path = write_file(IMAGES ".gz", packed, cut);
        assert_int_equal(images_read(folder, 10, &set), SM_E_FORMAT);
        if (strncmp(sm_message(), path, strlen(path)) != 0) fail_msg("got '%s'", sm_message());
    }
    packed[size - 5] ^= 1; /* of the checksum */
    sm_images set;
    write_file(IMAGES ".gz", packed, size);
    assert_int_equal(images_read(folder, 10, &set), SM_E_FORMAT);
    assert_non_null(strstr(sm_message(), ": damaged gzip data: "));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(test_plain_and_gzipped),
        SCRATCH_TEST(test_what_is_missing),
        SCRATCH_TEST(test_lies),
        SCRATCH_TEST(test_labels),
        SCRATCH_TEST(test_damaged_gzip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
