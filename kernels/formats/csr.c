/* Format csr: per row and K tile a 32-bit count, 32-bit columns within the tile, f32 values. */
#include "formats/format.h"
#include <string.h>

static sm_status pack(const sm_csr *csr, sm_packed *out) {
    uint32_t *cursor = sm_alloc(csr->rows, sizeof *cursor);
    out->head32 = sm_alloc(csr->rows * out->tiles, sizeof *out->head32);
    out->index32 = sm_alloc(csr->nnz, sizeof *out->index32);
    out->value = sm_alloc(csr->nnz, sizeof *out->value);
    if (!cursor || !out->head32 || !out->index32 || !out->value) {
        sm_free(cursor);
        return sm_fail(SM_E_NOMEM, "no memory to pack %zu nonzeros as csr", csr->nnz);
    }
    memcpy(cursor, csr->row_ptr, csr->rows * sizeof *cursor);
    size_t head = 0, at = 0, segment = 0;
    for (size_t b = 0; b < out->blocks; b++) {
        for (size_t t = 0; t < out->tiles; t++, segment++) {
            sm_begin_segment(out, segment, head, at, at);
            for (size_t r = 0; r < sm_block_rows(out, b); r++) {
                uint32_t begin, end;
                sm_row_in_tile(csr, cursor, out->block_row[b] + r, (t + 1) * out->kt, &begin, &end);
                out->head32[head++] = end - begin;
                for (uint32_t i = begin; i < end; i++, at++) {
                    out->index32[at] = csr->col[i] - (uint32_t)(t * out->kt);
                    out->value[at] = csr->val[i];
                }
            }
        }
    }
    sm_begin_segment(out, segment, head, at, at);
    out->index_bits = 32;
    out->bytes = (sm_bytes){at * sizeof(float), at * sizeof(uint32_t), head * sizeof(uint32_t)};
    sm_free(cursor);
    return SM_OK;
}

static void expand(const sm_packed *p, size_t block, size_t tile, float *dense) {
    const size_t segment = block * p->tiles + tile;
    const size_t cols = sm_tile_cols(p, tile);
    const uint32_t *count = p->head32 + p->head_at[segment];
    size_t at = p->value_at[segment];
    for (size_t r = 0; r < sm_block_rows(p, block); r++)
        for (const size_t end = at + count[r]; at < end; at++)
            dense[r * cols + p->index32[at]] = p->value[at];
}

static size_t max_kt(const sm_kernel *kernel) {
    (void)kernel;
    return INT32_MAX; /* the gather takes offsets as signed */
}

const sm_format sm_format_csr = {.name = "csr", .pack = pack, .expand = expand, .max_kt = max_kt};
