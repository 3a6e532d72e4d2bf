/* Writes model files as .safetensors, whole or not at all. The places of values stored
 * sparse come last, so that numbers of several bytes stay aligned. Limit: one write of the file. */
#include "input/safetensors.h"
#include "store/sparse.h"
#include "whole_file.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 512, ALIGN = 8 };

/* A file that is being written: tensors in turn, their parts where they are stored sparse. */
typedef struct writer {
    const char *path;
    const sm_model_file *file;
    sparse_parts *parts; /* one a tensor; zeroed where it is stored dense */
    json_t *header, *metadata;
    uint64_t at; /* bytes of data described */
} writer;

static sm_status no_memory(const writer *w) {
    return sm_fail(SM_E_NOMEM, "%s: no memory for its header", w->path);
}

static sm_status describe(writer *w, const char *name, const char *type, const size_t *shape,
                          size_t rank, size_t bytes) {
    const uint64_t end = w->at + bytes;
    json_t *sizes = json_array();
    int failed = !sizes;
    for (size_t i = 0; i < rank && !failed; i++)
        failed = json_array_append_new(sizes, json_integer((json_int_t)shape[i])) != 0;
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", type, "shape", sizes, "data_offsets",
                              (json_int_t)w->at, (json_int_t)end);
    if (!entry || json_object_get(w->header, name)) {
        json_decref(entry);
        return entry ? sm_fail(SM_E_FORMAT, "%s: %s: expected a name once", w->path, name)
                     : no_memory(w);
    }
    w->at = end;
    return json_object_set_new(w->header, name, entry) != 0 || failed ? no_memory(w) : SM_OK;
}

static sm_status part_name(const writer *w, const sm_tensor *t, const char *ending,
                           char name[NAME]) {
    if (snprintf(name, NAME, "%s%s", t->name, ending) >= NAME)
        return sm_fail(SM_E_LIMIT, "%s: %s: expected a shorter name", w->path, t->name);
    return SM_OK;
}

/* How the tensor is stored, for the file's metadata. */
static sm_status note_scheme(writer *w, const sm_tensor *t, sm_array_storage storage) {
    char key[NAME], scheme[32 + SM_TENSOR_RANK * 24];
    snprintf(scheme, sizeof scheme, "%s", safetensors_scheme_of(storage)->text);
    if (snprintf(key, sizeof key, "%s%s", SAFETENSORS_SPARSE, t->name) >= NAME)
        return sm_fail(SM_E_LIMIT, "%s: %s: expected a shorter name", w->path, t->name);
    for (size_t i = 0; i < t->rank; i++) {
        const size_t used = strlen(scheme);
        snprintf(scheme + used, sizeof scheme - used, "%s%zu", i ? "," : "", t->shape[i]);
    }
    return json_object_set_new(w->metadata, key, json_string(scheme)) ? no_memory(w) : SM_OK;
}

static sm_status describe_tensor(writer *w, size_t i) {
    const sm_tensor *t = &w->file->items[i];
    const sparse_parts *p = &w->parts[i];
    char name[NAME];
    if (p->storage == SM_STORED_DENSE)
        return describe(w, t->name, t->type, t->shape, t->rank, t->bytes);
    SM_TRY(part_name(w, t, SAFETENSORS_VALUES, name));
    SM_TRY(note_scheme(w, t, p->storage));
    return describe(w, name, "F32", &p->stored, 1, p->stored * sizeof(float));
}

static sm_status describe_places(writer *w, size_t i) {
    char name[NAME];
    const sparse_parts *p = &w->parts[i];
    if (p->storage == SM_STORED_DENSE) return SM_OK;
    SM_TRY(part_name(w, &w->file->items[i], safetensors_scheme_of(p->storage)->places, name));
    return describe(w, name, "U8", &p->place_bytes, 1, p->place_bytes);
}

static sm_status describe_all(writer *w) {
    w->header = json_object();
    w->metadata = w->file->metadata ? json_deep_copy(w->file->metadata) : json_object();
    if (!w->header || !w->metadata) return no_memory(w);
    for (size_t i = 0; i < w->file->count; i++) SM_TRY(describe_tensor(w, i));
    for (size_t i = 0; i < w->file->count; i++) SM_TRY(describe_places(w, i));
    if (json_object_size(w->metadata) > 0 &&
        json_object_set(w->header, "__metadata__", w->metadata) != 0)
        return no_memory(w);
    return SM_OK;
}

/* 0, or -1 with errno set. */
static int put(FILE *stream, const void *data, size_t size) {
    return size > 0 && fwrite(data, 1, size, stream) != size ? -1 : 0;
}

static int put_header(FILE *stream, const char *text) {
    const size_t size = strlen(text), padded = (size + ALIGN - 1) / ALIGN * ALIGN;
    unsigned char length[ALIGN];
    for (size_t i = 0; i < ALIGN; i++) length[i] = (unsigned char)((uint64_t)padded >> 8 * i);
    if (put(stream, length, sizeof length) != 0 || put(stream, text, size) != 0) return -1;
    return put(stream, "        ", padded - size);
}

static int put_data(const writer *w, FILE *stream) {
    for (size_t i = 0; i < w->file->count; i++) {
        const sm_tensor *t = &w->file->items[i];
        const sparse_parts *p = &w->parts[i];
        if (p->storage != SM_STORED_DENSE ? put(stream, p->values, p->stored * sizeof *p->values)
                                          : put(stream, t->data, t->bytes))
            return -1;
    }
    for (size_t i = 0; i < w->file->count; i++)
        if (put(stream, w->parts[i].places, w->parts[i].place_bytes) != 0) return -1;
    return 0;
}

static sm_status write_file(const writer *w) {
    whole_file out;
    char *text = json_dumps(w->header, JSON_COMPACT);
    if (!text) return no_memory(w);
    sm_status status = whole_file_open(w->path, WHOLE_FILE_REPLACE, &out);
    if (status == SM_OK) {
        errno = 0;
        status = whole_file_close(&out, put_header(out.stream, text) != 0 ||
                                            put_data(w, out.stream) != 0);
    }
    free(text);
    return status;
}

static sm_status take_sparse(writer *w) {
    for (size_t i = 0; i < w->file->count; i++)
        SM_TRY(sparse_take(&w->file->items[i], &w->parts[i]));
    return SM_OK;
}

sm_status model_file_write(const char *path, const sm_model_file *file, sm_store_kind kind) {
    writer w = {.path = path, .file = file};
    w.parts = calloc(file->count + 1, sizeof *w.parts);
    sm_status status = w.parts ? SM_OK : no_memory(&w);
    if (status == SM_OK && kind == SM_STORE_SPARSE) status = take_sparse(&w);
    if (status == SM_OK) status = describe_all(&w);
    if (status == SM_OK) status = write_file(&w);
    for (size_t i = 0; w.parts && i < file->count; i++) sparse_free(&w.parts[i]);
    free(w.parts);
    json_decref(w.header);
    json_decref(w.metadata);
    return status;
}
