/* For tests that write files: a folder of its own for every test, and what it takes to fill it and
 * to compare messages about it. */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include <setjmp.h>
#include <sparsemark/status.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char folder[64];

static inline const char *below(const char *name) {
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* Writes a file below the folder and makes the folders it needs. */
static inline const char *write_file(const char *name, const char *text, size_t size) {
    const char *path = below(name);
    char part[256];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = part + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        (void)mkdir(part, 0700);
        *slash = '/';
    }
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
    return path;
}

static inline const char *write_text(const char *name, const char *text) {
    return write_file(name, text, strlen(text));
}

static inline void assert_message(const char *path, const char *rest) {
    char expected[512];
    snprintf(expected, sizeof expected, "%s%s", path, rest);
    assert_string_equal(sm_message(), expected);
}

static inline int make_folder(void **state) {
    (void)state;
    strcpy(folder, P_tmpdir "/sparsemark.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

#define SCRATCH_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

#endif
