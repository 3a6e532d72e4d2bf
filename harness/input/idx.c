/* IDX files: a magic number, big-endian sizes, bytes. zlib reads them gzipped or not. */
#include "input/idx.h"
#include "input/file.h"
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { MAX_RANK = 3, UNSIGNED_BYTES = 8, MAX_BYTES = 1 << 30 };

typedef struct reader {
    char path[PATH_MAX];
    gzFile file;
    uint64_t at; /* bytes read, unpacked */
} reader;

/* NAME.gz where there is one, else NAME. The descriptor is zlib's afterwards. */
static sm_status open_idx(const char *folder, const char *name, reader *r) {
    input_file file;
    *r = (reader){0};
    if (snprintf(r->path, sizeof r->path, "%s/%s.gz", folder, name) >= (int)sizeof r->path)
        return sm_fail(SM_E_IO, "%s: path is too long", folder);
    if (access(r->path, F_OK) != 0) {
        (void)snprintf(r->path, sizeof r->path, "%s/%s", folder, name);
        if (access(r->path, F_OK) != 0)
            return sm_fail(SM_E_IO, "%s: expected %s or %s.gz in it: %s", folder, name, name,
                           strerror(errno));
    }
    SM_TRY(file_open(r->path, &file));
    r->file = gzdopen(file.fd, "rb");
    if (r->file) return SM_OK;
    file_close(&file);
    return sm_fail(SM_E_NOMEM, "%s: no memory to read it", r->path);
}

/* What gzread() stopped at: zlib calls a cut stream a buffer error. */
static sm_status explain(const reader *r, size_t expected, int got) {
    int error = Z_OK;
    const char *why = gzerror(r->file, &error);
    if (error == Z_ERRNO) return sm_fail(SM_E_IO, "%s: cannot read: %s", r->path, strerror(errno));
    if (error != Z_OK && error != Z_BUF_ERROR)
        return sm_fail(SM_E_FORMAT, "%s: damaged gzip data: %s", r->path, why);
    return sm_fail(SM_E_FORMAT, "%s: expected %zu bytes at offset %llu, got %d: it was cut",
                   r->path, expected, (unsigned long long)r->at, got < 0 ? 0 : got);
}

static sm_status take(reader *r, void *data, size_t size) {
    const int got = gzread(r->file, data, (unsigned)size);
    if (got < 0 || (size_t)got != size) return explain(r, size, got);
    r->at += size;
    return SM_OK;
}

/* Also makes zlib compare the checksum, which it does at the end only. */
static sm_status expect_end(reader *r) {
    char more;
    int error = Z_OK;
    const int got = gzread(r->file, &more, 1);
    (void)gzerror(r->file, &error);
    if (got > 0)
        return sm_fail(SM_E_FORMAT, "%s: expected its end after %llu bytes, found more", r->path,
                       (unsigned long long)r->at);
    return error == Z_OK ? SM_OK : explain(r, 1, got);
}

static uint32_t big_endian(const unsigned char *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Reads the header of an array of bytes with that rank, and its size. */
static sm_status take_header(reader *r, size_t rank, size_t shape[MAX_RANK], size_t *bytes) {
    unsigned char word[4];
    SM_TRY(take(r, word, sizeof word));
    const uint32_t magic = big_endian(word), expected = UNSIGNED_BYTES << 8 | (uint32_t)rank;
    if (magic != expected)
        return sm_fail(SM_E_FORMAT, "%s: magic number %08x: expected %08x, bytes of rank %zu",
                       r->path, (unsigned)magic, (unsigned)expected, rank);
    *bytes = 1;
    for (size_t i = 0; i < rank; i++) {
        SM_TRY(take(r, word, sizeof word));
        shape[i] = big_endian(word);
        if (shape[i] == 0 || shape[i] > MAX_BYTES / *bytes)
            return sm_fail(SM_E_FORMAT, "%s: axis %zu is %zu long: expected 1 to %zu", r->path, i,
                           shape[i], MAX_BYTES / *bytes);
        *bytes *= shape[i];
    }
    return SM_OK;
}

static sm_status read_array(reader *r, size_t rank, size_t shape[MAX_RANK], unsigned char **out) {
    size_t bytes = 0;
    SM_TRY(take_header(r, rank, shape, &bytes));
    *out = malloc(bytes);
    if (!*out) return sm_fail(SM_E_NOMEM, "%s: no memory for %zu bytes", r->path, bytes);
    SM_TRY(take(r, *out, bytes));
    return expect_end(r);
}

static sm_status read_file(const char *folder, const char *name, size_t rank,
                           size_t shape[MAX_RANK], unsigned char **out, reader *r) {
    sm_status status = open_idx(folder, name, r);
    if (status == SM_OK) status = read_array(r, rank, shape, out);
    if (r->file) (void)gzclose(r->file);
    return status;
}

static sm_status read_labels(const char *folder, size_t classes, sm_images *images) {
    reader r;
    size_t shape[MAX_RANK];
    SM_TRY(read_file(folder, "t10k-labels-idx1-ubyte", 1, shape, &images->labels, &r));
    if (shape[0] != images->count)
        return sm_fail(SM_E_FORMAT, "%s: %zu labels: expected %zu, one an image", r.path, shape[0],
                       images->count);
    for (size_t i = 0; i < images->count; i++)
        if (images->labels[i] >= classes)
            return sm_fail(SM_E_FORMAT, "%s: label %zu is %u: expected less than %zu", r.path, i,
                           images->labels[i], classes);
    return SM_OK;
}

sm_status images_read(const char *folder, size_t classes, sm_images *out) {
    reader r;
    size_t shape[MAX_RANK];
    *out = (sm_images){0};
    sm_status status = read_file(folder, "t10k-images-idx3-ubyte", 3, shape, &out->pixels, &r);
    if (status == SM_OK) {
        out->count = shape[0];
        out->height = shape[1];
        out->width = shape[2];
        status = read_labels(folder, classes, out);
    }
    if (status != SM_OK) images_free(out);
    return status;
}

void images_free(sm_images *images) {
    free(images->pixels);
    free(images->labels);
    *images = (sm_images){0};
}
