/* Result files: what is written is read back, and what a killed run or a full disk leaves behind is
 * told apart. */
#include "record_files.h"
#include <math.h>
#include <signal.h>
#include <sys/resource.h>

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
        cmocka_unit_test_teardown(disk_full_restores_the_file, remove_file),
        cmocka_unit_test_teardown(joined_files_keep_runs_apart, remove_file),
        cmocka_unit_test_teardown(missing_file_is_an_io_error, remove_file),
        cmocka_unit_test(readme_names_every_field),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
