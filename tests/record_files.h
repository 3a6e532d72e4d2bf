/* What the tests of result files share: a file of made groups, and its text. */
#ifndef TESTS_RECORD_FILES_H
#define TESTS_RECORD_FILES_H

#include "records/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/sparsemark-records-XXXXXX";
static char path[256];

static inline int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/records.jsonl", folder);
    return 0;
}

static inline int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

static inline int remove_file(void **state) {
    (void)state;
    return unlink(path) == 0 || errno == ENOENT ? 0 : -1;
}

/* Every field gets a value of its own, so that a mix-up of two shows. */
static inline void fill_cell(sm_cell *cell, const char *group, int samples) {
    memset(cell, 0, sizeof *cell);
    cell->sample_count = samples;
    for (size_t i = 0; i < sm_cell_field_count; i++) {
        const sm_field *field = &sm_cell_fields[i];
        char *member = (char *)cell + field->offset;
        char text[64];
        snprintf(text, sizeof text, "%s of %s", field->name, group);
        if (field->kind == SM_FIELD_str || field->kind == SM_FIELD_words) {
            *(char **)member = strdup(text);
        } else if (field->kind == SM_FIELD_int && strcmp(field->name, "sample_count") != 0) {
            *(int64_t *)member = (int64_t)i + INT64_C(5000000000);
        } else if (field->kind == SM_FIELD_real) {
            *(double *)member = (double)i / 7;
        } else if (field->kind == SM_FIELD_bool) {
            *(int *)member = 1;
        } else if (field->kind == SM_FIELD_reals) {
            *(double **)member = calloc((size_t)samples, sizeof(double));
            for (int s = 0; s < samples; s++) (*(double **)member)[s] = 1e6 + s / 3.0;
        } else if (field->kind == SM_FIELD_ints) {
            *(int64_t **)member = calloc((size_t)samples, sizeof(int64_t));
            for (int s = 0; s < samples; s++) (*(int64_t **)member)[s] = s % 16;
        }
    }
    free(cell->group);
    cell->group = strdup(group);
}

static inline sm_status write_group(sm_record_file *file, const char *group, size_t count) {
    sm_cell cells[8];
    for (size_t i = 0; i < count; i++) fill_cell(&cells[i], group, 5);
    const sm_status status = sm_records_write_group(file, cells, count);
    for (size_t i = 0; i < count; i++) sm_cell_free(&cells[i]);
    return status;
}

static inline sm_record_file *open_new(void) {
    sm_record_file *file = NULL;
    assert_int_equal(sm_records_open(path, 0, 0, &file), SM_OK);
    json_t *run = json_pack("{s:s}", "cpu_brand", "Test CPU");
    assert_int_equal(sm_records_write_run(file, run), SM_OK);
    json_decref(run);
    return file;
}

static inline void write_two_groups(void) {
    sm_record_file *file = open_new();
    assert_int_equal(write_group(file, "first", 2), SM_OK);
    assert_int_equal(write_group(file, "second", 3), SM_OK);
    assert_int_equal(sm_records_close(file), SM_OK);
}

/* The whole file; free it. */
static inline char *slurp(const char *name, size_t *size) {
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    *size = fread(text, 1, (1 << 20) - 1, file);
    assert_int_equal(fclose(file), 0);
    return text;
}

static inline void spill(const char *text, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* The start of line i (from 0). */
static inline char *line_at(char *text, size_t i) {
    while (i-- > 0) {
        text = strchr(text, '\n');
        assert_non_null(text);
        text++;
    }
    return text;
}

#endif
