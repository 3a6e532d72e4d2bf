/* Files that exist whole or not at all, whenever the program is killed and whatever is full. */
#include "whole_file.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder, device or link is not replaced: the name is probably a mistake. */
static sm_status check_target(const char *path, whole_file_mode mode) {
    struct stat info;
    const char *slash = strrchr(path, '/');
    if ((slash ? slash[1] : path[0]) == '\0')
        return sm_fail(SM_E_ARG, "'%s': expected the name of a file", path);
    if (strlen(path) >= PATH_MAX) return sm_fail(SM_E_IO, "%.80s...: the path is too long", path);
    if (lstat(path, &info) != 0) return SM_OK;
    if (mode == WHOLE_FILE_NEW)
        return sm_fail(SM_E_IO, "%s: exists already; name another file", path);
    if (!S_ISREG(info.st_mode))
        return sm_fail(SM_E_IO, "%s: exists and is not a regular file", path);
    if (access(path, W_OK) != 0)
        return sm_fail(SM_E_IO, "%s: cannot be replaced: %s", path, strerror(errno));
    return SM_OK;
}

sm_status whole_file_open(const char *path, whole_file_mode mode, whole_file *out) {
    whole_file f = {.path = path, .mode = mode};
    *out = (whole_file){0};
    SM_TRY(check_target(path, mode));
    if (asprintf(&f.temporary, "%s.%ld.tmp", path, (long)getpid()) < 0)
        return sm_fail(SM_E_NOMEM, "%s: no memory for its name", path);
    struct stat replaced;
    f.stream = fopen(f.temporary, "wxe");
    if (f.stream && mode == WHOLE_FILE_REPLACE && stat(path, &replaced) == 0)
        (void)fchmod(fileno(f.stream), replaced.st_mode & 07777);
    if (!f.stream) {
        const sm_status status =
            sm_fail(SM_E_IO, "%s: cannot open for writing: %s", f.temporary, strerror(errno));
        free(f.temporary);
        return status;
    }
    *out = f;
    return SM_OK;
}

/* A link fails where the name was taken meanwhile; a rename would overwrite. */
static int take_place(const whole_file *f) {
    if (f->mode == WHOLE_FILE_REPLACE) return rename(f->temporary, f->path);
    if (link(f->temporary, f->path) != 0) return -1;
    (void)unlink(f->temporary);
    return 0;
}

static void forget(whole_file *f) {
    free(f->temporary);
    *f = (whole_file){0};
}

/* errno is that of the first failure. */
static int finish(whole_file *f, int failed) {
    if (!failed) failed = fflush(f->stream) != 0 || fsync(fileno(f->stream)) != 0;
    const int cause = errno;
    const int unclosed = fclose(f->stream) != 0;
    if (failed) errno = cause;
    return failed || unclosed || take_place(f) != 0 ? -1 : 0;
}

sm_status whole_file_close(whole_file *f, int failed) {
    sm_status status = SM_OK;
    if (finish(f, failed) != 0) {
        status = sm_fail(SM_E_IO, "%s: cannot write: %s", f->path, strerror(errno ? errno : EIO));
        (void)unlink(f->temporary);
    }
    forget(f);
    return status;
}

void whole_file_discard(whole_file *f) {
    (void)fclose(f->stream);
    (void)unlink(f->temporary);
    forget(f);
}

sm_status whole_file_check(const char *path, whole_file_mode mode) {
    whole_file file;
    SM_TRY(whole_file_open(path, mode, &file));
    whole_file_discard(&file);
    return SM_OK;
}

sm_status whole_file_json(const char *path, whole_file_mode mode, const json_t *value,
                          size_t flags) {
    whole_file file;
    SM_TRY(whole_file_open(path, mode, &file));
    errno = 0;
    return whole_file_close(&file, json_dumpf(value, file.stream, flags) != 0 ||
                                       fputc('\n', file.stream) < 0);
}
