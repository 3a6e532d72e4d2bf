/* Format bitmap: one bit a weight says whether it is stored. Panels of 16 rows; per column of a K
 * tile a 16-bit word whose bit r is row r; the values of a panel column by column, rows in order.
 * The smallest format for unstructured weights of more than 6 % density. */
#include "formats/format.h"
#include <string.h>

/* Zeros behind the values of a segment: a kernel may load a whole vector where one value is left.
 */
enum { SLACK = 8 };

static size_t pack_panel(const sm_columns *c, size_t mr, size_t cols, uint16_t *bits,
                         float *value) {
    size_t stored = 0;
    for (size_t k = 0; k < cols; k++) {
        bits[k] = (uint16_t)c->rows[k];
        for (size_t r = 0; r < mr; r++)
            if (c->rows[k] >> r & 1) value[stored++] = c->value[k * mr + r];
    }
    return stored;
}

static sm_status pack(const sm_csr *csr, sm_packed *out) {
    const size_t mr = out->kernel->mr, words = sm_ceil_div(out->rows, mr) * out->cols;
    const size_t stored = csr->nnz + out->blocks * out->tiles * SLACK;
    sm_columns c;
    SM_TRY(sm_columns_alloc(csr, out, &c));
    out->index16 = sm_alloc(words, sizeof *out->index16);
    out->value = sm_alloc(stored, sizeof *out->value);
    if (!out->index16 || !out->value) {
        sm_columns_free(&c);
        return sm_fail(SM_E_NOMEM, "no memory to pack %zu nonzeros of %zu x %zu as bitmap",
                       csr->nnz, csr->rows, csr->cols);
    }
    size_t index = 0, value = 0, segment = 0;
    for (size_t b = 0; b < out->blocks; b++) {
        const size_t rows = sm_block_rows(out, b);
        for (size_t t = 0; t < out->tiles; t++, segment++) {
            const size_t cols = sm_tile_cols(out, t);
            sm_begin_segment(out, segment, 0, index, value);
            for (size_t r = 0; r < rows; r += mr, index += cols) {
                sm_columns_take(csr, out, &c, out->block_row[b] + r, sm_min_size(mr, rows - r), t);
                value += pack_panel(&c, mr, cols, out->index16 + index, out->value + value);
            }
            memset(out->value + value, 0, SLACK * sizeof *out->value);
            value += SLACK;
        }
    }
    sm_begin_segment(out, segment, 0, index, value);
    out->index_bits = 1;
    out->bytes = (sm_bytes){.values = value * sizeof(float), .indices = index * sizeof(uint16_t)};
    sm_columns_free(&c);
    return SM_OK;
}

static void expand(const sm_packed *p, size_t block, size_t tile, float *dense) {
    const size_t segment = block * p->tiles + tile, mr = p->kernel->mr;
    const size_t cols = sm_tile_cols(p, tile), rows = sm_block_rows(p, block);
    const uint16_t *bits = p->index16 + p->index_at[segment];
    const float *value = p->value + p->value_at[segment];
    for (size_t r0 = 0; r0 < rows; r0 += mr, bits += cols)
        for (size_t k = 0; k < cols; k++)
            for (size_t r = 0; r < mr; r++)
                if (bits[k] >> r & 1) dense[(r0 + r) * cols + k] = *value++;
}

static size_t max_kt(const sm_kernel *kernel) {
    (void)kernel;
    return UINT32_MAX;
}

const sm_format sm_format_bitmap = {
    .name = "bitmap", .pack = pack, .expand = expand, .max_kt = max_kt, .rows_alike = 1};
