/* The first line of a .smtx file, for those who need the shape but not yet the pattern. */
#ifndef INPUT_SMTX_H
#define INPUT_SMTX_H

#include <sparsemark/status.h>
#include <stddef.h>

typedef struct smtx_shape {
    size_t rows, cols, nnz;
} smtx_shape;

/* Reads the header of a file and checks that the file is large enough for what it claims. */
sm_status smtx_read_shape(const char *path, smtx_shape *shape);

#endif
