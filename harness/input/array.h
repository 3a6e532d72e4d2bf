/* A dense array inside a file, as a header describes it, and its way into f32 weights. */
#ifndef INPUT_ARRAY_H
#define INPUT_ARRAY_H

#include "input/file.h"
#include <sparsemark/prune.h>
#include <sparsemark/status.h>
#include <stddef.h>
#include <stdint.h>

typedef enum sm_array_type {
    SM_ARRAY_OTHER, /* one that is not read */
    SM_ARRAY_F16,
    SM_ARRAY_BF16,
    SM_ARRAY_F32,
    SM_ARRAY_F64
} sm_array_type;

enum { SM_ARRAY_RANK = 4 };

/* How its elements lie in the file; the sparse ways are those of store/README.md, for F32. */
typedef enum sm_array_storage {
    SM_STORED_DENSE,
    SM_STORED_BITMAP, /* a bit an element, set for those that have a value */
    SM_STORED_1_OF_4  /* two bits for each four elements: which of them has the value */
} sm_array_storage;

typedef struct sm_array {
    sm_array_type type;
    sm_weights_order order;
    size_t rank;
    size_t shape[SM_ARRAY_RANK]; /* as far as rank and room go */
    int fortran;                 /* the first axis is the fastest, not the last */
    uint64_t offset;             /* of the first element in the file */
    sm_array_storage storage;
    uint64_t elements, stored,
        places;       /* stored sparse: in all; values; where bits or indices are */
    file_stamp stamp; /* of the file when its header was read */
} sm_array;

/* "out-in", ... */
const char *array_order_name(sm_weights_order order);

/* Bytes an element; 0 for SM_ARRAY_OTHER. */
size_t array_element_size(sm_array_type type);

/* The product of count sizes; 0 where it overflows 64 bits. */
int array_product(const size_t *sizes, size_t count, uint64_t *product);

/* The weights as a matrix: m outputs, k inputs, for a convolution k = inputs * height * width. For
 * arrays of rank 2 and 4. */
void array_matrix(const sm_array *array, size_t *m, size_t *k);

/* Values in the array's own order to that matrix, w[m * k], row by row. */
void array_place(const sm_array *array, const float *values, float *w);

/* Whether it is a convolution wider than 1 x 1, so that the matrix multiplies unfolded patches. */
int array_is_unfolded(const sm_array *array);

/* Reads every element, little-endian, exact but for F64, which is rounded. w[m * k] (NULL: count
 * only) gets the matrix row by row; *zeros the number of zeros. tensor names the array inside path,
 * NULL where the file holds nothing else. SM_E_FORMAT names the element that is not finite or
 * beyond f32, SM_E_IO a file that changed since its stamp was taken. */
sm_status array_read(const char *path, const char *tensor, const sm_array *array, float *w,
                     size_t *zeros);

/* How far a sparse array was read. */
typedef struct array_sparse_walk {
    uint64_t elements, values;
} array_sparse_walk;

/* The next count elements of an array that is stored sparse; count is a multiple of 16 but for the
 * last ones. SM_E_FORMAT where bits and values do not agree. */
sm_status array_sparse_read(const input_file *file, const char *tensor, const sm_array *array,
                            array_sparse_walk *walk, size_t count, float *out);

#endif
