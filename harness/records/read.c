/* Reads result files. A run may have been killed at any byte: what was in flight at the end is left
 * out; everything before it must be right. */
#include "records/fields.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

typedef struct reader {
    char *path;
    FILE *file;
    size_t line;     /* from 1 */
    size_t capacity; /* of set->cells and set->run_of */
    size_t closed;   /* cells in complete groups; those behind belong to the open group */
    sm_record_set *set;
} reader;

static sm_status bad(const reader *r, const char *what, const char *field, const char *expected) {
    return sm_fail(SM_E_FORMAT, "%s:%zu: %s \"%s\": expected %s", r->path, r->line, what, field,
                   expected);
}

static sm_status no_memory(const reader *r) {
    return sm_fail(SM_E_NOMEM, "%s:%zu: no memory for the records", r->path, r->line);
}

static sm_status read_words(const reader *r, const json_t *array, const char *name, char **out) {
    if (!json_is_array(array)) return bad(r, "cell field", name, "an array of strings");
    size_t size = 1;
    const size_t count = json_array_size(array);
    for (size_t i = 0; i < count; i++) {
        const json_t *word = json_array_get(array, i);
        if (!json_is_string(word)) return bad(r, "cell field", name, "an array of strings");
        size += json_string_length(word) + 1;
    }
    char *end = *out = malloc(size);
    if (!end) return no_memory(r);
    *end = '\0';
    for (size_t i = 0; i < count; i++) {
        if (i > 0) *end++ = ' ';
        end = stpcpy(end, json_string_value(json_array_get(array, i)));
    }
    return SM_OK;
}

/* A number or null, which is NaN; 0 when it is neither. */
static int get_real(const json_t *value, double *out) {
    if (!json_is_number(value) && !json_is_null(value)) return 0;
    *out = json_is_null(value) ? (double)NAN : json_number_value(value);
    return 1;
}

static sm_status read_reals(const reader *r, const json_t *array, const char *name, size_t count,
                            double **out) {
    if (!json_is_array(array) || json_array_size(array) != count)
        return bad(r, "cell field", name, "an array of sample_count numbers");
    if (count == 0) return SM_OK;
    *out = malloc(count * sizeof **out);
    if (!*out) return no_memory(r);
    for (size_t i = 0; i < count; i++)
        if (!get_real(json_array_get(array, i), &(*out)[i]))
            return bad(r, "cell field", name, "an array of numbers");
    return SM_OK;
}

static sm_status read_ints(const reader *r, const json_t *array, const char *name, size_t count,
                           int64_t **out) {
    if (!json_is_array(array) || json_array_size(array) != count)
        return bad(r, "cell field", name, "an array of sample_count integers");
    if (count == 0) return SM_OK;
    *out = malloc(count * sizeof **out);
    if (!*out) return no_memory(r);
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(array, i);
        if (!json_is_integer(value)) return bad(r, "cell field", name, "an array of integers");
        (*out)[i] = json_integer_value(value);
    }
    return SM_OK;
}

static sm_status read_field(const reader *r, const json_t *value, const sm_field *field,
                            sm_cell *cell) {
    void *member = (char *)cell + field->offset;
    const size_t samples = (size_t)cell->sample_count;
    switch (field->kind) {
    case SM_FIELD_str:
        if (!json_is_string(value)) return bad(r, "cell field", field->name, "a string");
        *(char **)member = strdup(json_string_value(value));
        return *(char **)member ? SM_OK : no_memory(r);
    case SM_FIELD_words:
        return read_words(r, value, field->name, member);
    case SM_FIELD_int:
        if (!json_is_integer(value)) return bad(r, "cell field", field->name, "an integer");
        *(int64_t *)member = json_integer_value(value);
        return SM_OK;
    case SM_FIELD_real:
        return get_real(value, member) ? SM_OK
                                       : bad(r, "cell field", field->name, "a number or null");
    case SM_FIELD_bool:
        if (!json_is_boolean(value)) return bad(r, "cell field", field->name, "true or false");
        *(int *)member = json_is_true(value);
        return SM_OK;
    case SM_FIELD_reals:
        return read_reals(r, value, field->name, samples, member);
    case SM_FIELD_ints:
        return read_ints(r, value, field->name, samples, member);
    }
    return SM_OK;
}

static sm_status read_cell_fields(const reader *r, const json_t *object, sm_cell *cell) {
    /* The arrays are checked against it, wherever it stands in the list. */
    cell->sample_count = json_integer_value(json_object_get(object, "sample_count"));
    if (cell->sample_count < 0) return bad(r, "cell field", "sample_count", "0 or more");
    for (size_t i = 0; i < sm_cell_field_count; i++) {
        const sm_field *field = &sm_cell_fields[i];
        const json_t *value = json_object_get(object, field->name);
        if (!value) return bad(r, "cell without", field->name, "every field of the schema");
        SM_TRY(read_field(r, value, field, cell));
    }
    if (cell->group_cells < 1) return bad(r, "cell field", "group_cells", "1 or more");
    return SM_OK;
}

static size_t find_run(const json_t *runs, const char *run_id) {
    const size_t count = json_array_size(runs);
    for (size_t i = 0; i < count; i++) {
        const json_t *run = json_array_get(runs, i);
        if (!strcmp(json_string_value(json_object_get(run, "run_id")), run_id)) return i;
    }
    return count;
}

static void drop_open_group(reader *r) {
    while (r->set->count > r->closed) sm_cell_free(&r->set->cells[--r->set->count]);
}

