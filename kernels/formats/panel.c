/* Format panel: mr rows share a panel; the columns of a K tile are bucketed by the rows that use
 * them. Per panel: 2^mr - 1 16-bit counts (pattern 1 first; bit r is row r), then the buckets'
 * columns as 16-bit offsets into the strip in units of 8 bytes, then values in order of use. */
#include "packed.h"
#include <string.h>

enum { UNIT = 8 };

/* Scratch for one panel: which rows use a column, and the values as a dense [column][mr]. */
typedef struct scratch {
    uint32_t *cursor;
    uint8_t *pattern;
    float *dense;
} scratch;

static void scratch_free(scratch *s) {
    sm_free(s->cursor);
    sm_free(s->pattern);
    sm_free(s->dense);
}

static sm_status scratch_alloc(const sm_csr *csr, const sm_packed *p, scratch *s) {
    s->cursor = sm_alloc(csr->rows, sizeof *s->cursor);
    s->pattern = sm_alloc(p->kt, sizeof *s->pattern);
    s->dense = sm_alloc(p->kt * p->kernel->mr, sizeof *s->dense);
    if (!s->cursor || !s->pattern || !s->dense) {
        scratch_free(s);
        return sm_fail(SM_E_NOMEM, "no memory to pack %zu nonzeros as panels", csr->nnz);
    }
    memcpy(s->cursor, csr->row_ptr, csr->rows * sizeof *s->cursor);
    return SM_OK;
}

/* Packs one panel of one tile; the streams' ends move on. */
static void pack_panel(const sm_csr *csr, sm_packed *p, scratch *s, size_t row, size_t rows,
                       size_t c0, size_t *head, size_t *index, size_t *value) {
    const size_t mr = p->kernel->mr, patterns = ((size_t)1 << mr) - 1;
    const size_t cols = sm_min_size(p->kt, p->cols - c0);
    uint16_t *count = p->head16 + *head;
    memset(count, 0, patterns * sizeof *count);
    memset(s->pattern, 0, cols);
    for (size_t r = 0; r < rows; r++) {
        uint32_t begin, end;
        sm_row_in_tile(csr, s->cursor, row + r, c0 + p->kt, &begin, &end);
        for (uint32_t i = begin; i < end; i++) {
            s->pattern[csr->col[i] - c0] |= (uint8_t)(1u << r);
            s->dense[(csr->col[i] - c0) * mr + r] = csr->val[i];
        }
    }
    size_t index_of[16], value_of[16], i_end = *index, v_end = *value;
    for (size_t c = 0; c < cols; c++)
        if (s->pattern[c]) count[s->pattern[c] - 1]++;
    for (size_t q = 0; q < patterns; q++) {
        index_of[q] = i_end;
        value_of[q] = v_end;
        i_end += count[q];
        v_end += count[q] * (size_t)__builtin_popcount((unsigned)q + 1);
    }
    for (size_t c = 0; c < cols; c++) {
        const unsigned pattern = s->pattern[c];
        if (!pattern) continue;
        p->index16[index_of[pattern - 1]++] = (uint16_t)(c * p->kernel->nr * sizeof(float) / UNIT);
        for (size_t r = 0; r < rows; r++)
            if (pattern >> r & 1) p->value[value_of[pattern - 1]++] = s->dense[c * mr + r];
    }
    *head += patterns;
    *index = i_end;
    *value = v_end;
}

static sm_status pack(const sm_csr *csr, sm_packed *out) {
    const size_t mr = out->kernel->mr, patterns = ((size_t)1 << mr) - 1;
    const size_t panels = sm_ceil_div(out->rows, mr);
    scratch s;
    SM_TRY(scratch_alloc(csr, out, &s));
    out->head16 = sm_alloc(panels * out->tiles * patterns, sizeof *out->head16);
    out->index16 = sm_alloc(csr->nnz, sizeof *out->index16);
    out->value = sm_alloc(csr->nnz, sizeof *out->value);
    if (!out->head16 || !out->index16 || !out->value) {
        scratch_free(&s);
        return sm_fail(SM_E_NOMEM, "no memory to pack %zu nonzeros as panels", csr->nnz);
    }
    size_t head = 0, index = 0, value = 0, segment = 0;
    for (size_t b = 0; b < out->blocks; b++) {
        const size_t rows = sm_block_rows(out, b);
        for (size_t t = 0; t < out->tiles; t++, segment++) {
            out->head_at[segment] = head;
            out->index_at[segment] = index;
            out->value_at[segment] = value;
            for (size_t r = 0; r < rows; r += mr)
                pack_panel(csr, out, &s, out->block_row[b] + r, sm_min_size(mr, rows - r),
                           t * out->kt, &head, &index, &value);
        }
    }
    out->head_at[segment] = head;
    out->index_at[segment] = index;
    out->value_at[segment] = value;
    out->index_bits = 16;
    out->bytes =
        (sm_bytes){value * sizeof(float), index * sizeof(uint16_t), head * sizeof(uint16_t)};
    scratch_free(&s);
    return SM_OK;
}

static void expand(const sm_packed *p, size_t block, size_t tile, float *dense) {
    const size_t segment = block * p->tiles + tile, mr = p->kernel->mr;
    const size_t cols = sm_min_size(p->kt, p->cols - tile * p->kt);
    const uint16_t *count = p->head16 + p->head_at[segment];
    const uint16_t *index = p->index16 + p->index_at[segment];
    const float *value = p->value + p->value_at[segment];
    for (size_t r0 = 0; r0 < sm_block_rows(p, block); r0 += mr) {
        for (unsigned pattern = 1; pattern < 1u << mr; pattern++) {
            for (uint16_t left = *count++; left > 0; left--) {
                const size_t c = *index++ * (size_t)UNIT / (p->kernel->nr * sizeof(float));
                for (size_t r = 0; r < mr; r++)
                    if (pattern >> r & 1) dense[(r0 + r) * cols + c] = *value++;
            }
        }
    }
}

static size_t max_kt(size_t nr) {
    return UINT16_MAX * (size_t)UNIT / (nr * sizeof(float)) + 1;
}

const sm_format sm_format_panel = {"panel", pack, expand, max_kt};
