/* Where weights come from: built-in layers with seeded weights, or files. */
#ifndef INPUT_H
#define INPUT_H

#include "prune/pattern.h"
#include <sparsemark/matrix.h>
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
const sm_layer *sm_layer_find(const char *name);

/* One weight matrix to measure. It owns its strings. */
typedef struct sm_source {
    char *layer;      /* short name for tables: layer name, or path below the folder given */
    char *path;       /* file, or NULL for a built-in or listed shape */
    char *provenance; /* "seeded-gaussian", "pruned-network:transformer/magnitude_pruning", ... */
    size_t m, k, n;   /* n: native N, 0 if unknown */
    int sparse;       /* the file fixes the pattern: pattern and sparsity cannot be asked for */
    double sparsity;  /* of a sparse file, as counted from its header; else 0 */
} sm_source;

typedef struct sm_source_list {
    sm_source *items;
    size_t count;
} sm_source_list;

void sm_source_list_free(sm_source_list *list); /* accepts a zeroed list */

/* Appends the built-in layers named by a comma-separated list ("bert-*" globs allowed, "all"), or,
 * where spec names a readable file, the layers listed in it: lines "name m k n", '#' comments. */
sm_status sm_source_add_layers(sm_source_list *list, const char *spec);

/* Appends a .smtx file, or every one below a folder in sorted order. A folder with no matrix in it
 * is SM_E_IO. Only headers are read. rn50_batchsizes.txt in an ancestor folder (up to four levels)
 * gives n; provenance and names come from DLMC's MODEL/METHOD/SPARSITY/LAYER where it applies. */
sm_status sm_source_add_path(sm_source_list *list, const char *path);

/* Makes the matrix. Dense sources: seeded Gaussian weights, pruned by magnitude as sm_prune() does.
 * Sparse sources: the places of the file with seeded values; pattern and sparsity are ignored.
 * The same (source, pattern, sparsity, seed) gives the same matrix on every machine. */
sm_status sm_source_matrix(const sm_source *source, const sm_pattern *pattern, double sparsity,
                           uint64_t seed, sm_csr *out);

/* Reads a DLMC .smtx pattern: line 1 "nrows, ncols, nnz", line 2 row offsets, line 3 column
 * indices. Values are not in the file: val is all 1; fill them with sm_fill_values(). SM_E_FORMAT
 * with path, line and the expected count if the file is cut or inconsistent. */
sm_status sm_smtx_read(const char *path, sm_csr *out);

/* The same from memory; name is used in messages. text need not end in NUL. */
sm_status sm_smtx_parse(const char *name, const char *text, size_t size, sm_csr *out);

#endif