static sm_status grow(reader *r) {
    sm_record_set *set = r->set;
    if (set->count < r->capacity) return SM_OK;
    const size_t capacity = r->capacity ? 2 * r->capacity : 64;
    sm_cell *cells = reallocarray(set->cells, capacity, sizeof *cells);
    if (!cells) return no_memory(r);
    set->cells = cells;
    size_t *run_of = reallocarray(set->run_of, capacity, sizeof *run_of);
    if (!run_of) return no_memory(r);
    set->run_of = run_of;
    r->capacity = capacity;
    return SM_OK;
}

static sm_status add_cell(reader *r, const json_t *object, const char *run_id, size_t end) {
    sm_record_set *set = r->set;
    const size_t run = find_run(set->runs, run_id);
    if (run == json_array_size(set->runs))
        return bad(r, "cell of run", run_id, "that run's object before its cells");
    SM_TRY(grow(r));
    sm_cell *cell = &set->cells[set->count];
    memset(cell, 0, sizeof *cell);
    const sm_status status = read_cell_fields(r, object, cell);
    if (status != SM_OK) {
        sm_cell_free(cell);
        return status;
    }
    set->run_of[set->count++] = run;
    const sm_cell *first = &set->cells[r->closed];
    if (run != set->run_of[r->closed] || strcmp(cell->group, first->group) ||
        cell->group_cells != first->group_cells)
        return bad(r, "a cell of group", cell->group, "the rest of the group before it first");
    if (set->count - r->closed == (size_t)first->group_cells) {
        r->closed = set->count;
        set->good_bytes = end;
    }
    return SM_OK;
}

static sm_status add_object(reader *r, json_t *object, size_t end) {
    const char *type = json_string_value(json_object_get(object, "type"));
    const json_t *schema = json_object_get(object, "schema");
    const char *run_id = json_string_value(json_object_get(object, "run_id"));
    if (!type || !schema) return bad(r, "an object without", "type, schema", "a record");
    if (json_integer_value(schema) != SM_SCHEMA_VERSION)
        return sm_fail(SM_E_FORMAT, "%s:%zu: schema %lld: expected %d", r->path, r->line,
                       (long long)json_integer_value(schema), SM_SCHEMA_VERSION);
    if (!run_id || !*run_id) return bad(r, "an object without", "run_id", "a string");
    if (!strcmp(type, "cell")) return add_cell(r, object, run_id, end);
    if (strcmp(type, "run")) return bad(r, "an object of type", type, "run or cell");
    /* Another run begins: what precedes was killed, and joined to this one afterwards. */
    drop_open_group(r);
    if (json_array_append(r->set->runs, object)) return no_memory(r);
    r->set->good_bytes = end;
    return SM_OK;
}

/* A cut line is the start of a record, or the file is something else that must not be cut back. */
static int is_record_start(const char *line, size_t size) {
    static const char start[] = "{\"type\":\"";
    return !memcmp(line, start, size < sizeof start - 1 ? size : sizeof start - 1);
}

static sm_status read_lines(reader *r) {
    char *line = NULL;
    size_t capacity = 0, end = 0;
    ssize_t length;
    sm_status status = SM_OK;
    errno = 0;
    while (status == SM_OK && (length = getline(&line, &capacity, r->file)) > 0) {
        r->line++;
        end += (size_t)length;
        if (line[length - 1] != '\n') {
            if (!is_record_start(line, (size_t)length))
                status = bad(r, "not a", "record", "JSON lines");
            break;
        }
        json_error_t error;
        json_t *object = json_loadb(line, (size_t)length, JSON_REJECT_DUPLICATES, &error);
        status = object ? add_object(r, object, end)
                        : sm_fail(SM_E_FORMAT, "%s:%zu:%d: not JSON: %s", r->path, r->line,
                                  error.column, error.text);
        json_decref(object);
    }
    if (status == SM_OK && ferror(r->file))
        status = sm_fail(SM_E_IO, "%s: cannot read: %s", r->path, strerror(errno));
    free(line);
    return status;
}

static sm_status read_all(reader *r) {
    r->file = fopen(r->path, "re");
    if (!r->file) return sm_fail(SM_E_IO, "%s: cannot open: %s", r->path, strerror(errno));
    r->set->runs = json_array();
    const sm_status status = r->set->runs ? read_lines(r) : no_memory(r);
    fclose(r->file);
    drop_open_group(r);
    return status;
}

sm_status sm_records_read(const char *path, sm_record_set *out) {
    memset(out, 0, sizeof *out);
    struct stat info;
    const int folder = stat(path, &info) == 0 && S_ISDIR(info.st_mode);
    reader r = {.set = out};
    if (asprintf(&r.path, folder ? "%s/records.jsonl" : "%s", path) < 0)
        return sm_fail(SM_E_NOMEM, "%s: no memory to read it", path);
    const sm_status status = read_all(&r);
    if (status != SM_OK) sm_record_set_free(out);
    free(r.path);
    return status;
}

static int has_group(const sm_record_set *set, size_t run, const char *group) {
    for (size_t i = 0; i < set->count; i += (size_t)set->cells[i].group_cells)
        if (set->run_of[i] == run && strcmp(set->cells[i].group, group) == 0) return 1;
    return 0;
}

size_t sm_records_asked(const sm_record_set *set, size_t run, size_t *done) {
    const json_t *options = json_object_get(json_array_get(set->runs, run), "options");
    const json_t *points = json_object_get(options, "points");
    const size_t count = json_array_size(points);
    *done = 0;
    for (size_t i = 0; i < count; i++) {
        const char *group = json_string_value(json_array_get(points, i));
        *done += group && has_group(set, run, group);
    }
    return count;
}

void sm_record_set_free(sm_record_set *set) {
    for (size_t i = 0; i < set->count; i++) sm_cell_free(&set->cells[i]);
    free(set->cells);
    free(set->run_of);
    json_decref(set->runs);
    memset(set, 0, sizeof *set);
}
