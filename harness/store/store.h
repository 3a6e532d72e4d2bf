/* Model files as a whole: every tensor with its numbers, read from .npy or .safetensors (dense or
 * stored sparse) and written back whole or not at all. */
#ifndef STORE_H
#define STORE_H

#include "input/array.h"
#include "input/orders.h"
#include <jansson.h>
#include <sparsemark/prune.h>

enum { SM_TENSOR_RANK = 8 };

/* A tensor; owns its name and numbers. */
typedef struct sm_tensor {
    char *name;
    char type[8]; /* as safetensors writes it: "F32", "I64", ... */
    size_t rank, shape[SM_TENSOR_RANK];
    size_t count, bytes;
    void *data; /* bytes, little-endian, dense, as the type says; F32 may be used as float * */
} sm_tensor;

typedef struct sm_model_file {
    sm_tensor *items; /* in the order of the file */
    size_t count;
    json_t *metadata; /* "__metadata__", an object of strings, or NULL */
} sm_model_file;

/* Reads a .safetensors file, tensors stored sparse made dense again bit for bit, or a .npy file as
 * one tensor named like the file without its ending. SM_E_IO, SM_E_FORMAT, SM_E_NOMEM. */
sm_status model_file_read(const char *path, sm_model_file *out);
void model_file_free(sm_model_file *file); /* accepts a zeroed one */

sm_tensor *model_file_find(sm_model_file *file, const char *name); /* NULL */

/* The orders of its weights: what --weights-order gave (or NULL), else the file's metadata, else as
 * they are. SM_E_ARG or SM_E_FORMAT where the words are no orders, SM_E_ARG where the option
 * contradicts the file. path is for messages. */
sm_status model_file_orders(const char *path, const sm_model_file *file, const char *given,
                            sm_orders *orders);
/* Writes them into the metadata. */
sm_status model_file_keep_orders(const char *path, sm_model_file *file, const sm_orders *orders);

typedef enum sm_store_kind { SM_STORE_DENSE, SM_STORE_SPARSE } sm_store_kind;

/* Sizes of what was or would be written for one tensor. */
typedef struct sm_store_sizes {
    size_t dense, sparse, gzip, sparse_gzip;
} sm_store_sizes;

/* Writes path whole or not at all (a temporary name beside it, fsync, rename). SM_STORE_SPARSE
 * stores an F32 tensor sparse where that is smaller. SM_E_IO names path and reason. */
sm_status model_file_write(const char *path, const sm_model_file *file, sm_store_kind kind);

/* Bytes of one tensor's numbers stored each way; gzip as gzip -9. */
sm_status model_tensor_sizes(const sm_tensor *tensor, sm_store_sizes *out);

#endif
