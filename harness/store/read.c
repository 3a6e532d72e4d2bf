/* Reads whole model files. Limit: one read of the file. */
#include "input/npy.h"
#include "input/safetensors.h"
#include "store/store.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void model_file_free(sm_model_file *file) {
    for (size_t i = 0; i < file->count; i++) {
        free(file->items[i].name);
        free(file->items[i].data);
    }
    free(file->items);
    json_decref(file->metadata);
    *file = (sm_model_file){0};
}

sm_tensor *model_file_find(sm_model_file *file, const char *name) {
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->items[i].name, name) == 0) return &file->items[i];
    return NULL;
}

static sm_status allocate(const char *path, sm_tensor *t, const char *name, uint64_t bytes) {
    t->name = strdup(name);
    t->bytes = (size_t)bytes;
    t->data = malloc(t->bytes + 1);
    if (!t->name || !t->data)
        return sm_fail(SM_E_NOMEM, "%s: %s: no memory for %llu bytes", path, name,
                       (unsigned long long)bytes);
    return SM_OK;
}

static sm_status read_tensor(const input_file *file, const safetensors *all, const safetensor *s,
                             sm_tensor *t) {
    uint64_t count;
    if (strlen(s->type) >= sizeof t->type)
        return sm_fail(SM_E_FORMAT, "%s: %s: expected a known type, got %s", file->path, s->name,
                       s->type);
    snprintf(t->type, sizeof t->type, "%s", s->type);
    SM_TRY(safetensors_shape(file->path, all, s, SM_TENSOR_RANK, &t->rank, t->shape));
    if (!array_product(t->shape, t->rank, &count) || count > SIZE_MAX / sizeof(double))
        return sm_fail(SM_E_LIMIT, "%s: %s: more elements than memory holds", file->path, s->name);
    t->count = (size_t)count;
    SM_TRY(allocate(file->path, t, s->name,
                    s->array.sparse ? count * sizeof(float) : s->end - s->begin));
    if (!s->array.sparse) return file_read(file, s->array.offset, t->data, t->bytes);
    array_sparse_walk walk = {0};
    SM_TRY(array_sparse_read(file, s->name, &s->array, &walk, t->count, t->data));
    if (walk.values < s->array.stored)
        return sm_fail(SM_E_FORMAT, "%s: %s: expected a bit for each of %llu values, got %llu",
                       file->path, s->name, (unsigned long long)s->array.stored,
                       (unsigned long long)walk.values);
    return SM_OK;
}

/* What is written anew is not kept: how tensors are stored. */
static sm_status copy_metadata(const char *path, const safetensors *all, json_t **out) {
    const char *key;
    json_t *value;
    *out = json_object();
    int failed = !*out;
    json_object_foreach(json_object_get(all->header, "__metadata__"), key,
                        value) if (strncmp(key, SAFETENSORS_SPARSE, strlen(SAFETENSORS_SPARSE)) !=
                                   0) failed |= json_object_set(*out, key, value) != 0;
    return failed ? sm_fail(SM_E_NOMEM, "%s: no memory for its metadata", path) : SM_OK;
}

static sm_status read_tensors(const input_file *file, const safetensors *all, sm_model_file *out) {
    out->items = calloc(all->count + 1, sizeof *out->items);
    if (!out->items) return sm_fail(SM_E_NOMEM, "%s: no memory for its tensors", file->path);
    for (size_t i = 0; i < all->count; i++)
        SM_TRY(read_tensor(file, all, &all->items[i], &out->items[out->count++]));
    return copy_metadata(file->path, all, &out->metadata);
}

static sm_status read_safetensors(const char *path, sm_model_file *out) {
    safetensors all = {0};
    input_file file;
    SM_TRY(file_open(path, &file));
    sm_status status = safetensors_read_header(path, &all);
    if (status == SM_OK) status = safetensors_join(path, &all);
    if (status == SM_OK) status = read_tensors(&file, &all, out);
    safetensors_free(&all);
    file_close(&file);
    return status;
}

static const char *type_name(sm_array_type type) {
    static const char *const names[] = {NULL, "F16", "BF16", "F32", "F64"};
    return names[type];
}

static sm_status read_npy(const char *path, const char *stem, sm_model_file *out) {
    sm_array a;
    char type[NPY_TYPE];
    input_file file;
    uint64_t count;
    SM_TRY(npy_read_header(path, &a, type));
    if (!type_name(a.type) || a.rank > SM_ARRAY_RANK || (a.fortran && a.rank > 1))
        return sm_fail(SM_E_FORMAT,
                       "%s: expected an array of floats of at most %d axes in C order, got type "
                       "%s, %zu axes%s",
                       path, SM_ARRAY_RANK, type, a.rank, a.fortran ? ", Fortran order" : "");
    if (!array_product(a.shape, a.rank, &count) || count > SIZE_MAX / sizeof(double))
        return sm_fail(SM_E_LIMIT, "%s: more elements than memory holds", path);
    out->items = calloc(1, sizeof *out->items);
    if (!out->items) return sm_fail(SM_E_NOMEM, "%s: no memory for its array", path);
    sm_tensor *t = &out->items[out->count++];
    t->rank = a.rank;
    memcpy(t->shape, a.shape, sizeof a.shape);
    t->count = (size_t)count;
    snprintf(t->type, sizeof t->type, "%s", type_name(a.type));
    SM_TRY(allocate(path, t, stem, count * array_element_size(a.type)));
    SM_TRY(file_open(path, &file));
    const sm_status status = file_read(&file, a.offset, t->data, t->bytes);
    file_close(&file);
    return status;
}

/* The last part of a path without its ending, where it has that ending. */
static char *stem_of(const char *path, const char *ending) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const size_t size = strlen(name), tail = strlen(ending);
    return size > tail && strcmp(name + size - tail, ending) == 0 ? strndup(name, size - tail)
                                                                  : NULL;
}

sm_status model_file_read(const char *path, sm_model_file *out) {
    *out = (sm_model_file){0};
    char *npy = stem_of(path, ".npy"), *model = stem_of(path, ".safetensors");
    sm_status status = SM_OK;
    if (npy)
        status = read_npy(path, npy, out);
    else if (model)
        status = read_safetensors(path, out);
    else
        status =
            sm_fail(SM_E_FORMAT, "%s: expected a name that ends in .npy or .safetensors", path);
    free(npy);
    free(model);
    if (status != SM_OK) model_file_free(out);
    return status;
}
