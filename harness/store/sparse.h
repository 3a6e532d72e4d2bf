/* A tensor as a bit an element and the values whose bits are set. */
#ifndef STORE_SPARSE_H
#define STORE_SPARSE_H

#include "store/store.h"

typedef struct sparse_parts {
    float *values;
    unsigned char *bitmap;
    size_t stored, bitmap_bytes;
} sparse_parts;

/* Bytes of an F32 tensor stored so; anything but +0.0 is a value. */
size_t sparse_bytes(const sm_tensor *tensor);

sm_status sparse_take(const sm_tensor *tensor, sparse_parts *out);
void sparse_free(sparse_parts *parts); /* accepts zeroed ones */

#endif
