/* Regular files, read at offsets: what a file no longer holds is an error, never a signal. */
#ifndef INPUT_FILE_H
#define INPUT_FILE_H

#include <sparsemark/status.h>
#include <stddef.h>
#include <stdint.h>

/* Tells whether a file is still the one that was listed. */
typedef struct file_stamp {
    uint64_t size;
    int64_t mtime_ns;
} file_stamp;

typedef struct input_file {
    const char *path; /* the caller's */
    int fd;
    file_stamp stamp;
} input_file;

/* SM_E_IO with the path and the reason; only regular files are opened. */
sm_status file_open(const char *path, input_file *file);
void file_close(input_file *file);

/* Reads exactly size bytes from offset on. */
sm_status file_read(const input_file *file, uint64_t offset, void *data, size_t size);

#endif
