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

#endif
