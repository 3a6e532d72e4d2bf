/* The columns of one panel in one K tile, for formats that store a panel column by column. */
#include "packed.h"
#include <string.h>

void sm_columns_free(sm_columns *c) {
    sm_free(c->cursor);
    sm_free(c->rows);
    sm_free(c->value);
    *c = (sm_columns){0};
}

sm_status sm_columns_alloc(const sm_csr *csr, const sm_packed *p, sm_columns *out) {
    sm_columns c = {.cursor = sm_alloc(csr->rows, sizeof *c.cursor),
                    .rows = sm_alloc(p->kt, sizeof *c.rows),
                    .value = sm_alloc(p->kt * p->kernel->mr, sizeof *c.value)};
    *out = (sm_columns){0};
    if (!c.cursor || !c.rows || !c.value) {
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
