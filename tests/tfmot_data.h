/* What TFMOT computed, from a folder like data/tfmot: its JSON lists and its .npy files, of which a
 * test knows element type and count. */
#ifndef TFMOT_DATA_H
#define TFMOT_DATA_H

#include <jansson.h>
#include <setjmp.h>
#include <sparsemark/prune.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline uint32_t bits_of(float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* A whole file and a NUL; released with free(). */
static inline char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("%s: cannot be opened", path);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(*size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, file), *size);
    data[*size] = '\0';
    fclose(file);
    return data;
}

/* Python writes NaN where JSON has no number; no test looks there. */
static inline json_t *read_json(const char *folder, const char *name) {
    char path[512];
    json_error_t error;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    size_t size;
    char *text = read_file(path, &size);
    for (char *at = text; (at = strstr(at, "NaN"));) memcpy(at, "0  ", 3);
    json_t *root = json_loads(text, 0, &error);
    if (!root) fail_msg("%s:%d: %s", path, error.line, error.text);
    free(text);
    return root;
}

static inline const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    if (!text) fail_msg("no text \"%s\"", key);
    return text;
}

static inline double number_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value)) fail_msg("no number \"%s\"", key);
    return json_number_value(value);
}

/* The elements of a .npy file in C order, of the type that descr names; released with free(). */
static inline void *read_npy(const char *folder, const char *name, const char *descr,
                             size_t *count) {
    char path[512], expected[40];
    size_t size;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(expected, sizeof expected, "'descr': '%s', 'fortran_order': False", descr);
    char *data = read_file(path, &size);
    assert_true(size > 10);
    const size_t start = 10 + (unsigned char)data[8] + 256u * (unsigned char)data[9];
    assert_true(start <= size);
    data[start - 1] = '\0';
    if (!strstr(data + 10, expected)) fail_msg("%s: %s", path, data + 10);
    memmove(data, data + start, size - start);
    *count = (size - start) / (size_t)(descr[2] - '0');
    return data;
}

/* DATA/tfmot where SPARSEMARK_DATA is set. */
static inline const char *full_folder(void) {
    static char path[512];
    const char *data = getenv("SPARSEMARK_DATA");
    if (!data) {
        print_message("skipped: SPARSEMARK_DATA is not set, all of TFMOT's cases are not read\n");
        skip();
    }
    snprintf(path, sizeof path, "%s/tfmot", data);
    return path;
}

#endif
