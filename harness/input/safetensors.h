/* .safetensors: named arrays, described by one JSON object in front of them. */
#ifndef INPUT_SAFETENSORS_H
#define INPUT_SAFETENSORS_H

#include "input/array.h"
#include <jansson.h>

typedef struct safetensor {
    const char *name, *type; /* as written; they live as long as the header */
    sm_array array;
    uint64_t begin, end; /* its bytes, counted from the header's end */
} safetensor;

typedef struct safetensors {
    json_t *header;
    safetensor *items; /* in the order of their data */
    size_t count;
} safetensors;

void safetensors_free(safetensors *tensors); /* accepts a zeroed one */

/* Reads a header that is followed by data_size bytes of data, which start at offset data in the
 * file; name is used in messages. SM_E_FORMAT names the tensor and what contradicts the rest: every
 * byte of the data belongs to exactly one tensor, whose size follows from its type and shape. */
sm_status safetensors_parse(const char *name, const char *text, size_t size, uint64_t data,
                            uint64_t data_size, safetensors *out);

/* The same from a file; sets the stamps too. */
sm_status safetensors_read_header(const char *path, safetensors *out);

/* What stands before a tensor's name in "__metadata__" when it is stored sparse, and behind it in
 * the names of its two parts; see store/README.md. */
#define SAFETENSORS_SPARSE "sparsemark.sparse."
#define SAFETENSORS_VALUES ".sparse_values"
#define SAFETENSORS_BITMAP ".sparse_bitmap"

/* Makes one tensor of the two parts of each that is stored sparse: its name and shape, type "F32",
 * array.sparse. Its begin and end are those of its values. SM_E_FORMAT names the tensor and what
 * was expected. */
sm_status safetensors_join(const char *name, safetensors *tensors);

/* Shape of a tensor as its header has it, joined or not; rank at most limit, else SM_E_LIMIT. */
sm_status safetensors_shape(const char *name, const safetensors *tensors, const safetensor *t,
                            size_t limit, size_t *rank, size_t *shape);

/* A string of "__metadata__", NULL where there is none. */
const char *safetensors_note(const safetensors *tensors, const char *key);

#endif
