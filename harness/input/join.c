/* Finds tensors that are stored sparse among those of a .safetensors file, and makes one of the two
 * parts of each. Limit: sorting the names. */
#include "input/safetensors.h"
#include "input/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANK = 32 };

const safetensors_scheme *safetensors_scheme_of(sm_array_storage storage) {
    static const safetensors_scheme schemes[] = {
        {"", ""}, {"bitmap F32 ", ".sparse_bitmap"}, {"1:4 F32 ", ".sparse_indices"}};
    return &schemes[storage];
}

uint64_t safetensors_place_bytes(sm_array_storage storage, uint64_t elements) {
    const uint64_t per_byte = storage == SM_STORED_BITMAP ? 8 : 16;
    return elements / per_byte + (elements % per_byte != 0);
}

uint64_t safetensors_value_limit(sm_array_storage storage, uint64_t elements) {
    return storage == SM_STORED_BITMAP ? elements : elements / 4 + (elements % 4 != 0);
}

static const json_t *metadata(const safetensors *tensors) {
    return json_object_get(tensors->header, "__metadata__");
}

const char *safetensors_note(const safetensors *tensors, const char *key) {
    return json_string_value(json_object_get(metadata(tensors), key));
}

/* The tensors by the names that they have in the file. */
typedef struct named {
    const char *name;
    safetensor *tensor; /* its name is NULL once it is a part of another one */
} named;

typedef struct joiner {
    const char *path;
    safetensors *all;
    named *sorted;
} joiner;

/* A name in two pieces. */
typedef struct part_name {
    const char *tensor, *ending;
} part_name;

static int by_name(const void *x, const void *y) {
    const named *a = x, *b = y;
    return strcmp(a->name, b->name);
}

static int to_name(const void *x, const void *y) {
    const part_name *key = x;
    const named *b = y;
    const size_t size = strlen(key->tensor);
    const int order = strncmp(key->tensor, b->name, size);
    return order ? order : strcmp(key->ending, b->name + size);
}

static safetensor *find(const joiner *j, size_t count, const char *tensor, const char *ending) {
    const part_name key = {tensor, ending};
    named *found = bsearch(&key, j->sorted, count, sizeof *j->sorted, to_name);
    return found ? found->tensor : NULL;
}

/* "bitmap F32 3,4", and "bitmap F32 " for a single number. */
static int parse_scheme(const char *text, size_t limit, sm_array_storage *storage, size_t *rank,
                        size_t *shape) {
    const char *at = NULL;
    for (*storage = SM_STORED_BITMAP; *storage <= SM_STORED_1_OF_4; ++*storage) {
        const char *scheme = safetensors_scheme_of(*storage)->text;
        if (strncmp(text, scheme, strlen(scheme)) != 0) continue;
        at = text + strlen(scheme);
        break;
    }
    if (!at) return 0;
    for (*rank = 0; *at; ++*rank) {
        const size_t size = strcspn(at, ",");
        uint64_t n;
        if (!text_number((text_span){at, size}, &n)) return 0;
        if (*rank < limit) shape[*rank] = (size_t)n;
        at += size;
        if (*at == ',' && *++at == '\0') return 0;
    }
    return 1;
}

sm_status safetensors_shape(const char *name, const safetensors *tensors, const safetensor *t,
                            size_t limit, size_t *rank, size_t *shape) {
    const json_t *sizes = json_object_get(json_object_get(tensors->header, t->name), "shape");
    if (t->array.storage != SM_STORED_DENSE) {
        char *key;
        sm_array_storage storage;
        if (asprintf(&key, "%s%s", SAFETENSORS_SPARSE, t->name) < 0)
            return sm_fail(SM_E_NOMEM, "%s: %s: no memory for its shape", name, t->name);
        (void)parse_scheme(safetensors_note(tensors, key), limit, &storage, rank, shape);
        free(key);
    } else {
        *rank = json_array_size(sizes);
        for (size_t i = 0; i < *rank && i < limit; i++)
            shape[i] = (size_t)json_integer_value(json_array_get(sizes, i));
    }
    if (*rank > limit)
        return sm_fail(SM_E_LIMIT, "%s: %s: expected at most %zu axes, got %zu", name, t->name,
                       limit, *rank);
    return SM_OK;
}

/* One part is a list of the type given. */
static int is_list(const safetensor *part, const char *type) {
    return part && part->name && part->array.storage == SM_STORED_DENSE && part->array.rank == 1 &&
           strcmp(part->type, type) == 0;
}

