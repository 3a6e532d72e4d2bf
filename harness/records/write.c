/* Appends whole lines to a result file. A group of cells is one write: a killed program leaves the
 * group or a cut tail, which the reader drops; a full disk leaves the file as it was. */
#include "json.h"
#include "records/fields.h"
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct sm_record_file {
    int fd;
    off_t length; /* whole lines only */
    char *path;
    char run_id[64];
};

/* Nine digits: a part in 10^9, well below what any clock resolves. */
enum { DUMP_FLAGS = JSON_COMPACT | JSON_REAL_PRECISION(9) };

/* A path need not be UTF-8, JSON must be: other bytes become '?'. */
static json_t *string_json(const char *text) {
    json_t *value = json_string(text ? text : "");
    if (value || !text) return value;
    char *ascii = strdup(text);
    if (!ascii) return NULL;
    for (char *c = ascii; *c; c++)
        if ((unsigned char)*c >= 0x80) *c = '?';
    value = json_string(ascii);
    free(ascii);
    return value;
}

static json_t *reals_json(const double *values, size_t count) {
    json_t *array = json_array();
    for (size_t i = 0; array && i < count; i++) {
        if (json_array_append_new(array, sm_json_number(values[i]))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *ints_json(const int64_t *values, size_t count) {
    json_t *array = json_array();
    for (size_t i = 0; array && i < count; i++) {
        if (json_array_append_new(array, json_integer(values[i]))) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *field_json(const sm_cell *cell, const sm_field *field) {
    const void *member = (const char *)cell + field->offset;
    const size_t samples = (size_t)cell->sample_count;
    switch (field->kind) {
    case SM_FIELD_str:
        return string_json(*(char *const *)member);
    case SM_FIELD_words:
        return sm_json_words(*(char *const *)member);
    case SM_FIELD_int:
        return json_integer(*(const int64_t *)member);
    case SM_FIELD_real:
        return sm_json_number(*(const double *)member);
    case SM_FIELD_bool:
        return json_boolean(*(const int *)member);
    case SM_FIELD_reals:
        return reals_json(*(double *const *)member, samples);
    case SM_FIELD_ints:
        return ints_json(*(int64_t *const *)member, samples);
    }
    return NULL;
}

/* The three fields that every object begins with. */
static json_t *envelope(const sm_record_file *file, const char *type) {
    return json_pack("{s:s, s:i, s:s}", "type", type, "schema", SM_SCHEMA_VERSION, "run_id",
                     file->run_id);
}

json_t *sm_cell_json(const sm_cell *cell) {
    json_t *object = json_object();
    int failed = !object;
    for (size_t i = 0; !failed && i < sm_cell_field_count; i++) {
        const sm_field *field = &sm_cell_fields[i];
        failed = json_object_set_new(object, field->name, field_json(cell, field)) != 0;
    }
    if (!failed) return object;
    json_decref(object);
    return NULL;
}

static json_t *cell_json(const sm_record_file *file, const sm_cell *cell) {
    json_t *object = envelope(file, "cell"), *fields = sm_cell_json(cell);
    const int failed = !object || !fields || json_object_update(object, fields) != 0;
    json_decref(fields);
    if (!failed) return object;
    json_decref(object);
    return NULL;
}

/* Adds one line and takes object over; 0 when done. */
static int add_line(FILE *lines, json_t *object) {
    const int failed = !object || json_dumpf(object, lines, DUMP_FLAGS) || fputc('\n', lines) < 0;
    json_decref(object);
    return failed ? -1 : 0;
}

static int write_all(int fd, const char *data, size_t size) {
    while (size > 0) {
        const ssize_t done = write(fd, data, size);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return -1;
        data += done;
        size -= (size_t)done;
    }
    return 0;
}

static sm_status append(sm_record_file *file, const char *data, size_t size) {
    if (write_all(file->fd, data, size) == 0) {
        file->length += (off_t)size;
        return SM_OK;
    }
    const int cause = errno;
    const int restored = ftruncate(file->fd, file->length) == 0 &&
                         lseek(file->fd, file->length, SEEK_SET) == file->length;
    return sm_fail(SM_E_IO, "%s: cannot write %zu bytes at offset %lld: %s%s", file->path, size,
                   (long long)file->length, strerror(cause),
                   restored ? "" : " (and its tail could not be cut off)");
}

/* Ends a memory stream and appends what it holds. */
static sm_status append_lines(sm_record_file *file, FILE *lines, char **data, size_t *size,
                              int failed) {
    if (fclose(lines) != 0 || failed) {
        free(*data);
        return sm_fail(SM_E_NOMEM, "%s: no memory to write a record", file->path);
    }
    const sm_status status = append(file, *data, *size);
    free(*data);
    return status;
}

/* Adds the object behind the envelope; borrows it. 0 when done. */
static int add_object(FILE *lines, const sm_record_file *file, const char *type, json_t *object) {
    json_t *whole = envelope(file, type);
    if (json_object_update_missing(whole, object) == 0) return add_line(lines, whole);
    json_decref(whole);
    return -1;
}

sm_status sm_records_write_other(sm_record_file *file, const char *type, json_t *other) {
    char *data = NULL;
    size_t size = 0;
    FILE *lines = open_memstream(&data, &size);
    if (!lines) return sm_fail(SM_E_NOMEM, "%s: no memory to write a record", file->path);
    const int failed = add_object(lines, file, type, other);
    return append_lines(file, lines, &data, &size, failed);
}

sm_status sm_records_write_run(sm_record_file *file, json_t *run) {
    return sm_records_write_other(file, "run", run);
}

sm_status sm_records_write_group(sm_record_file *file, sm_cell *cells, size_t count) {
    char *data = NULL;
    size_t size = 0;
    FILE *lines = open_memstream(&data, &size);
    if (!lines) return sm_fail(SM_E_NOMEM, "%s: no memory to write a record", file->path);
    int failed = 0;
    for (size_t i = 0; i < count && !failed; i++) {
        cells[i].group_cells = (int64_t)count;
        failed = add_line(lines, cell_json(file, &cells[i]));
    }
    return append_lines(file, lines, &data, &size, failed);
}

static void new_run_id(char *buf, size_t size) {
    uint32_t salt = 0;
    if (getrandom(&salt, sizeof salt, 0) != (ssize_t)sizeof salt) salt = (uint32_t)getpid();
    const time_t now = time(NULL);
    struct tm utc;
    char stamp[32];
    gmtime_r(&now, &utc);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
    snprintf(buf, size, "%s-%08x", stamp, (unsigned)salt);
}

static int write_objects(FILE *lines, const sm_record_file *file, json_t *run,
                         const json_t *objects) {
    json_t *other;
    size_t i;
    int failed = add_object(lines, file, "run", run);
    json_array_foreach(objects, i, other) {
        if (failed) break;
        failed = add_object(lines, file, json_string_value(json_object_get(other, "type")), other);
    }
    return failed;
}

sm_status sm_records_write_whole(const char *path, json_t *run, const json_t *objects) {
    sm_record_file file = {0};
    whole_file whole;
    SM_TRY(whole_file_open(path, WHOLE_FILE_NEW, &whole));
    new_run_id(file.run_id, sizeof file.run_id);
    errno = 0;
    return whole_file_close(&whole, write_objects(whole.stream, &file, run, objects));
}

/* A resumed run is the run it resumes: the file's last run_id goes on. */
static sm_status resume_run_id(sm_record_file *file, size_t good_bytes) {
    sm_record_set set;
    SM_TRY(sm_records_read(file->path, &set));
    sm_status status = SM_OK;
    const size_t runs = json_array_size(set.runs);
    if (set.good_bytes < good_bytes) {
        status = sm_fail(SM_E_IO, "%s: changed since it was read: expected %zu bytes, found %zu",
                         file->path, good_bytes, set.good_bytes);
    } else if (runs > 0 && good_bytes > 0) {
        const json_t *last = json_array_get(set.runs, runs - 1);
        snprintf(file->run_id, sizeof file->run_id, "%s",
                 json_string_value(json_object_get(last, "run_id")));
    }
    sm_record_set_free(&set);
    return status;
}

static sm_status open_checked(sm_record_file *file, int resume, size_t good_bytes) {
    if (file->path[0] == '\0') return sm_fail(SM_E_ARG, "'': expected the name of a file");
    const int flags = resume ? O_RDWR : O_WRONLY | O_CREAT | O_EXCL;
    file->fd = open(file->path, flags | O_CLOEXEC, 0666);
    if (file->fd < 0 && errno == EEXIST)
        return sm_fail(SM_E_IO, "%s: exists already; resume it or name another file", file->path);
    if (file->fd < 0)
        return sm_fail(SM_E_IO, "%s: cannot open for writing: %s", file->path, strerror(errno));
    if (flock(file->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return sm_fail(SM_E_IO, "%s: another run is writing to it", file->path);
    if (!resume) return SM_OK;
    struct stat info;
    if (fstat(file->fd, &info) != 0 || !S_ISREG(info.st_mode))
        return sm_fail(SM_E_IO, "%s: expected a regular file to resume", file->path);
    SM_TRY(resume_run_id(file, good_bytes));
    file->length = (off_t)good_bytes;
    if (ftruncate(file->fd, file->length) != 0 || lseek(file->fd, 0, SEEK_END) != file->length)
        return sm_fail(SM_E_IO, "%s: cannot cut back to %zu bytes: %s", file->path, good_bytes,
                       strerror(errno));
    return SM_OK;
}

static void file_free(sm_record_file *file) {
    if (file->fd >= 0) close(file->fd);
    free(file->path);
    free(file);
}

sm_status sm_records_open(const char *path, int resume, size_t good_bytes, sm_record_file **out) {
    *out = NULL;
    sm_record_file *file = calloc(1, sizeof *file);
    if (file) file->path = strdup(path);
    if (!file || !file->path) {
        free(file);
        return sm_fail(SM_E_NOMEM, "%s: no memory to open it", path);
    }
    new_run_id(file->run_id, sizeof file->run_id);
    const sm_status status = open_checked(file, resume, good_bytes);
    if (status != SM_OK) {
        file_free(file);
        return status;
    }
    *out = file;
    return SM_OK;
}

sm_status sm_records_close(sm_record_file *file) {
    if (!file) return SM_OK;
    sm_status status = SM_OK;
    if (fsync(file->fd) != 0)
        status = sm_fail(SM_E_IO, "%s: cannot flush to disk: %s", file->path, strerror(errno));
    const int fd = file->fd;
    file->fd = -1;
    if (close(fd) != 0 && status == SM_OK)
        status = sm_fail(SM_E_IO, "%s: cannot close: %s", file->path, strerror(errno));
    file_free(file);
    return status;
}
