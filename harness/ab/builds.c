/* The two files: read once, looked at in a process of their own, and held against each other. */
#include "ab/ab.h"
#include "ab/process.h"
#include "harness.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 16 };

static int refuse_io(const char *path) {
    return complain(EXIT_CODE_USAGE, "%s: cannot read: %s", path, strerror(errno));
}

/* Copies the file into memory that children inherit: a build that runs meanwhile changes nothing.
 */
static int read_file(const char *path, int from, int to) {
    char chunk[CHUNK];
    ssize_t got;
    size_t size = 0;
    while ((got = read(from, chunk, sizeof chunk)) > 0) {
        static const char elf[] = {'\177', 'E', 'L', 'F'};
        if (size == 0 && (got < (ssize_t)sizeof elf || memcmp(chunk, elf, sizeof elf) != 0))
            return complain(EXIT_CODE_USAGE,
                            "%s: expected a shared library, got a file of another "
                            "kind",
                            path);
        if (write(to, chunk, (size_t)got) != got) return refuse_io(path);
        size += (size_t)got;
    }
    if (got < 0) return refuse_io(path);
    if (size == 0)
        return complain(EXIT_CODE_USAGE, "%s: expected a shared library, got an empty file", path);
    return EXIT_CODE_OK;
}

/* The answer of a look, or its refusal. */
static int look(ab_build *build) {
    char program[] = "/proc/self/exe", command[] = "ab-child";
    char *argv[] = {program, command, NULL};
    json_t *question = json_pack("{s:s, s:i}", "task", "look", "fd", build->fd);
    const sm_status status = ab_process_ask(build->path, argv, question, &build->look);
    json_decref(question);
    if (status != SM_OK) return complain_status(status);
    const json_t *error = json_object_get(build->look, "error");
    if (error)
        return complain((int)ab_count(build->look, "code"), "%s: %s", build->path,
                        json_string_value(error));
    return EXIT_CODE_OK;
}

int ab_build_open(const char *path, ab_build *out) {
    *out = (ab_build){.path = path, .fd = -1};
    struct stat info = {0};
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int code = EXIT_CODE_OK;
    if (file < 0 || fstat(file, &info) != 0)
        code = refuse_io(path);
    else if (!S_ISREG(info.st_mode))
        code = complain(EXIT_CODE_USAGE, "%s: expected a regular file", path);
    if (code == EXIT_CODE_OK && (out->fd = memfd_create("build", 0)) < 0) code = refuse_io(path);
    if (code == EXIT_CODE_OK) code = read_file(path, file, out->fd);
    if (code == EXIT_CODE_OK) code = look(out);
    if (file >= 0) (void)close(file);
    return code;
}

void ab_build_close(ab_build *build) {
    if (build->path && build->fd >= 0) (void)close(build->fd);
    json_decref(build->look);
    *build = (ab_build){0};
}

int ab_builds_identical(const ab_build *a, const ab_build *b) {
    char one[CHUNK], other[CHUNK];
    off_t at = 0;
    for (;;) {
        const ssize_t got = pread(a->fd, one, sizeof one, at);
        if (got < 0 || pread(b->fd, other, sizeof other, at) != got) return 0;
        if (got == 0) return 1;
        if (memcmp(one, other, (size_t)got) != 0) return 0;
        at += got;
    }
}

json_t *ab_find_kernel(const json_t *look, const char *name) {
    size_t i;
    json_t *kernel;
    json_array_foreach(json_object_get(look, "kernels"), i, kernel) {
        if (strcmp(ab_text(kernel, "name"), name) == 0) return kernel;
    }
    return NULL;
}

static json_t *missing_in(const json_t *look, const json_t *other) {
    json_t *names = json_array();
    size_t i;
    const json_t *kernel;
    json_array_foreach(json_object_get(look, "kernels"), i, kernel) {
        const char *name = ab_text(kernel, "name");
        if (!ab_find_kernel(other, name)) (void)json_array_append_new(names, json_string(name));
    }
    return names;
}

/* "3 only in base (a, b, ...)", or nothing. */
static void describe(const json_t *names, const char *side, char *buf, size_t size) {
    enum { SHOWN = 3 };
    const size_t count = json_array_size(names);
    buf[0] = '\0';
    if (count == 0) return;
    (void)snprintf(buf, size, " %zu only in %s (", count, side);
    for (size_t i = 0; i < count && i < SHOWN; i++) {
        const size_t used = strlen(buf);
        (void)snprintf(buf + used, size - used, "%s%s", i ? ", " : "",
                       json_string_value(json_array_get(names, i)));
    }
    const size_t used = strlen(buf);
    (void)snprintf(buf + used, size - used, "%s)", count > SHOWN ? ", ..." : "");
}

int ab_builds_match(const ab_build *base, const ab_build *cand, int common, json_t **only) {
    char in_base[256], in_cand[256];
    json_t *base_only = missing_in(base->look, cand->look);
    json_t *cand_only = missing_in(cand->look, base->look);
    describe(base_only, "base", in_base, sizeof in_base);
    describe(cand_only, "cand", in_cand, sizeof in_cand);
    *only = json_pack("{s:o, s:o}", "base", base_only, "cand", cand_only);
    if (common || (!in_base[0] && !in_cand[0])) return EXIT_CODE_OK;
    return complain(EXIT_CODE_NOT_COMPARABLE,
                    "the builds have other kernels:%s%s%s; --common compares those in both",
                    in_base, in_base[0] && in_cand[0] ? "," : "", in_cand);
}
