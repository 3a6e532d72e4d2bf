/* Format bsr: blocks of mr rows and one column. A column of a K tile is stored, all mr weights of
 * it, when any row of the panel uses it: made for weights whose neighbouring rows were pruned alike
 * (blocks of rows, vector-wise N:M). Per panel a 16-bit count of columns, the columns as 16-bit
 * offsets into the strip in units of SM_INDEX_UNIT bytes, or as their numbers where X is read as
 * it lies, and mr values a column. */
#include "formats/format.h"
#include <string.h>

/* Columns that some row of their panel uses, all panels together; 0 without memory to count. */
static size_t used_columns(const sm_csr *csr, size_t mr) {
    uint32_t *panel = sm_alloc(csr->cols, sizeof *panel); /* the last one that used a column */
    size_t used = 0;
    if (!panel) return 0;
    memset(panel, 0, csr->cols * sizeof *panel);
    for (size_t r = 0; r < csr->rows; r++) {
        const uint32_t number = (uint32_t)(r / mr) + 1;
        for (uint32_t i = csr->row_ptr[r]; i < csr->row_ptr[r + 1]; i++) {
            used += panel[csr->col[i]] != number;
            panel[csr->col[i]] = number;
        }
    }
    sm_free(panel);
    return used;
}

static size_t values(const sm_csr *csr, size_t mr) {
    const size_t used = used_columns(csr, mr);
    return used == 0 && csr->nnz > 0 ? SIZE_MAX : used * mr;
}

/* Packs the panel whose columns were taken; the streams' ends move on. */
static void pack_panel(sm_packed *p, const sm_columns *c, size_t cols, size_t *head, size_t *index,
                       size_t *value) {
    const size_t mr = p->kernel->mr, unit = sm_column_unit(p);
    const size_t begin = *index;
    for (size_t k = 0; k < cols; k++) {
        if (!c->rows[k]) continue;
        p->index16[(*index)++] = (uint16_t)(k * unit);
        for (size_t r = 0; r < mr; r++)
            p->value[(*value)++] = c->rows[k] >> r & 1 ? c->value[k * mr + r] : 0.0f;
    }
    p->head16[(*head)++] = (uint16_t)(*index - begin);
}

static sm_status pack(const sm_csr *csr, sm_packed *out) {
    const size_t mr = out->kernel->mr, panels = sm_ceil_div(out->rows, mr);
    const size_t used = used_columns(csr, mr);
    out->head16 = sm_alloc(panels * out->tiles, sizeof *out->head16);
    out->index16 = sm_alloc(used, sizeof *out->index16);
    out->value = sm_alloc(used * mr, sizeof *out->value);
    if (!out->head16 || !out->index16 || !out->value || (used == 0 && csr->nnz > 0))
        return sm_fail(SM_E_NOMEM, "no memory to pack %zu columns of %zu rows as bsr", used, mr);
    return sm_pack_panels(csr, out, pack_panel);
}

static void expand(const sm_packed *p, size_t block, size_t tile, float *dense) {
    const size_t segment = block * p->tiles + tile, mr = p->kernel->mr;
    const size_t cols = sm_tile_cols(p, tile), rows = sm_block_rows(p, block);
    const size_t unit = sm_column_unit(p);
    const uint16_t *count = p->head16 + p->head_at[segment];
    const uint16_t *index = p->index16 + p->index_at[segment];
    const float *value = p->value + p->value_at[segment];
    for (size_t r0 = 0; r0 < rows; r0 += mr)
        for (uint16_t left = *count++; left > 0; left--, index++, value += mr)
            for (size_t r = r0; r < sm_min_size(r0 + mr, rows); r++)
                dense[r * cols + *index / unit] = value[r - r0];
}

const sm_format sm_format_bsr = {
    .name = "bsr", .pack = pack, .expand = expand, .max_kt = sm_offset_max_kt, .values = values};
