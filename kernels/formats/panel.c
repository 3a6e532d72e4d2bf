/* Format panel: one row, or two whose columns are bucketed by the rows that use them. Per panel:
 * 2^mr - 1 16-bit counts (pattern 1 first; bit r is row r), then the columns as 16-bit offsets into
 * the strip in units of SM_INDEX_UNIT bytes, then values in order of use. Columns that one row
 * alone uses come by turns, one of row 0 and one of row 1, as long as both have some; then those
 * that one of them has left; then the columns of both. */
#include "formats/format.h"
#include <string.h>

enum { MOST_PATTERNS = 4 }; /* of two rows, with the one of no row */

/* What is left of a panel's columns, and whose the last one was. */
typedef struct order {
    uint16_t left[MOST_PATTERNS];
    unsigned last;
} order;

static order order_begin(const uint16_t *count, size_t patterns) {
    order o = {.last = 2};
    memcpy(o.left + 1, count, patterns * sizeof *count);
    return o;
}

/* The pattern of the next column, 0 after the last. */
static unsigned order_next(order *o) {
    unsigned pattern = 3 - o->last; /* the other row's */
    if (!o->left[pattern]) pattern = o->last;
    if (!o->left[pattern]) pattern = 3;
    if (!o->left[pattern]) return 0;
    o->left[pattern]--;
    if (pattern != 3) o->last = pattern;
    return pattern;
}

/* Packs the panel whose columns were taken; the streams' ends move on. */
static void pack_panel(sm_packed *p, const sm_columns *c, size_t cols, size_t *head, size_t *index,
                       size_t *value) {
    const size_t mr = p->kernel->mr, patterns = ((size_t)1 << mr) - 1;
    uint16_t *count = p->head16 + *head;
    memset(count, 0, patterns * sizeof *count);
    uint32_t first[MOST_PATTERNS] = {0}; /* c->next leads to the pattern's other columns */
    for (size_t k = cols; k-- > 0;) {
        const uint32_t pattern = c->rows[k];
        if (!pattern) continue;
        c->next[k] = first[pattern];
        first[pattern] = (uint32_t)k;
        count[pattern - 1]++;
    }
    order o = order_begin(count, patterns);
    for (unsigned pattern; (pattern = order_next(&o)) != 0;) {
        const size_t k = first[pattern];
        first[pattern] = c->next[k];
        p->index16[(*index)++] = (uint16_t)(k * sm_column_unit(p));
        for (size_t r = 0; r < mr; r++)
            if (pattern >> r & 1) p->value[(*value)++] = c->value[k * mr + r];
    }
    *head += patterns;
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
    const size_t patterns = ((size_t)1 << mr) - 1;
    for (size_t r0 = 0; r0 < sm_block_rows(p, block); r0 += mr, count += patterns) {
        order o = order_begin(count, patterns);
        for (unsigned pattern; (pattern = order_next(&o)) != 0;) {
            const size_t c = *index++ / sm_column_unit(p);
            for (size_t r = 0; r < mr; r++)
                if (pattern >> r & 1) dense[(r0 + r) * cols + c] = *value++;
        }
    }
}

const sm_format sm_format_panel = {
    .name = "panel", .pack = pack, .expand = expand, .max_kt = sm_offset_max_kt};
