/* Format sell: sliced ELLPACK with rows sorted by length (SELL-C-sigma, Kreutzer and others, 2014;
 * C is mr, sigma a whole segment). The rows of a segment are ordered by their nonzeros in its K
 * tile and cut into groups of mr, which then differ by little: each is padded to its longest row
 * with zero weights of the tile's first column. Per group a 16-bit length and the mr rows, counted
 * from the block's first; then per position one offset into the strip a row, in units of
 * sm_index_unit() bytes, and one value a row. */
#include "packed.h"
#include <string.h>

enum { MAX_ROWS = 1 << 16 }; /* of a block: rows are 16 bits */

/* A segment's rows in the order in which they are stored. */
typedef struct order {
    uint32_t *begin, *end; /* the nonzeros of a row in this tile */
    uint32_t *row;         /* longest first, equals in their old order; padded to whole groups */
    uint32_t *first;       /* of each length, for counting; kt + 2 */
} order;

static void order_free(order *o) {
    sm_free(o->begin);
    sm_free(o->end);
    sm_free(o->row);
    sm_free(o->first);
}

static int order_alloc(const sm_packed *p, order *o) {
    const size_t rows = p->mc;
    *o = (order){sm_alloc(rows, sizeof *o->begin), sm_alloc(rows, sizeof *o->end),
                 sm_alloc(rows, sizeof *o->row), sm_alloc(p->kt + 2, sizeof *o->first)};
    return o->begin && o->end && o->row && o->first;
}

/* Rows beyond the block's last have no nonzeros and come last. */
static void sort_rows(const sm_csr *csr, const sm_packed *p, uint32_t *cursor, size_t block,
                      size_t tile, order *o) {
    const size_t rows = sm_block_rows(p, block), cols = sm_tile_cols(p, tile);
    const size_t padded = sm_ceil_div(rows, p->kernel->mr) * p->kernel->mr;
    memset(o->first, 0, (cols + 2) * sizeof *o->first);
    for (size_t r = 0; r < rows; r++) {
        sm_row_in_tile(csr, cursor, p->block_row[block] + r, (tile + 1) * p->kt, &o->begin[r],
                       &o->end[r]);
        o->first[cols - (o->end[r] - o->begin[r]) + 1]++;
    }
    for (size_t r = rows; r < padded; r++) o->begin[r] = o->end[r] = 0;
    for (size_t i = 1; i <= cols + 1; i++) o->first[i] += o->first[i - 1];
    for (size_t r = 0; r < rows; r++)
        o->row[o->first[cols - (o->end[r] - o->begin[r])]++] = (uint32_t)r;
    for (size_t r = rows; r < padded; r++) o->row[r] = (uint32_t)r;
}

/* Stores group g of the segment; the streams' ends move on. */
static void pack_group(const sm_csr *csr, sm_packed *p, const order *o, size_t g, size_t tile,
                       size_t *head, size_t *at) {
    const size_t mr = p->kernel->mr;
    const uint32_t *row = o->row + g * mr;
    const size_t length = o->end[row[0]] - o->begin[row[0]];
    uint16_t *h = p->head16 + *head;
    *h++ = (uint16_t)length;
    for (size_t r = 0; r < mr; r++) {
        uint16_t *index = p->index16 + *at + r;
        float *value = p->value + *at + r;
        const uint32_t begin = o->begin[row[r]], size = o->end[row[r]] - begin;
        h[r] = (uint16_t)row[r];
        for (size_t i = 0; i < length; i++) {
            const size_t k = i < size ? csr->col[begin + i] - tile * p->kt : 0;
            index[i * mr] = sm_offset_of(k, p->kernel->nr);
            value[i * mr] = i < size ? csr->val[begin + i] : 0.0f;
        }
    }
    *head += 1 + mr;
    *at += length * mr;
}

/* Visits every segment: counts what will be stored (p->value is NULL) or stores it. */
static size_t walk(const sm_csr *csr, sm_packed *p, uint32_t *cursor, order *o) {
    const size_t mr = p->kernel->mr;
    size_t head = 0, at = 0, segment = 0;
    memcpy(cursor, csr->row_ptr, csr->rows * sizeof *cursor);
    for (size_t b = 0; b < p->blocks; b++) {
        for (size_t t = 0; t < p->tiles; t++, segment++) {
            p->head_at[segment] = head;
            p->index_at[segment] = p->value_at[segment] = at;
            sort_rows(csr, p, cursor, b, t, o);
            for (size_t g = 0; g < sm_ceil_div(sm_block_rows(p, b), mr); g++) {
                const uint32_t longest = o->row[g * mr];
                if (p->value)
                    pack_group(csr, p, o, g, t, &head, &at);
                else
                    at += (o->end[longest] - o->begin[longest]) * mr;
            }
        }
    }
    p->head_at[segment] = head;
    p->index_at[segment] = p->value_at[segment] = at;
    return at;
}

static sm_status pack(const sm_csr *csr, sm_packed *out) {
    const size_t mr = out->kernel->mr, groups = sm_ceil_div(out->rows, mr);
    order o;
    if (out->mc > MAX_ROWS)
        return sm_fail(SM_E_LIMIT, "%s: row blocks of %zu rows: expected at most %d",
                       out->kernel->name, out->mc, MAX_ROWS);
    uint32_t *cursor = sm_alloc(csr->rows, sizeof *cursor);
    int have = order_alloc(out, &o) && cursor;
    if (have) {
        const size_t stored = walk(csr, out, cursor, &o);
        out->head16 = sm_alloc(groups * out->tiles * (1 + mr), sizeof *out->head16);
        out->index16 = sm_alloc(stored, sizeof *out->index16);
        out->value = sm_alloc(stored, sizeof *out->value);
        have = out->head16 && out->index16 && out->value;
    }
    if (have) {
        const size_t stored = walk(csr, out, cursor, &o);
        const size_t heads = out->head_at[out->blocks * out->tiles];
        out->index_bits = 16;
        out->bytes =
            (sm_bytes){stored * sizeof(float), stored * sizeof(uint16_t), heads * sizeof(uint16_t)};
    }
    order_free(&o);
    sm_free(cursor);
    if (!have) return sm_fail(SM_E_NOMEM, "no memory to pack %zu nonzeros as sell", csr->nnz);
    return SM_OK;
}

static void expand(const sm_packed *p, size_t block, size_t tile, float *dense) {
    const size_t segment = block * p->tiles + tile, mr = p->kernel->mr;
    const size_t cols = sm_tile_cols(p, tile);
    const uint16_t *head = p->head16 + p->head_at[segment];
    const uint16_t *end = p->head16 + p->head_at[segment + 1];
    const uint16_t *index = p->index16 + p->index_at[segment];
    const float *value = p->value + p->value_at[segment];
    for (; head < end; head += 1 + mr)
        for (size_t i = 0; i < head[0] * mr; i++, index++, value++)
            if (*value != 0.0f)
                dense[head[1 + i % mr] * cols + sm_offset_column(*index, p->kernel->nr)] = *value;
}

const sm_format sm_format_sell = {
    .name = "sell", .pack = pack, .expand = expand, .max_kt = sm_offset_max_kt};
