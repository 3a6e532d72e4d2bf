/* Format panel: mr rows share a panel; the columns of a K tile are bucketed by the rows that use
 * them. Per panel: 2^mr - 1 16-bit counts (pattern 1 first; bit r is row r), then the buckets'
 * columns as 16-bit offsets into the strip in units of sm_index_unit() bytes, then values in order
 * of use. */
#include "packed.h"
#include <string.h>

/* Packs the panel whose columns were taken; the streams' ends move on. */
static void pack_panel(sm_packed *p, const sm_columns *c, size_t cols, size_t *head, size_t *index,
                       size_t *value) {
    const size_t mr = p->kernel->mr, patterns = ((size_t)1 << mr) - 1;
    uint16_t *count = p->head16 + *head;
    memset(count, 0, patterns * sizeof *count);
    size_t index_of[16], value_of[16], i_end = *index, v_end = *value;
    for (size_t k = 0; k < cols; k++)
        if (c->rows[k]) count[c->rows[k] - 1]++;
    for (size_t q = 0; q < patterns; q++) {
        index_of[q] = i_end;
        value_of[q] = v_end;
        i_end += count[q];
        v_end += count[q] * (size_t)__builtin_popcount((unsigned)q + 1);
    }
    for (size_t k = 0; k < cols; k++) {
        const uint32_t pattern = c->rows[k];
        if (!pattern) continue;
        p->index16[index_of[pattern - 1]++] = sm_offset_of(k, p->kernel->nr);
        for (size_t r = 0; r < mr; r++)
            if (pattern >> r & 1) p->value[value_of[pattern - 1]++] = c->value[k * mr + r];
    }
    *head += patterns;
    *index = i_end;
    *value = v_end;
}

static sm_status pack(const sm_csr *csr, sm_packed *out) {
    const size_t mr = out->kernel->mr, patterns = ((size_t)1 << mr) - 1;
    const size_t panels = sm_ceil_div(out->rows, mr);
    out->head16 = sm_alloc(panels * out->tiles * patterns, sizeof *out->head16);
    out->index16 = sm_alloc(csr->nnz, sizeof *out->index16);
    out->value = sm_alloc(csr->nnz, sizeof *out->value);
    if (!out->head16 || !out->index16 || !out->value)
        return sm_fail(SM_E_NOMEM, "no memory to pack %zu nonzeros as panels", csr->nnz);
    return sm_pack_panels(csr, out, pack_panel);
}

static void expand(const sm_packed *p, size_t block, size_t tile, float *dense) {
    const size_t segment = block * p->tiles + tile, mr = p->kernel->mr;
    const size_t cols = sm_tile_cols(p, tile);
    const uint16_t *count = p->head16 + p->head_at[segment];
    const uint16_t *index = p->index16 + p->index_at[segment];
    const float *value = p->value + p->value_at[segment];
    for (size_t r0 = 0; r0 < sm_block_rows(p, block); r0 += mr) {
        for (unsigned pattern = 1; pattern < 1u << mr; pattern++) {
            for (uint16_t left = *count++; left > 0; left--) {
                const size_t c = sm_offset_column(*index++, p->kernel->nr);
                for (size_t r = 0; r < mr; r++)
                    if (pattern >> r & 1) dense[(r0 + r) * cols + c] = *value++;
            }
        }
    }
}

static size_t max_kt(size_t nr) {
    return UINT16_MAX * sm_index_unit(nr) / (nr * sizeof(float)) + 1;
}

const sm_format sm_format_panel = {
    .name = "panel", .pack = pack, .expand = expand, .max_kt = max_kt};
