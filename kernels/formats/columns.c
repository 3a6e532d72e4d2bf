/* The columns of one panel in one K tile, and the walk over all panels, for formats that store a
 * panel column by column. */
#include "formats/format.h"
#include <string.h>

void sm_columns_free(sm_columns *c) {
    sm_free(c->cursor);
    sm_free(c->rows);
    sm_free(c->next);
    sm_free(c->value);
    *c = (sm_columns){0};
}

sm_status sm_columns_alloc(const sm_csr *csr, const sm_packed *p, sm_columns *out) {
    sm_columns c = {.cursor = sm_alloc(csr->rows, sizeof *c.cursor),
                    .rows = sm_alloc(p->kt, sizeof *c.rows),
                    .next = sm_alloc(p->kt, sizeof *c.next),
                    .value = sm_alloc(p->kt * p->kernel->mr, sizeof *c.value)};
    *out = (sm_columns){0};
    if (!c.cursor || !c.rows || !c.next || !c.value) {
        sm_columns_free(&c);
        return sm_fail(SM_E_NOMEM, "%s: no memory for a panel of %zu columns", p->kernel->name,
                       p->kt);
    }
    memcpy(c.cursor, csr->row_ptr, csr->rows * sizeof *c.cursor);
    *out = c;
    return SM_OK;
}

void sm_columns_take(const sm_csr *csr, const sm_packed *p, sm_columns *c, size_t row, size_t rows,
                     size_t tile) {
    const size_t mr = p->kernel->mr, c0 = tile * p->kt;
    memset(c->rows, 0, sm_tile_cols(p, tile) * sizeof *c->rows);
    for (size_t r = 0; r < rows; r++) {
        uint32_t begin, end;
        sm_row_in_tile(csr, c->cursor, row + r, c0 + p->kt, &begin, &end);
        for (uint32_t i = begin; i < end; i++) {
            c->rows[csr->col[i] - c0] |= 1u << r;
            c->value[(csr->col[i] - c0) * mr + r] = csr->val[i];
        }
    }
}

sm_status sm_pack_panels(const sm_csr *csr, sm_packed *out, sm_pack_panel *pack_panel) {
    const size_t mr = out->kernel->mr;
    sm_columns c;
    SM_TRY(sm_columns_alloc(csr, out, &c));
    size_t head = 0, index = 0, value = 0, segment = 0;
    for (size_t b = 0; b < out->blocks; b++) {
        const size_t rows = sm_block_rows(out, b);
        for (size_t t = 0; t < out->tiles; t++, segment++) {
            sm_begin_segment(out, segment, head, index, value);
            for (size_t r = 0; r < rows; r += mr) {
                sm_columns_take(csr, out, &c, out->block_row[b] + r, sm_min_size(mr, rows - r), t);
                pack_panel(out, &c, sm_tile_cols(out, t), &head, &index, &value);
            }
        }
    }
    sm_begin_segment(out, segment, head, index, value);
    out->index_bits = 16;
    out->bytes =
        (sm_bytes){value * sizeof(float), index * sizeof(uint16_t), head * sizeof(uint16_t)};
    sm_columns_free(&c);
    return SM_OK;
}
