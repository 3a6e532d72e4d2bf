/* Result files: what is written is read back, and what a killed run, a full disk or a stranger's
 * edit leaves behind is told apart. */
#include "records/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/sparsemark-records-XXXXXX";
static char path[256];

static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/records.jsonl", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

static int remove_file(void **state) {
    (void)state;
    return unlink(path) == 0 || errno == ENOENT ? 0 : -1;
}

/* Every field gets a value of its own, so that a mix-up of two shows. */
static void fill_cell(sm_cell *cell, const char *group, int samples) {
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

static void assert_close(double expected, double found) {
    if (isnan(expected))
        assert_true(isnan(found));
    else
        assert_true(fabs(found - expected) <= 1e-8 * fabs(expected));
}

static void assert_cells_equal(const sm_cell *a, const sm_cell *b) {
    const size_t samples = (size_t)a->sample_count;
    for (size_t i = 0; i < sm_cell_field_count; i++) {
        const sm_field *field = &sm_cell_fields[i];
        const void *p = (const char *)a + field->offset, *q = (const char *)b + field->offset;
        switch (field->kind) {
        case SM_FIELD_str:
        case SM_FIELD_words:
            assert_string_equal(*(char *const *)p, *(char *const *)q);
            break;
        case SM_FIELD_int:
            assert_int_equal(*(const int64_t *)p, *(const int64_t *)q);
            break;
        case SM_FIELD_real:
            assert_close(*(const double *)p, *(const double *)q);
            break;
        case SM_FIELD_bool:
            assert_int_equal(*(const int *)p, *(const int *)q);
            break;
        case SM_FIELD_reals:
            for (size_t s = 0; s < samples; s++)
                assert_close((*(double *const *)p)[s], (*(double *const *)q)[s]);
            break;
        case SM_FIELD_ints:
            for (size_t s = 0; s < samples; s++)
                assert_int_equal((*(int64_t *const *)p)[s], (*(int64_t *const *)q)[s]);
            break;
        }
    }
}

static sm_status write_group(sm_record_file *file, const char *group, size_t count) {
    sm_cell cells[8];
    for (size_t i = 0; i < count; i++) fill_cell(&cells[i], group, 5);
    const sm_status status = sm_records_write_group(file, cells, count);
    for (size_t i = 0; i < count; i++) sm_cell_free(&cells[i]);
    return status;
}

static sm_record_file *open_new(void) {
    sm_record_file *file = NULL;
    assert_int_equal(sm_records_open(path, 0, 0, &file), SM_OK);
    json_t *run = json_pack("{s:s}", "cpu_brand", "Test CPU");
    assert_int_equal(sm_records_write_run(file, run), SM_OK);
    json_decref(run);
    return file;
}

static void write_two_groups(void) {
    sm_record_file *file = open_new();
    assert_int_equal(write_group(file, "first", 2), SM_OK);
    assert_int_equal(write_group(file, "second", 3), SM_OK);
    assert_int_equal(sm_records_close(file), SM_OK);
}

/* The whole file; free it. */
static char *slurp(const char *name, size_t *size) {
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    *size = fread(text, 1, (1 << 20) - 1, file);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void spill(const char *text, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* The start of line i (from 0). */
static char *line_at(char *text, size_t i) {
    while (i-- > 0) {
        text = strchr(text, '\n');
        assert_non_null(text);
        text++;
    }
    return text;
}

static void expect_damage(const char *in_message) {
    sm_record_set set;
    assert_int_equal(sm_records_read(path, &set), SM_E_FORMAT);
    assert_non_null(strstr(sm_message(), path));
    if (!strstr(sm_message(), in_message)) fail_msg("\"%s\" not in: %s", in_message, sm_message());
    assert_null(set.cells);
}

static void round_trip(void **state) {
    (void)state;
    sm_cell cells[2];
    fill_cell(&cells[0], "only", 4);
    fill_cell(&cells[1], "only", 0);
    cells[0].speedup_dense = NAN;
    cells[0].samples_ns[2] = INFINITY;
    cells[0].converged = 0;
    free(cells[1].taints);
    cells[1].taints = strdup("");
    sm_record_file *file = open_new();
    assert_int_equal(sm_records_write_group(file, cells, 2), SM_OK);
    assert_int_equal(sm_records_close(file), SM_OK);
    assert_int_equal(cells[0].group_cells, 2);

    sm_record_set set;
    assert_int_equal(sm_records_read(folder, &set), SM_OK);
    assert_int_equal(set.count, 2);
    cells[0].samples_ns[2] = NAN; /* the file has one word for "no number" */
    for (size_t i = 0; i < 2; i++) {
        assert_cells_equal(&cells[i], &set.cells[i]);
        assert_int_equal(set.run_of[i], 0);
        sm_cell_free(&cells[i]);
    }
    const json_t *run = json_array_get(set.runs, 0);
    assert_string_equal(json_string_value(json_object_get(run, "cpu_brand")), "Test CPU");
    assert_int_equal(json_integer_value(json_object_get(run, "schema")), SM_SCHEMA_VERSION);
    sm_record_set_free(&set);
}

static void nan_is_null_and_every_line_is_whole(void **state) {
    (void)state;
    sm_cell cell;
    fill_cell(&cell, "only", 2);
    cell.speedup_dense = NAN;
    free(cell.source);
    cell.source = strdup("caf\xe9.smtx"); /* Latin-1: not UTF-8 */
    sm_record_file *file = open_new();
    assert_int_equal(sm_records_write_group(file, &cell, 1), SM_OK);
    assert_int_equal(sm_records_close(file), SM_OK);
    sm_cell_free(&cell);
    size_t size;
    char *text = slurp(path, &size);
    assert_non_null(strstr(text, "\"speedup_dense\":null"));
    assert_non_null(strstr(text, "\"source\":\"caf?.smtx\""));
    assert_memory_equal(text, "{\"type\":\"run\",\"schema\":2,", 24);
    assert_memory_equal(line_at(text, 1), "{\"type\":\"cell\",\"schema\":2,", 25);
    assert_int_equal(text[size - 1], '\n');
    free(text);
}

/* A run may be killed at any byte: cut everywhere, only whole groups come back. */
static void cut_anywhere(void **state) {
    (void)state;
    write_two_groups();
    size_t size;
    char *text = slurp(path, &size);
    const size_t run_end = (size_t)(line_at(text, 1) - text);
    const size_t first_end = (size_t)(line_at(text, 3) - text);
    for (size_t cut = 0; cut <= size; cut += cut > first_end && cut + 40 < size ? 37 : 1) {
        spill(text, cut);
        sm_record_set set;
        assert_int_equal(sm_records_read(path, &set), SM_OK);
        assert_int_equal(set.count, cut == size ? 5 : cut >= first_end ? 2 : 0);
        assert_int_equal(set.good_bytes, cut == size        ? size
                                         : cut >= first_end ? first_end
                                         : cut >= run_end   ? run_end
                                                            : 0);
        sm_record_set_free(&set);
    }
    free(text);
}

static void resume_goes_on_with_the_same_run(void **state) {
    (void)state;
    write_two_groups();
    size_t size, whole_size;
    char *whole = slurp(path, &whole_size);
    spill(whole, whole_size - 10);
    sm_record_set set;
    assert_int_equal(sm_records_read(path, &set), SM_OK);
    sm_record_file *file = NULL;
    assert_int_equal(sm_records_open(path, 1, set.good_bytes, &file), SM_OK);
    sm_record_set_free(&set);
    assert_int_equal(write_group(file, "second", 3), SM_OK);
    assert_int_equal(sm_records_close(file), SM_OK);
    char *text = slurp(path, &size);
    assert_int_equal(size, whole_size);
    assert_memory_equal(text, whole, size);
    free(text);
    free(whole);
}

static void opening_refuses(void **state) {
    (void)state;
    write_two_groups();
    sm_record_file *file = NULL, *second = NULL;
    assert_int_equal(sm_records_open(path, 0, 0, &file), SM_E_IO);
    assert_non_null(strstr(sm_message(), "exists already"));
    assert_null(file);
    assert_int_equal(sm_records_open(path, 1, 1 << 20, &file), SM_E_IO);
    assert_non_null(strstr(sm_message(), "changed since"));
    assert_int_equal(sm_records_open("/dev/full", 1, 0, &file), SM_E_IO);
    assert_non_null(strstr(sm_message(), "regular file"));
    assert_int_equal(sm_records_open("/nonexistent/r.jsonl", 0, 0, &file), SM_E_IO);
    assert_non_null(strstr(sm_message(), strerror(ENOENT)));
    assert_int_equal(sm_records_open(path, 1, 0, &file), SM_OK);
    assert_int_equal(sm_records_open(path, 1, 0, &second), SM_E_IO);
    assert_non_null(strstr(sm_message(), "another run"));
    assert_int_equal(sm_records_close(file), SM_OK);
    assert_int_equal(sm_records_close(NULL), SM_OK);
}

/* A stranger's file that --resume must not cut to nothing. */
static void another_file_is_not_a_cut_record(void **state) {
    (void)state;
    spill("my notes", 8);
    expect_damage(":1: not a \"record\"");
    spill("my notes\n", 9);
    expect_damage(":1:");
    spill("{}\n", 3);
    expect_damage("type, schema");
    spill("", 0);
    sm_record_set set;
    assert_int_equal(sm_records_read(path, &set), SM_OK);
    assert_int_equal(set.count, 0);
    sm_record_set_free(&set);
}

static void disk_full_restores_the_file(void **state) {
    (void)state;
    sm_record_file *file = open_new();
    assert_int_equal(write_group(file, "first", 2), SM_OK);
    size_t before_size, after_size;
    char *before = slurp(path, &before_size);
    struct rlimit old, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = old;
    tight.rlim_cur = before_size + 700; /* the first bytes fit, the group does not */
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    const sm_status status = write_group(file, "second", 3);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(status, SM_E_IO);
    assert_non_null(strstr(sm_message(), path));
    assert_non_null(strstr(sm_message(), strerror(EFBIG)));
    char *after = slurp(path, &after_size);
    assert_int_equal(after_size, before_size);
    assert_memory_equal(after, before, before_size);
    free(after);
    free(before);
    /* With room again the same group goes through. */
    assert_int_equal(write_group(file, "second", 3), SM_OK);
    assert_int_equal(sm_records_close(file), SM_OK);
    sm_record_set set;
    assert_int_equal(sm_records_read(path, &set), SM_OK);
    assert_int_equal(set.count, 5);
    sm_record_set_free(&set);
}

/* Replaces the first `from` in line i by `to` of the same length, or cuts it out where to is "". */
static void edit(size_t line, const char *from, const char *to) {
    size_t size;
    char *text = slurp(path, &size);
    char *at = strstr(line_at(text, line), from);
    assert_non_null(at);
    memmove(at + strlen(to), at + strlen(from), strlen(at + strlen(from)) + 1);
    memcpy(at, to, strlen(to));
    spill(text, strlen(text));
    free(text);
}

static void damage_names_its_line(void **state) {
    (void)state;
    static const struct {
        size_t line;
        const char *from, *to, *message;
    } edits[] = {
        {0, "\"schema\":2", "\"schema\":1", ":1: schema 1: expected 2"},
        {1, "\"schema\":2", "\"schema\":7", ":2: schema 7"},
        {1, "\"run_id\":\"2", "\"run_id\":\"x", "object before its cells"},
        {0, "\"run\"", "\"pun\"", "type \"pun\""},
        {2, "\"kernel\":", "\"kennel\":", ":3: cell without \"kernel\""},
        {1, "\"converged\":true", "\"converged\":\"yes\"", "\"converged\": expected true or"},
        {1, "\"m\":", "\"m\":0.", "\"m\": expected an integer"},
        {1, "\"layer\":\"", "\"layer\":1,\"x\":\"", "\"layer\": expected a string"},
        {1, "\"sample_count\":5", "\"sample_count\":6", "sample_count numbers"},
        {1, "\"sample_count\":5", "\"sample_count\":-5", "0 or more"},
        {1, "\"group_cells\":2", "\"group_cells\":0", "1 or more"},
        {1, "\"group_cells\":2", "\"group_cells\":3", "the rest of the group"},
        {2, "\"group\":\"first", "\"group\":\"fjord", "the rest of the group"},
        {1, "\"taints\":[", "\"taints\":[3,", "array of strings"},
        {1, "\"sample_taints\":[", "\"sample_taints\":[0.5,", "sample_count integers"},
        {1, "{\"type\"", "{\"type\":\"cell\",\"type\"", "duplicate"},
        {2, "}\n", "\n", ":3:"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        write_two_groups();
        edit(edits[i].line, edits[i].from, edits[i].to);
        expect_damage(edits[i].message);
        assert_int_equal(unlink(path), 0);
    }
}

/* Two files joined by cat: a run killed in its last group, and the same sweep again. */
static void joined_files_keep_runs_apart(void **state) {
    (void)state;
    char other[300];
    snprintf(other, sizeof other, "%s/other", folder);
    write_two_groups();
    assert_int_equal(rename(path, other), 0);
    write_two_groups();
    size_t one_size, two_size;
    char *one = slurp(path, &one_size), *two = slurp(other, &two_size);
    assert_int_equal(unlink(other), 0);
    const size_t kept = (size_t)(line_at(one, 5) - one); /* second group: two cells of three */
    memcpy(one + kept, two, two_size + 1);
    spill(one, kept + two_size);
    sm_record_set set;
    assert_int_equal(sm_records_read(path, &set), SM_OK);
    assert_int_equal(json_array_size(set.runs), 2);
    assert_int_equal(set.count, 7);
    for (size_t i = 0; i < set.count; i++) assert_int_equal(set.run_of[i], i >= 2);
    assert_int_equal(set.good_bytes, kept + two_size);
    sm_record_set_free(&set);
    free(one);
    free(two);
}

static void missing_file_is_an_io_error(void **state) {
    (void)state;
    sm_record_set set;
    assert_int_equal(sm_records_read(folder, &set), SM_E_IO);
    assert_non_null(strstr(sm_message(), "records.jsonl"));
    assert_non_null(strstr(sm_message(), strerror(ENOENT)));
}

static void readme_names_every_field(void **state) {
    (void)state;
    size_t size;
    char *readme = slurp(SM_TEST_DATA "/../../results/README.md", &size);
    for (size_t i = 0; i < sm_cell_field_count; i++) {
        char row[80];
        snprintf(row, sizeof row, "\n| `%s` |", sm_cell_fields[i].name);
        if (!strstr(readme, row)) fail_msg("results/README.md: no row%s", row + 1);
    }
    free(readme);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(round_trip, remove_file),
        cmocka_unit_test_teardown(nan_is_null_and_every_line_is_whole, remove_file),
        cmocka_unit_test_teardown(cut_anywhere, remove_file),
        cmocka_unit_test_teardown(resume_goes_on_with_the_same_run, remove_file),
        cmocka_unit_test_teardown(opening_refuses, remove_file),
        cmocka_unit_test_teardown(another_file_is_not_a_cut_record, remove_file),
        cmocka_unit_test_teardown(disk_full_restores_the_file, remove_file),
        cmocka_unit_test_teardown(damage_names_its_line, remove_file),
        cmocka_unit_test_teardown(joined_files_keep_runs_apart, remove_file),
        cmocka_unit_test_teardown(missing_file_is_an_io_error, remove_file),
        cmocka_unit_test(readme_names_every_field),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
