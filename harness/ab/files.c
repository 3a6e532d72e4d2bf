/* Files that exist whole or not at all. */
#include "ab/ab.h"
#include "harness.h"
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DUMP_FLAGS = JSON_COMPACT | JSON_REAL_PRECISION(9) };

int ab_save_check(const char *path) {
    char folder[PATH_MAX];
    if (strlen(path) >= sizeof folder)
        return complain(EXIT_CODE_USAGE, "%.80s...: the path is too long", path);
    if (access(path, F_OK) == 0)
        return complain(EXIT_CODE_USAGE, "%s: exists already; name another file", path);
    (void)snprintf(folder, sizeof folder, "%s", path);
    if (access(dirname(folder), W_OK) == 0) return EXIT_CODE_OK;
    return complain(EXIT_CODE_USAGE, "%s: cannot create: %s", path, strerror(errno));
}

static int write_json(FILE *file, const json_t *value) {
    int failed = json_dumpf(value, file, DUMP_FLAGS) != 0 || fputc('\n', file) < 0;
    failed |= fflush(file) != 0 || fsync(fileno(file)) != 0;
    return fclose(file) != 0 || failed ? -1 : 0;
}

int ab_save(const char *path, const json_t *value) {
    char temporary[PATH_MAX + 32];
    (void)snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid());
    FILE *file = fopen(temporary, "wxe");
    errno = file ? 0 : errno;
    /* A link fails where the name was taken meanwhile; a rename would overwrite. */
    const int failed = !file || write_json(file, value) != 0 || link(temporary, path) != 0;
    const int cause = errno;
    if (file) (void)unlink(temporary);
    if (!failed) return EXIT_CODE_OK;
    return complain(EXIT_CODE_USAGE, "%s: cannot write: %s", path, strerror(cause));
}
