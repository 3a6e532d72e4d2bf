/* Header of .safetensors files: its length as 64 bits, little-endian, then one JSON object
 *     {"name": {"dtype": "F32", "shape": [3, 4], "data_offsets": [0, 48]}, "__metadata__": {...}}
 * padded with blanks. Offsets count from the header's end. Data without holes and overlaps is part
 * of the format, so that no two readers can disagree about what a file holds. */
#include "input/safetensors.h"
#include "input/text.h"
#include <stdlib.h>
#include <string.h>

enum { LENGTH = 8, HEADER_LIMIT = 100000000 }; /* the format's own limit */

static const struct {
    const char *name;
    sm_array_type type;
    unsigned size; /* bytes */
} types[] = {
    {"F16", SM_ARRAY_F16, 2},       {"BF16", SM_ARRAY_BF16, 2},     {"F32", SM_ARRAY_F32, 4},
    {"F64", SM_ARRAY_F64, 8},       {"BOOL", SM_ARRAY_OTHER, 1},    {"I8", SM_ARRAY_OTHER, 1},
    {"U8", SM_ARRAY_OTHER, 1},      {"I16", SM_ARRAY_OTHER, 2},     {"U16", SM_ARRAY_OTHER, 2},
    {"I32", SM_ARRAY_OTHER, 4},     {"U32", SM_ARRAY_OTHER, 4},     {"I64", SM_ARRAY_OTHER, 8},
    {"U64", SM_ARRAY_OTHER, 8},     {"F8_E4M3", SM_ARRAY_OTHER, 1}, {"F8_E5M2", SM_ARRAY_OTHER, 1},
    {"F8_E8M0", SM_ARRAY_OTHER, 1}, {"C64", SM_ARRAY_OTHER, 8},
};

void safetensors_free(safetensors *tensors) {
    json_decref(tensors->header);
    free(tensors->items);
    *tensors = (safetensors){0};
}

/* Names end up in tables and messages. */
int safetensors_is_name(const char *name) {
    for (const char *c = name; *c; c++)
        if (*c < ' ' || *c > '~') return 0;
    return *name != '\0';
}

/* A JSON integer from 0 on; jansson refuses those beyond 2^63 - 1 itself. */
static int read_size(const json_t *value, uint64_t *size) {
    if (!json_is_integer(value) || json_integer_value(value) < 0) return 0;
    *size = (uint64_t)json_integer_value(value);
    return 1;
}

static sm_status read_shape(const char *name, const json_t *shape, safetensor *t,
                            uint64_t *elements) {
    *elements = 1;
    t->array.rank = json_array_size(shape);
    if (!json_is_array(shape))
        return sm_fail(SM_E_FORMAT, "%s: %s: expected a \"shape\" of sizes from 0 on", name,
                       t->name);
    for (size_t i = 0; i < t->array.rank; i++) {
        uint64_t n;
        if (!read_size(json_array_get(shape, i), &n))
            return sm_fail(SM_E_FORMAT, "%s: %s: expected a \"shape\" of sizes from 0 on", name,
                           t->name);
        if (i < SM_ARRAY_RANK) t->array.shape[i] = (size_t)n;
        if (__builtin_mul_overflow(*elements, n, elements))
            return sm_fail(SM_E_FORMAT, "%s: %s: expected a shape of less than 2^64 elements", name,
                           t->name);
    }
    return SM_OK;
}

static sm_status read_offsets(const char *name, const json_t *offsets, safetensor *t) {
    if (json_array_size(offsets) != 2 || !read_size(json_array_get(offsets, 0), &t->begin) ||
        !read_size(json_array_get(offsets, 1), &t->end) || t->end < t->begin)
        return sm_fail(SM_E_FORMAT, "%s: %s: expected \"data_offsets\" [begin, end] from 0 on",
                       name, t->name);
    return SM_OK;
}

static sm_status check_bytes(const char *name, const safetensor *t, uint64_t elements,
                             unsigned element_size) {
    uint64_t total = 0;
    if (element_size > 0 &&
        (__builtin_mul_overflow(elements, element_size, &total) || total != t->end - t->begin))
        return sm_fail(SM_E_FORMAT, "%s: %s: expected %llu elements of type %s, got %llu bytes",
                       name, t->name, (unsigned long long)elements, t->type,
                       (unsigned long long)(t->end - t->begin));
    return SM_OK;
}

static sm_status read_tensor(const char *name, const char *key, const json_t *value,
                             safetensor *t) {
    *t = (safetensor){.name = key, .type = json_string_value(json_object_get(value, "dtype"))};
    if (!safetensors_is_name(key))
        return sm_fail(SM_E_FORMAT, "%s: expected tensor names in printable ASCII, got \"%s\"",
                       name, text_show((text_span){key, strlen(key)}).s);
    if (!t->type || !safetensors_is_name(t->type))
        return sm_fail(SM_E_FORMAT, "%s: %s: expected a \"dtype\" such as \"F32\"", name, key);
    unsigned size = 0; /* a type that is not known has none to check */
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, t->type) != 0) continue;
        t->array.type = types[i].type;
        size = types[i].size;
    }
    uint64_t elements;
    SM_TRY(read_shape(name, json_object_get(value, "shape"), t, &elements));
    SM_TRY(read_offsets(name, json_object_get(value, "data_offsets"), t));
    return check_bytes(name, t, elements, size);
}

