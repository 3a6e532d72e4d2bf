/* A format: how a matrix is packed into the three streams of sm_packed, and what packers share.
 * Internal to the library. */
#ifndef SM_FORMAT_H
#define SM_FORMAT_H

#include "packed.h"
#include "registry.h"

typedef struct sm_format {
    const char *name;
    /* Fills out->index_bits, the streams and bytes; everything above them is set already. */
    sm_status (*pack)(const sm_csr *csr, sm_packed *out);
    /* Adds a segment's nonzeros to the zeroed dense[rows of the block][columns of the tile]. */
    void (*expand)(const sm_packed *packed, size_t block, size_t tile, float *dense);
    /* Largest kt whose indices can be stored for a kernel. */
    size_t (*max_kt)(const sm_kernel *kernel);
    /* How many values panels of mr rows would store, padding included, without packing; NULL for a
     * format that stores the nonzeros only, or everything, and for nm, whose padding is small where
     * it competes. */
    size_t (*values)(const sm_csr *csr, size_t mr);
    /* A row costs a kernel the same whatever is in it. */
    int rows_alike;
} sm_format;

/* Largest kt whose offsets fit, and whose columns can be counted in 16 bits. */
static inline size_t sm_offset_max_kt(const sm_kernel *k) {
    if (sm_by_columns(k)) return UINT16_MAX;
    const size_t row = k->nr * sizeof(float);
    return sm_min_size((size_t)UINT16_MAX * SM_INDEX_UNIT / row + 1, UINT16_MAX);
}

/* Where a segment begins in the three streams; behind the last, where they end. */
static inline void sm_begin_segment(sm_packed *p, size_t segment, size_t head, size_t index,
                                    size_t value) {
    p->head_at[segment] = head;
    p->index_at[segment] = index;
    p->value_at[segment] = value;
}

/* The nonzeros of one row that lie in a K tile: [*begin, *end) of csr->col and csr->val. Tiles are
 * asked for in increasing order; cursor[row] starts at csr->row_ptr[row]. */
static inline void sm_row_in_tile(const sm_csr *csr, uint32_t *cursor, size_t row, size_t end_col,
                                  uint32_t *begin, uint32_t *end) {
    uint32_t i = cursor[row];
    *begin = i;
    while (i < csr->row_ptr[row + 1] && csr->col[i] < end_col) i++;
    *end = cursor[row] = i;
}

/* The columns of one panel in one K tile: column c is used by row r of the panel where bit r of
 * rows[c] is set, its weight then is value[c * mr + r]. Tiles are taken in increasing order. */
typedef struct sm_columns {
    uint32_t *cursor; /* for sm_row_in_tile() */
    uint32_t *rows;
    uint32_t *next; /* the packer's own, one a column */
    float *value;
} sm_columns;
sm_status sm_columns_alloc(const sm_csr *csr, const sm_packed *p, sm_columns *out);
void sm_columns_free(sm_columns *c);
void sm_columns_take(const sm_csr *csr, const sm_packed *p, sm_columns *c, size_t row, size_t rows,
                     size_t tile);

/* Packs a panel of `cols` columns that were taken; the ends of the streams move on. */
typedef void sm_pack_panel(sm_packed *p, const sm_columns *c, size_t cols, size_t *head,
                           size_t *index, size_t *value);

/* Packs all panels into streams that are large enough: head16, index16 and value. The rest of what
 * sm_format.pack fills is filled here. */
sm_status sm_pack_panels(const sm_csr *csr, sm_packed *out, sm_pack_panel *pack_panel);

/* Whether a stored value is padding; where a program takes denormal numbers for zeros they are not.
 */
int sm_is_zero(float v);

#endif