static sm_status check_sizes(const joiner *j, const char *tensor, const sm_array *a,
                             const safetensor *values, const safetensor *places) {
    const uint64_t limit = safetensors_value_limit(a->storage, a->elements);
    const uint64_t bytes = safetensors_place_bytes(a->storage, a->elements);
    const size_t stored = values->array.shape[0];
    const int exact = a->storage == SM_STORED_1_OF_4;
    if (places->array.shape[0] == bytes && (exact ? stored == limit : stored <= limit))
        return SM_OK;
    return sm_fail(SM_E_FORMAT,
                   "%s: %s: expected for its %llu elements %llu bytes in %s%s and %s%llu values, "
                   "got %zu and %zu",
                   j->path, tensor, (unsigned long long)a->elements, (unsigned long long)bytes,
                   tensor, safetensors_scheme_of(a->storage)->places, exact ? "" : "at most ",
                   (unsigned long long)limit, places->array.shape[0], stored);
}

static sm_status join(const joiner *j, size_t count, const char *tensor, const char *text) {
    sm_array a = {.type = SM_ARRAY_F32};
    size_t shape[RANK] = {0};
    const text_shown shown = text_show((text_span){tensor, strlen(tensor)});
    if (!safetensors_is_name(tensor))
        return sm_fail(SM_E_FORMAT, "%s: expected tensor names in printable ASCII, got \"%s\"",
                       j->path, shown.s);
    if (!parse_scheme(text, RANK, &a.storage, &a.rank, shape) || a.rank > RANK ||
        !array_product(shape, a.rank, &a.elements))
        return sm_fail(SM_E_FORMAT,
                       "%s: %s: expected to be stored as \"bitmap F32 SHAPE\" or \"1:4 F32 "
                       "SHAPE\", got \"%s\"",
                       j->path, tensor, text_show((text_span){text, strlen(text)}).s);
    const char *ending = safetensors_scheme_of(a.storage)->places;
    safetensor *values = find(j, count, tensor, SAFETENSORS_VALUES);
    safetensor *places = find(j, count, tensor, ending);
    if (find(j, count, tensor, ""))
        return sm_fail(SM_E_FORMAT, "%s: %s: expected once, got it both dense and sparse", j->path,
                       tensor);
    if (!is_list(values, "F32") || !is_list(places, "U8"))
        return sm_fail(SM_E_FORMAT,
                       "%s: %s: expected its parts %s" SAFETENSORS_VALUES
                       ", a list of F32, and %s%s, a list of U8",
                       j->path, tensor, tensor, tensor, ending);
    SM_TRY(check_sizes(j, tensor, &a, values, places));
    memcpy(a.shape, shape, sizeof a.shape);
    a.offset = values->array.offset;
    a.stored = values->array.shape[0];
    a.places = places->array.offset;
    a.stamp = values->array.stamp;
    *values = (safetensor){tensor, "F32", a, values->begin, values->end};
    places->name = NULL;
    return SM_OK;
}

/* Tools that drop metadata would turn a tensor that is stored sparse into two others. */
static sm_status check_left(const joiner *j, size_t count) {
    const size_t tail = strlen(SAFETENSORS_VALUES);
    for (size_t i = 0; i < count; i++) {
        const char *name = j->sorted[i].tensor->name;
        const size_t size = name ? strlen(name) : 0;
        if (size <= tail || strcmp(name + size - tail, SAFETENSORS_VALUES) != 0) continue;
        char *tensor = strndup(name, size - tail);
        if (!tensor) return sm_fail(SM_E_NOMEM, "%s: no memory for a name", j->path);
        sm_status status = SM_OK;
        for (sm_array_storage s = SM_STORED_BITMAP; s <= SM_STORED_1_OF_4; s++)
            if (find(j, count, tensor, safetensors_scheme_of(s)->places))
                status = sm_fail(SM_E_FORMAT,
                                 "%s: %s: expected \"" SAFETENSORS_SPARSE
                                 "%s\" in \"__metadata__\" beside its parts",
                                 j->path, tensor, tensor);
        free(tensor);
        SM_TRY(status);
    }
    return SM_OK;
}

static sm_status join_all(const joiner *j, size_t count) {
    const size_t prefix = strlen(SAFETENSORS_SPARSE);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)metadata(j->all), key, value) {
        if (strncmp(key, SAFETENSORS_SPARSE, prefix) != 0) continue;
        SM_TRY(join(j, count, key + prefix, json_string_value(value)));
    }
    return check_left(j, count);
}

sm_status safetensors_join(const char *name, safetensors *tensors) {
    const size_t count = tensors->count;
    const joiner j = {name, tensors, calloc(count + 1, sizeof *j.sorted)};
    if (!j.sorted) return sm_fail(SM_E_NOMEM, "%s: no memory for its names", name);
    for (size_t i = 0; i < count; i++)
        j.sorted[i] = (named){tensors->items[i].name, &tensors->items[i]};
    qsort(j.sorted, count, sizeof *j.sorted, by_name);
    const sm_status status = join_all(&j, count);
    free(j.sorted);
    tensors->count = 0;
    for (size_t i = 0; i < count; i++)
        if (tensors->items[i].name) tensors->items[tensors->count++] = tensors->items[i];
    return status;
}
