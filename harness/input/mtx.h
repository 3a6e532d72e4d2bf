/* Matrix Market's .mtx: one matrix a file, as text. */
#ifndef INPUT_MTX_H
#define INPUT_MTX_H

#include <sparsemark/matrix.h>

typedef struct mtx_header {
    size_t rows, cols;
    size_t entries; /* lines that follow in coordinate files, numbers in array files */
    int array;      /* every element, column by column; else row, column, value of the nonzeros */
    int pattern;    /* no values */
    int integer;
    int symmetric; /* only the lower triangle is there */
} mtx_header;

/* Reads the header of a file and checks that the file is large enough for what it claims. */
sm_status mtx_read_header(const char *path, mtx_header *header);

/* Reads a matrix, its transpose where transposed. Stored zeros are dropped; a pattern's values are
 * all 1. SM_E_FORMAT with path, line and what was expected if the file is cut or inconsistent,
 * SM_E_LIMIT beyond 2^24 rows or columns. */
sm_status mtx_read(const char *path, int transposed, sm_csr *out);

/* The same from memory; name is used in messages. text need not end in NUL. */
sm_status mtx_parse(const char *name, const char *text, size_t size, int transposed, sm_csr *out);

#endif
