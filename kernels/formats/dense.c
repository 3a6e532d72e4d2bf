/* Format dense: every weight, panels of mr rows column by column, missing rows zero. */
#include "formats/format.h"
#include <string.h>

static sm_status pack(const sm_csr *csr, sm_packed *out) {
    const size_t mr = out->kernel->mr, padded = sm_round_up(out->rows, mr);
    out->value = sm_alloc(padded * out->cols, sizeof *out->value);
    uint32_t *cursor = sm_alloc(csr->rows, sizeof *cursor);
    if (!out->value || !cursor) {
        sm_free(cursor);
        return sm_fail(SM_E_NOMEM, "no memory to pack %zu x %zu weights as dense", out->rows,
                       out->cols);
    }
    memset(out->value, 0, padded * out->cols * sizeof *out->value);
    memcpy(cursor, csr->row_ptr, csr->rows * sizeof *cursor);
    size_t at = 0, segment = 0;
    for (size_t b = 0; b < out->blocks; b++) {
        const size_t rows = sm_block_rows(out, b);
        for (size_t t = 0; t < out->tiles; t++, segment++) {
            const size_t c0 = t * out->kt, cols = sm_tile_cols(out, t);
            sm_begin_segment(out, segment, 0, 0, at);
            for (size_t r = 0; r < rows; r++) {
                float *panel = out->value + at + r / mr * mr * cols + r % mr;
                uint32_t begin, end;
                sm_row_in_tile(csr, cursor, out->block_row[b] + r, c0 + cols, &begin, &end);
                for (uint32_t i = begin; i < end; i++) panel[(csr->col[i] - c0) * mr] = csr->val[i];
            }
            at += sm_round_up(rows, mr) * cols;
        }
    }
    sm_begin_segment(out, segment, 0, 0, at);
    out->bytes.values = at * sizeof(float);
    sm_free(cursor);
    return SM_OK;
}

static void expand(const sm_packed *p, size_t block, size_t tile, float *dense) {
    const size_t mr = p->kernel->mr, cols = sm_tile_cols(p, tile);
    const float *value = p->value + p->value_at[block * p->tiles + tile];
    for (size_t r = 0; r < sm_block_rows(p, block); r++)
        for (size_t c = 0; c < cols; c++)
            dense[r * cols + c] = value[r / mr * mr * cols + c * mr + r % mr];
}

static size_t max_kt(const sm_kernel *kernel) {
    (void)kernel;
    return UINT32_MAX;
}

const sm_format sm_format_dense = {
    .name = "dense", .pack = pack, .expand = expand, .max_kt = max_kt, .rows_alike = 1};
