/* For tests of dense inputs: .npy and .safetensors files made by hand. */
#ifndef TESTS_ARRAY_FILES_H
#define TESTS_ARRAY_FILES_H

#include "scratch.h"

/* A version 1.0 .npy file with this dictionary; returns its path. */
static inline const char *write_npy(const char *name, const char *dictionary, const void *data,
                                    size_t size) {
    const size_t text = strlen(dictionary);
    char *bytes = malloc(10 + text + size);
    assert_non_null(bytes);
    memcpy(bytes, "\x93NUMPY\x01\x00", 8);
    bytes[8] = (char)(text & 0xff);
    bytes[9] = (char)(text >> 8);
    memcpy(bytes + 10, dictionary, text);
    if (size > 0) memcpy(bytes + 10 + text, data, size);
    const char *path = write_file(name, bytes, 10 + text + size);
    free(bytes);
    return path;
}

/* A .safetensors file with this header; returns its path. */
static inline const char *write_safetensors(const char *name, const char *header, const void *data,
                                            size_t size) {
    const size_t text = strlen(header);
    char *bytes = malloc(8 + text + size);
    assert_non_null(bytes);
    for (int i = 0; i < 8; i++) bytes[i] = (char)((uint64_t)text >> 8 * i & 0xff);
    memcpy(bytes + 8, header, text);
    if (size > 0) memcpy(bytes + 8 + text, data, size);
    const char *path = write_file(name, bytes, 8 + text + size);
    free(bytes);
    return path;
}

#endif
