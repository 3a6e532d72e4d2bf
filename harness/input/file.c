/* Regular files, read at offsets. pread() and not a mapping: a file that is cut while it is read
 * gives a short read, where a mapping would give SIGBUS. */
#include "input/file.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static sm_status look_at(input_file *file) {
    struct stat st;
    if (fstat(file->fd, &st) != 0)
        return sm_fail(SM_E_IO, "%s: cannot read: %s", file->path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return sm_fail(SM_E_IO, "%s: expected a file: %s", file->path, strerror(EISDIR));
    if (!S_ISREG(st.st_mode)) return sm_fail(SM_E_IO, "%s: expected a regular file", file->path);
    file->stamp.size = (uint64_t)st.st_size;
    file->stamp.mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    return SM_OK;
}

sm_status file_open(const char *path, input_file *file) {
    /* O_NONBLOCK: opening a named pipe must be refused below, not wait for a writer. */
    *file =
        (input_file){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    if (file->fd < 0) return sm_fail(SM_E_IO, "%s: cannot open: %s", path, strerror(errno));
    const sm_status status = look_at(file);
    if (status != SM_OK) file_close(file);
    return status;
}

void file_close(input_file *file) {
    if (file->fd >= 0) close(file->fd);
    file->fd = -1;
}

sm_status file_read(const input_file *file, uint64_t offset, void *data, size_t size) {
    for (size_t got = 0; got < size;) {
        const ssize_t n = pread(file->fd, (char *)data + got, size - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sm_fail(SM_E_IO, "%s: cannot read: %s", file->path, strerror(errno));
        if (n == 0)
            return sm_fail(SM_E_IO, "%s: expected %zu bytes at offset %llu, got %zu: it was cut",
                           file->path, size, (unsigned long long)offset, got);
        got += (size_t)n;
    }
    return SM_OK;
}
