/* A tensor as its values and what says where they belong. */
#ifndef STORE_SPARSE_H
#define STORE_SPARSE_H

#include "store/store.h"

typedef struct sparse_parts {
    sm_array_storage storage;
    float *values;
    unsigned char *places;
    size_t stored, place_bytes;
} sparse_parts;

/* Takes an F32 tensor apart in the way that needs fewest bytes; SM_STORED_DENSE and no parts where
 * that is the tensor itself, or one of another type. */
sm_status sparse_take(const sm_tensor *tensor, sparse_parts *out);
void sparse_free(sparse_parts *parts); /* accepts zeroed ones */

#endif
