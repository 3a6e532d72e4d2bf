/* Where weights come from: built-in layers with seeded weights, or files. */
#ifndef INPUT_H
#define INPUT_H

#include "input/array.h"
#include "input/orders.h"
#include <sparsemark/matrix.h>
#include <sparsemark/prune.h>
#include <stddef.h>
#include <stdint.h>

/* A layer shape: Y[m, n] = W[m, k] X[k, n]; n is the layer's own N (pixels, tokens), 0 if unknown.
 */
typedef struct sm_layer {
    const char *name;
    size_t m, k, n;
} sm_layer;

/* The built-in layers, harness/input/layers.inc. */
size_t sm_layer_count(void);
const sm_layer *sm_layer_at(size_t i);

typedef enum sm_source_kind {
    SM_SOURCE_SEEDED, /* a shape with seeded Gaussian weights */
    SM_SOURCE_SMTX,   /* a pattern */
    SM_SOURCE_MTX,    /* nonzeros, a pattern or dense numbers, as text */
    SM_SOURCE_ARRAY   /* dense numbers in a .npy or .safetensors file */
} sm_source_kind;

/* One weight matrix to measure. It owns its strings. */
typedef struct sm_source {
    sm_source_kind kind;
    char *layer;  /* short name for tables: of a layer or tensor, or path below the folder given */
    char *path;   /* file, or NULL for a built-in or listed shape */
    char *tensor; /* name inside the file, or NULL where the file is one matrix */
    char *provenance; /* "seeded-gaussian", "pruned-network:transformer/magnitude_pruning", ... */
    size_t m, k, n;   /* n: native N, 0 if unknown */
    int sparse;       /* the file fixes the pattern: pattern and sparsity cannot be asked for */
    int valueless;    /* the file has no values: they are seeded */
    int im2col;       /* a k x k convolution, multiplied as unfolded patches */
    double sparsity;  /* of a file: counted, or as its header says; else 0 */
    sm_array array;   /* SM_SOURCE_ARRAY: where its numbers are; SM_SOURCE_MTX: their order */
} sm_source;

/* Dense weights of a file with this share of zeros, and more, have been pruned already. */
#define SM_SPARSE_FROM 0.25

/* How files are read. */
typedef struct sm_input_options {
    const char *tensors; /* comma-separated globs of the matrices wanted; NULL: all */
    sm_orders orders;    /* as --weights-order says; what it leaves open a file may say */
    int reprune;         /* weights that are sparse already count as dense: they are pruned again */
    void (*note)(const char *text); /* gets what was left out and why; NULL: nobody listens */
} sm_input_options;

typedef struct sm_source_list {
    sm_source *items;
    size_t count;
    sm_input_options options; /* for what is appended from now on */
} sm_source_list;

void sm_source_list_free(sm_source_list *list); /* accepts a zeroed list */

/* In which order the weights of the file were read, "out-in"; NULL where it is fixed. */
const char *sm_source_order(const sm_source *source);

/* Appends the built-in layers named by a comma-separated list ("bert-*" globs allowed, "all"), or,
 * where spec names a readable file, the layers listed in it: lines "name m k n", '#' comments. */
sm_status sm_source_add_layers(sm_source_list *list, const char *spec);

/* Appends what a .smtx, .mtx, .npy or .safetensors file holds, or those below a folder in sorted
 * order. A path that gives no matrix is SM_E_IO or SM_E_FORMAT. Of sparse files only headers are
 * read; dense ones are read once, to count their zeros and to find numbers that are not finite.
 * Tensors that are no weight matrix (rank other than 2 and 4, fewer than 2 rows or columns, another
 * type) are noted and left out.
 * .smtx: rn50_batchsizes.txt in an ancestor folder (up to four levels) gives n; provenance and
 * names come from DLMC's MODEL/METHOD/SPARSITY/LAYER where it applies. */
sm_status sm_source_add_path(sm_source_list *list, const char *path);

/* The weights of a source before pruning, w[m * k], row by row: seeded Gaussian ones or those of
 * its file, a pattern's places filled with seeded values. *w is released with sm_free(). */
sm_status sm_source_dense(const sm_source *source, uint64_t seed, float **w);

/* Makes the matrix. Dense sources: sm_source_dense(), pruned by magnitude as sm_prune() does.
 * Sparse sources: the nonzeros of the file; pattern and sparsity are ignored. The same (source,
 * pattern, sparsity, seed) gives the same matrix on every machine. */
sm_status sm_source_matrix(const sm_source *source, const sm_pattern *pattern, double sparsity,
                           uint64_t seed, sm_csr *out);

/* Reads a DLMC .smtx pattern: line 1 "nrows, ncols, nnz", line 2 row offsets, line 3 column
 * indices. Values are not in the file: val is all 1; fill them with sm_fill_values(). SM_E_FORMAT
 * with path, line and the expected count if the file is cut or inconsistent. */
sm_status sm_smtx_read(const char *path, sm_csr *out);

/* The same from memory; name is used in messages. text need not end in NUL. */
sm_status sm_smtx_parse(const char *name, const char *text, size_t size, sm_csr *out);

#endif
