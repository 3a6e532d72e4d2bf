/* Tensors stored sparse, read as the dense ones that they stand for: their values, and bits or
 * indices that say where those belong. A piece at a time. Limit: one read of the file. */
#include "input/array.h"
#include <string.h>

enum { PIECE = 4096 }; /* elements read at once: their bits and indices fill whole bytes */

static sm_status disagree(const input_file *file, const char *tensor, const char *expected,
                          uint64_t count, const char *got) {
    return sm_fail(SM_E_FORMAT, "%s: %s: expected %s%llu, got %s", file->path,
                   tensor ? tensor : "array", expected, (unsigned long long)count, got);
}

static const char expected_bits[] = "as many bits that are set as values, ";

/* At most PIECE elements. */
static sm_status read_bitmap(const input_file *file, const char *tensor, const sm_array *a,
                             array_sparse_walk *walk, size_t count, float *out) {
    unsigned char bits[PIECE / 8];
    float values[PIECE];
    size_t set = 0;
    SM_TRY(file_read(file, a->places + walk->elements / 8, bits, (count + 7) / 8));
    if (count % 8 && bits[count / 8] >> count % 8)
        return disagree(file, tensor, expected_bits, a->stored, "one behind the last element");
    for (size_t i = 0; i < (count + 7) / 8; i++) set += (size_t)__builtin_popcount(bits[i]);
    if (set > a->stored - walk->values)
        return disagree(file, tensor, expected_bits, a->stored, "more");
    SM_TRY(
        file_read(file, a->offset + walk->values * sizeof *values, values, set * sizeof *values));
    const float *next = values;
    for (size_t i = 0; i < count; i++) out[i] = bits[i / 8] >> i % 8 & 1 ? *next++ : 0.0f;
    walk->values += set;
    if (walk->elements + count == a->elements && walk->values < a->stored)
        return disagree(file, tensor, expected_bits, a->stored, "fewer");
    return SM_OK;
}

static sm_status read_1_of_4(const input_file *file, const char *tensor, const sm_array *a,
                             array_sparse_walk *walk, size_t count, float *out) {
    unsigned char places[PIECE / 16];
    float values[PIECE / 4];
    const size_t groups = (count + 3) / 4, bytes = (groups + 3) / 4;
    SM_TRY(file_read(file, a->places + walk->elements / 16, places, bytes));
    SM_TRY(file_read(file, a->offset + walk->values * sizeof *values, values,
                     groups * sizeof *values));
    if (groups % 4 && places[bytes - 1] >> 2 * (groups % 4))
        return disagree(file, tensor, "no bits behind the index of value ", a->stored, "some");
    memset(out, 0, count * sizeof *out);
    for (size_t i = 0; i < groups; i++) {
        const size_t at = 4 * i + (places[i / 4] >> 2 * (i % 4) & 3);
        if (at >= count)
            return disagree(file, tensor, "the last value at an element below ", a->elements,
                            "one behind it");
        out[at] = values[i];
    }
    walk->values += groups;
    return SM_OK;
}

sm_status array_sparse_read(const input_file *file, const char *tensor, const sm_array *array,
                            array_sparse_walk *walk, size_t count, float *out) {
    for (size_t done = 0, piece; done < count; done += piece) {
        piece = count - done < PIECE ? count - done : PIECE;
        SM_TRY((array->storage == SM_STORED_BITMAP ? read_bitmap : read_1_of_4)(
            file, tensor, array, walk, piece, out + done));
        walk->elements += piece;
    }
    return SM_OK;
}
