/* Tensors stored sparse: a bit an element and the values whose bits are set. Joins the two parts in
 * the list of a file's tensors, and reads them as the dense tensor that they stand for.
 * Limit: one read of the file. */
#include "input/safetensors.h"
#include "input/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 4096 }; /* elements read at once, a multiple of 8 */

static const json_t *metadata(const safetensors *tensors) {
    return json_object_get(tensors->header, "__metadata__");
}

const char *safetensors_note(const safetensors *tensors, const char *key) {
    return json_string_value(json_object_get(metadata(tensors), key));
}

static safetensor *find_part(const safetensors *tensors, const char *name, const char *ending) {
    const size_t size = strlen(name);
    for (size_t i = 0; i < tensors->count; i++) {
        const char *part = tensors->items[i].name;
        if (strncmp(part, name, size) == 0 && strcmp(part + size, ending) == 0)
            return &tensors->items[i];
    }
    return NULL;
}

/* "bitmap F32 3,4", and "bitmap F32 " for a single number. */
static int parse_scheme(const char *text, size_t limit, size_t *rank, size_t *shape) {
    static const char scheme[] = "bitmap F32 ";
    if (strncmp(text, scheme, sizeof scheme - 1) != 0) return 0;
    const char *at = text + sizeof scheme - 1;
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
    if (t->array.sparse) {
        char key[512];
        snprintf(key, sizeof key, "%s%s", SAFETENSORS_SPARSE, t->name);
        const char *scheme = safetensors_note(tensors, key);
        if (!scheme || !parse_scheme(scheme, limit, rank, shape)) *rank = limit + 1;
    } else {
        *rank = json_array_size(sizes);
        for (size_t i = 0; i < *rank && i < limit; i++)
            shape[i] = (size_t)json_integer_value(json_array_get(sizes, i));
    }
    if (*rank > limit)
        return sm_fail(SM_E_LIMIT, "%s: %s: expected at most %zu axes", name, t->name, limit);
    return SM_OK;
}

/* One part is a list of the type given. */
static int is_list(const safetensor *part, const char *type) {
    return part && part->array.rank == 1 && strcmp(part->type, type) == 0;
}

static sm_status join(const char *name, const char *tensor, const char *scheme,
                      safetensors *tensors) {
    safetensor *values = find_part(tensors, tensor, SAFETENSORS_VALUES);
    safetensor *bitmap = find_part(tensors, tensor, SAFETENSORS_BITMAP);
    sm_array a = {.type = SM_ARRAY_F32, .sparse = 1};
    enum { RANK = 32 };
    size_t shape[RANK] = {0};
    uint64_t elements = 0;
    if (!parse_scheme(scheme, RANK, &a.rank, shape) || a.rank > RANK ||
        !array_product(shape, a.rank, &elements))
        return sm_fail(SM_E_FORMAT, "%s: %s: expected to be stored as \"bitmap F32 SHAPE\", got %s",
                       name, tensor, text_show((text_span){scheme, strlen(scheme)}).s);
    if (find_part(tensors, tensor, ""))
        return sm_fail(SM_E_FORMAT, "%s: %s: expected once, got it both dense and sparse", name,
                       tensor);
    if (!is_list(values, "F32") || !is_list(bitmap, "U8"))
        return sm_fail(SM_E_FORMAT,
                       "%s: %s: expected its parts %s" SAFETENSORS_VALUES
                       ", a list of F32, and %s" SAFETENSORS_BITMAP ", a list of U8",
                       name, tensor, tensor, tensor);
    if (bitmap->array.shape[0] != elements / 8 + (elements % 8 != 0) ||
        values->array.shape[0] > elements)
        return sm_fail(SM_E_FORMAT,
                       "%s: %s: expected %llu bits for as many elements and no more values, got "
                       "%zu bytes and %zu values",
                       name, tensor, (unsigned long long)elements, bitmap->array.shape[0],
                       values->array.shape[0]);
    memcpy(a.shape, shape, sizeof a.shape);
    a.offset = values->array.offset;
    a.stored = values->array.shape[0];
    a.bitmap = bitmap->array.offset;
    a.stamp = values->array.stamp;
    *values = (safetensor){tensor, "F32", a, values->begin, values->end};
    const size_t at = (size_t)(bitmap - tensors->items);
    memmove(bitmap, bitmap + 1, (--tensors->count - at) * sizeof *bitmap);
    return SM_OK;
}

sm_status safetensors_join(const char *name, safetensors *tensors) {
    const size_t prefix = strlen(SAFETENSORS_SPARSE);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)metadata(tensors), key, value) {
        if (strncmp(key, SAFETENSORS_SPARSE, prefix) != 0) continue;
        if (!json_is_string(value))
            return sm_fail(SM_E_FORMAT, "%s: %s: expected a string in \"__metadata__\"", name,
                           text_show((text_span){key, strlen(key)}).s);
        SM_TRY(join(name, key + prefix, json_string_value(value), tensors));
    }
    return SM_OK;
}

static sm_status disagree(const input_file *file, const char *tensor, const sm_array *a,
                          const char *what) {
    return sm_fail(SM_E_FORMAT,
                   "%s: %s: expected %llu bits that are set, one for each value, got %s",
                   file->path, tensor ? tensor : "array", (unsigned long long)a->stored, what);
}

/* At most PIECE elements. */
static sm_status read_piece(const input_file *file, const char *tensor, const sm_array *a,
                            array_sparse_walk *walk, size_t count, float *out) {
    unsigned char bits[PIECE / 8];
    float values[PIECE];
    size_t set = 0;
    SM_TRY(file_read(file, a->bitmap + walk->elements / 8, bits, (count + 7) / 8));
    if (count % 8 && bits[count / 8] >> count % 8)
        return disagree(file, tensor, a, "one behind the last element");
    for (size_t i = 0; i < (count + 7) / 8; i++) set += (size_t)__builtin_popcount(bits[i]);
    if (set > a->stored - walk->values) return disagree(file, tensor, a, "more");
    SM_TRY(
        file_read(file, a->offset + walk->values * sizeof *values, values, set * sizeof *values));
    const float *next = values;
    for (size_t i = 0; i < count; i++) out[i] = bits[i / 8] >> i % 8 & 1 ? *next++ : 0.0f;
    walk->elements += count;
    walk->values += set;
    return SM_OK;
}

sm_status array_sparse_read(const input_file *file, const char *tensor, const sm_array *array,
                            array_sparse_walk *walk, size_t count, float *out) {
    uint64_t elements;
    for (size_t done = 0, piece; done < count; done += piece) {
        piece = count - done < PIECE ? count - done : PIECE;
        SM_TRY(read_piece(file, tensor, array, walk, piece, out + done));
    }
    if (array_product(array->shape, array->rank < SM_ARRAY_RANK ? array->rank : SM_ARRAY_RANK,
                      &elements) &&
        array->rank <= SM_ARRAY_RANK && walk->elements == elements && walk->values < array->stored)
        return disagree(file, tensor, array, "fewer");
    return SM_OK;
}
