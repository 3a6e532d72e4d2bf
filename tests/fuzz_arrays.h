/* What the fuzz targets of dense inputs share: bytes as a file, and an array of it read twice. */
#ifndef TESTS_FUZZ_ARRAYS_H
#define TESTS_FUZZ_ARRAYS_H

#include "input/array.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* A file in memory with these bytes; returns its path. */
static inline const char *fuzz_file(const uint8_t *data, size_t size) {
    static char path[64];
    static int fd = -1;
    if (fd < 0) fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return path;
}

/* What is counted is what is read: finite weights, every one of them written. */
static inline void fuzz_read(const char *path, const sm_array *array) {
    size_t m, k, counted, zeros, found = 0;
    array_matrix(array, &m, &k);
    const sm_status status = array_read(path, "fuzz", array, NULL, &counted);
    float *w = malloc(m * k * sizeof *w + 1);
    if (!w) abort();
    for (size_t i = 0; i < m * k; i++) w[i] = NAN;
    if (array_read(path, "fuzz", array, w, &zeros) != status) abort();
    for (size_t i = 0; i < m * k && status == SM_OK; i++) {
        if (!isfinite(w[i])) abort();
        found += w[i] == 0.0f;
    }
    if (status == SM_OK && (counted != zeros || found != zeros)) abort();
    free(w);
}

#endif