static int by_place(const void *x, const void *y) {
    const safetensor *a = x, *b = y;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end) return a->end < b->end ? -1 : 1;
    return strcmp(a->name, b->name);
}

static sm_status check_cover(const char *name, const safetensors *tensors, uint64_t data_size) {
    uint64_t at = 0;
    for (size_t i = 0; i < tensors->count; i++) {
        const safetensor *t = &tensors->items[i];
        if (t->begin != at)
            return sm_fail(SM_E_FORMAT,
                           "%s: %s: expected data from offset %llu on, where the data before it "
                           "ends, got %llu",
                           name, t->name, (unsigned long long)at, (unsigned long long)t->begin);
        at = t->end;
    }
    if (at != data_size)
        return sm_fail(SM_E_FORMAT, "%s: expected %llu bytes of data, got %llu", name,
                       (unsigned long long)at, (unsigned long long)data_size);
    return SM_OK;
}

static sm_status check_metadata(const char *name, json_t *metadata) {
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value) {
        if (json_is_string(value)) continue;
        return sm_fail(SM_E_FORMAT, "%s: \"__metadata__\": expected a string for \"%s\"", name,
                       text_show((text_span){key, strlen(key)}).s);
    }
    return SM_OK;
}

static sm_status read_tensors(const char *name, uint64_t data, safetensors *out) {
    const char *key;
    json_t *value;
    json_object_foreach(out->header, key, value) {
        if (!json_is_object(value))
            return sm_fail(SM_E_FORMAT, "%s: \"%s\": expected an object", name,
                           text_show((text_span){key, strlen(key)}).s);
        if (strcmp(key, "__metadata__") == 0) {
            SM_TRY(check_metadata(name, value));
            continue;
        }
        safetensor *t = &out->items[out->count];
        SM_TRY(read_tensor(name, key, value, t));
        if (__builtin_add_overflow(data, t->begin, &t->array.offset))
            return sm_fail(SM_E_FORMAT, "%s: %s: expected offsets below 2^64", name, key);
        out->count++;
    }
    return SM_OK;
}

static sm_status parse(const char *name, const char *text, size_t size, uint64_t data,
                       uint64_t data_size, safetensors *out) {
    json_error_t error;
    if (size == 0 || *text != '{')
        return sm_fail(SM_E_FORMAT, "%s: byte %d: expected a JSON object, got \"%s\"", name, LENGTH,
                       text_show((text_span){text, size}).s);
    out->header = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!out->header)
        return sm_fail(SM_E_FORMAT, "%s: byte %d: expected JSON: %s", name, error.position + LENGTH,
                       text_show((text_span){error.text, strlen(error.text)}).s);
    out->items = calloc(json_object_size(out->header) + 1, sizeof *out->items);
    if (!out->items) return sm_fail(SM_E_NOMEM, "%s: no memory for its list of tensors", name);
    SM_TRY(read_tensors(name, data, out));
    qsort(out->items, out->count, sizeof *out->items, by_place);
    return check_cover(name, out, data_size);
}

sm_status safetensors_parse(const char *name, const char *text, size_t size, uint64_t data,
                            uint64_t data_size, safetensors *out) {
    *out = (safetensors){0};
    const sm_status status = parse(name, text, size, data, data_size, out);
    if (status != SM_OK) safetensors_free(out);
    return status;
}

static sm_status read_header(const input_file *file, safetensors *out) {
    unsigned char bytes[LENGTH];
    uint64_t length = 0;
    if (file->stamp.size < LENGTH)
        return sm_fail(SM_E_FORMAT, "%s: expected the length of the header, %d bytes, got %llu",
                       file->path, LENGTH, (unsigned long long)file->stamp.size);
    SM_TRY(file_read(file, 0, bytes, LENGTH));
    for (size_t i = 0; i < LENGTH; i++) length |= (uint64_t)bytes[i] << 8 * i;
    if (length > file->stamp.size - LENGTH || length > HEADER_LIMIT)
        return sm_fail(SM_E_FORMAT,
                       "%s: expected a header of at most %d bytes within the file's %llu, got %llu",
                       file->path, HEADER_LIMIT, (unsigned long long)file->stamp.size,
                       (unsigned long long)length);
    char *text = malloc((size_t)length + 1);
    if (!text) return sm_fail(SM_E_NOMEM, "%s: no memory for its header", file->path);
    sm_status status = file_read(file, LENGTH, text, (size_t)length);
    if (status == SM_OK)
        status = safetensors_parse(file->path, text, (size_t)length, LENGTH + length,
                                   file->stamp.size - LENGTH - length, out);
    free(text);
    return status;
}

sm_status safetensors_read_open(const input_file *file, safetensors *out) {
    *out = (safetensors){0};
    const sm_status status = read_header(file, out);
    for (size_t i = 0; i < out->count; i++) out->items[i].array.stamp = file->stamp;
    return status;
}

sm_status safetensors_read_header(const char *path, safetensors *out) {
    *out = (safetensors){0};
    input_file file;
    SM_TRY(file_open(path, &file));
    const sm_status status = safetensors_read_open(&file, out);
    file_close(&file);
    return status;
}
