/* Files that exist whole or not at all: what each way of writing refuses, and what is left when
 * writing fails. */
#include "scratch.h"
#include "whole_file.h"
#include <errno.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

static void assert_holds(const char *path, const char *text) {
    char found[64] = "";
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    (void)!fread(found, 1, sizeof found - 1, f);
    assert_int_equal(fclose(f), 0);
    assert_string_equal(found, text);
}

static void assert_files(size_t count) {
    glob_t found;
    (void)glob(below("*"), 0, NULL, &found);
    assert_int_equal(found.gl_pathc, count);
    globfree(&found);
}

static void takes_its_place_when_closed(void **state) {
    (void)state;
    for (whole_file_mode mode = WHOLE_FILE_NEW; mode <= WHOLE_FILE_REPLACE; mode++) {
        const char *path = below(mode == WHOLE_FILE_NEW ? "new" : "replaced");
        whole_file file;
        assert_int_equal(whole_file_check(path, mode), SM_OK);
        assert_files((size_t)mode);
        assert_int_equal(whole_file_open(path, mode, &file), SM_OK);
        assert_true(fputs("text", file.stream) >= 0);
        assert_int_not_equal(access(path, F_OK), 0);
        assert_int_equal(whole_file_close(&file, 0), SM_OK);
        assert_holds(path, "text");
        assert_files((size_t)mode + 1);
    }
    struct stat info;
    whole_file file;
    assert_int_equal(chmod(below("replaced"), 0600), 0);
    assert_int_equal(whole_file_open(below("replaced"), WHOLE_FILE_REPLACE, &file), SM_OK);
    assert_int_equal(whole_file_close(&file, 0), SM_OK);
    assert_int_equal(stat(below("replaced"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void replaces_regular_files_only(void **state) {
    (void)state;
    const char *path = write_text("there", "before");
    json_t *value = json_pack("[i]", 1);
    assert_int_equal(whole_file_json(path, WHOLE_FILE_REPLACE, value, JSON_COMPACT), SM_OK);
    json_decref(value);
    assert_holds(path, "[1]\n");
    assert_int_equal(symlink("nowhere", below("link")), 0);
    assert_int_equal(whole_file_check(below("link"), WHOLE_FILE_REPLACE), SM_E_IO);
    assert_message(below("link"), ": exists and is not a regular file");
    assert_int_equal(whole_file_check(folder, WHOLE_FILE_REPLACE), SM_E_IO);
    assert_message(folder, ": exists and is not a regular file");
    assert_files(2);
}

static void new_files_replace_nothing(void **state) {
    (void)state;
    const char *path = write_text("there", "before"), *late = below("late");
    whole_file file;
    assert_int_equal(whole_file_check(path, WHOLE_FILE_NEW), SM_E_IO);
    assert_message(path, ": exists already; name another file");
    assert_int_equal(whole_file_open(late, WHOLE_FILE_NEW, &file), SM_OK);
    (void)write_text("late", "of another");
    assert_int_equal(whole_file_close(&file, 0), SM_E_IO);
    assert_message(late, ": cannot write: File exists");
    assert_holds(late, "of another");
    assert_files(2);
}

static void failures_leave_what_was_there(void **state) {
    (void)state;
    const char *path = write_text("there", "before");
    whole_file file;
    assert_int_equal(whole_file_open(path, WHOLE_FILE_REPLACE, &file), SM_OK);
    assert_true(fputs("half", file.stream) >= 0);
    errno = ENOSPC;
    assert_int_equal(whole_file_close(&file, 1), SM_E_IO);
    assert_message(path, ": cannot write: No space left on device");
    assert_int_equal(whole_file_open(path, WHOLE_FILE_REPLACE, &file), SM_OK);
    assert_true(fputs("half", file.stream) >= 0);
    whole_file_discard(&file);
    assert_holds(path, "before");
    assert_files(1);
}

static void names_of_no_file(void **state) {
    (void)state;
    assert_int_equal(whole_file_check("", WHOLE_FILE_NEW), SM_E_ARG);
    assert_int_equal(whole_file_check(below("folder/"), WHOLE_FILE_REPLACE), SM_E_ARG);
    assert_int_equal(whole_file_check(below("missing/file"), WHOLE_FILE_NEW), SM_E_IO);
    assert_non_null(strstr(sm_message(), "missing/file"));
    assert_non_null(strstr(sm_message(), strerror(ENOENT)));
    assert_files(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(takes_its_place_when_closed),
        SCRATCH_TEST(replaces_regular_files_only),
        SCRATCH_TEST(new_files_replace_nothing),
        SCRATCH_TEST(failures_leave_what_was_there),
        SCRATCH_TEST(names_of_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
