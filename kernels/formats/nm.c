/* Format nm: slots. A panel has mr rows; a slot takes at most one nonzero of each row, all of them
 * within a window of mr columns, and pads the rows that have none there. Made for N:M sparsity with
 * M up to mr: its rows advance in step and nothing is padded. Other weights are held as well.
 * Per panel a 32-bit count of slots; per slot a 16-bit first column of the window and a nibble a
 * row, the column within the window (sm_nibble()), as 16-bit words; and mr values. A panel takes as
 * many slots as its longest row, or more: where lengths differ, the rows of a block are sorted by
 * length first (as in SELL-C-sigma, Kreutzer and others, 2014), see SM_ROWS_GIVEN. */
#include "formats/format.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 16 };
#define DONE UINT32_MAX

/* What the rows of a panel still have to store of a K tile. */
typedef struct pending {
    size_t rows;
    uint32_t at[MAX_ROWS], end[MAX_ROWS]; /* into csr->col and csr->val */
    uint32_t col[MAX_ROWS];               /* column of `at` within the tile, or DONE */
    uint32_t c0;
} pending;

static void advance(const sm_csr *csr, pending *p, size_t r) {
    p->col[r] = p->at[r] < p->end[r] ? csr->col[p->at[r]] - p->c0 : DONE;
}

static void start_panel(const sm_csr *csr, const sm_packed *w, uint32_t *cursor,
                        const uint32_t *row, size_t rows, size_t tile, pending *p) {
    p->rows = rows;
    p->c0 = (uint32_t)(tile * w->kt);
    for (size_t r = 0; r < rows; r++) {
        sm_row_in_tile(csr, cursor, row[r], (tile + 1) * w->kt, &p->at[r], &p->end[r]);
        advance(csr, p, r);
    }
}

/* The window begins with the first pending column: the row that is furthest behind must not wait.
 * It begins at a multiple of its width instead where no row loses by that, for then loads of X
 * cross no cache line, and ends within the tile, for a kernel loads all of it. DONE when nothing is
 * pending.
 */
static uint32_t next_window(const pending *p, size_t cols, size_t width) {
    uint32_t first = DONE, last = 0;
    for (size_t r = 0; r < p->rows; r++) first = p->col[r] < first ? p->col[r] : first;
    if (first == DONE) return DONE;
    if (cols < width) return 0;
    for (size_t r = 0; r < p->rows; r++)
        if (p->col[r] - first < width && p->col[r] > last) last = p->col[r];
    const size_t aligned = first & ~(width - 1); /* mr is a power of two */
    return (uint32_t)sm_min_size(last < aligned + width ? aligned : first, cols - width);
}

/* Words of a slot's index, and where they and the values go. */
typedef struct slots {
    size_t words, count, rows; /* rows: how many numbers of rows */
    uint16_t *index;           /* NULL: only count */
    float *value;
} slots;

/* Where the index goes on. */
static size_t index_end(const slots *s) {
    return s->rows + s->count * s->words;
}

static void pack_panel(const sm_csr *csr, const sm_packed *w, size_t tile, pending *p, slots *s) {
    const size_t mr = w->kernel->mr, cols = sm_tile_cols(w, tile);
    for (uint32_t first; (first = next_window(p, cols, mr)) != DONE; s->count++) {
        uint16_t *index = s->index ? s->index + index_end(s) : NULL;
        float *value = s->index ? s->value + s->count * mr : NULL;
        if (index) {
            memset(index, 0, s->words * sizeof *index);
            memset(value, 0, mr * sizeof *value);
            index[0] = (uint16_t)first;
        }
        for (size_t r = 0; r < p->rows; r++) {
            if (p->col[r] == DONE || p->col[r] - first >= mr) continue;
            if (index) {
                const sm_nibble n = sm_nibble_of(mr, r);
                index[1 + n.word] |= (uint16_t)((p->col[r] - first) << n.shift);
                value[r] = csr->val[p->at[r]];
            }
            p->at[r]++;
            advance(csr, p, r);
        }
    }
}

/* The numbers of a panel's rows within the block, unless they are r0, r0 + 1, ... */
static uint32_t give_rows(const uint32_t *row, size_t rows, size_t block_row, size_t r0, size_t mr,
                          slots *s) {
    int follow = 1;
    for (size_t r = 0; r < rows; r++) follow &= row[r] == block_row + r0 + r;
    if (follow) return 0;
    for (size_t r = 0; r < mr && s->index; r++)
        s->index[index_end(s) + r] = r < rows ? (uint16_t)(row[r] - block_row) : 0;
    s->rows += mr;
    return SM_ROWS_GIVEN;
}

static size_t length(const sm_csr *csr, uint32_t row) {
    return csr->row_ptr[row + 1] - csr->row_ptr[row];
}

/* The least slots of panels of rows in this order. */
static size_t least_slots(const sm_csr *csr, const uint32_t *row, size_t rows, size_t mr) {
    size_t sum = 0;
    for (size_t r0 = 0; r0 < rows; r0 += mr) {
        size_t longest = 0;
        for (size_t r = r0; r < sm_min_size(r0 + mr, rows); r++)
            if (length(csr, row[r]) > longest) longest = length(csr, row[r]);
        sum += longest;
    }
    return sum;
}

/* Slots of a block in this order, in the first K tile; all columns are in it as a rule. */
static size_t count_slots(const sm_csr *csr, const sm_packed *w, const uint32_t *row, size_t rows,
                          uint32_t *cursor) {
    const size_t mr = w->kernel->mr;
    slots s = {.words = sm_slot_words(mr)};
    for (size_t r = 0; r < rows; r++) cursor[row[r]] = csr->row_ptr[row[r]];
    for (size_t r0 = 0; r0 < rows; r0 += mr) {
        pending p;
        start_panel(csr, w, cursor, row + r0, sm_min_size(mr, rows - r0), 0, &p);
        pack_panel(csr, w, 0, &p, &s);
    }
    return s.count;
}

static int by_length(const void *a, const void *b) {
    const uint64_t p = *(const uint64_t *)a, q = *(const uint64_t *)b;
    return p < q ? -1 : p > q;
}

/* Whether so many fewer are worth it: rows of Y that do not follow each other take a panel as long
 * as some slots. */
static int pays(size_t before, size_t after, size_t panels) {
    enum { SAVED_OF = 16, SCATTERING = 8 };
    return after + SCATTERING * panels + before / SAVED_OF <= before;
}

/* The rows of a block in the order of storing: by length where that pays. key: room for as many. */
static void order_block(const sm_csr *csr, const sm_packed *w, size_t block, uint64_t *key,
                        uint32_t *order, uint32_t *cursor) {
    const size_t first = w->block_row[block], rows = sm_block_rows(w, block), mr = w->kernel->mr;
    const size_t panels = sm_ceil_div(rows, mr);
    for (size_t r = 0; r < rows; r++) {
        order[r] = (uint32_t)(first + r);
        key[r] = (uint64_t)length(csr, order[r]) << 32 | order[r];
    }
    const size_t least = least_slots(csr, order, rows, mr);
    qsort(key, rows, sizeof *key, by_length);
    for (size_t r = 0; r < rows; r++) order[r] = (uint32_t)key[r];
    const size_t sorted = pays(least, least_slots(csr, order, rows, mr), panels)
                              ? count_slots(csr, w, order, rows, cursor)
                              : SIZE_MAX;
    for (size_t r = 0; r < rows; r++) order[r] = (uint32_t)(first + r);
    if (sorted == SIZE_MAX || !pays(count_slots(csr, w, order, rows, cursor), sorted, panels))
        return;
    for (size_t r = 0; r < rows; r++) order[r] = (uint32_t)key[r];
}

static uint32_t *order_rows(const sm_csr *csr, const sm_packed *w, uint32_t *cursor) {
    uint32_t *order = sm_alloc(csr->rows, sizeof *order);
    uint64_t *key = sm_alloc(csr->rows, sizeof *key);
    for (size_t b = 0; order && key && b < w->blocks; b++)
        order_block(csr, w, b, key, order + w->block_row[b], cursor);
    if (!key) {
        sm_free(order);
        order = NULL;
    }
    sm_free(key);
    return order;
}

/* Goes over W in the order of the segments; counts slots, and stores them where s says so. */
static void walk(const sm_csr *csr, sm_packed *out, const uint32_t *order, uint32_t *cursor,
                 slots *s) {
    const size_t mr = out->kernel->mr;
    size_t head = 0, segment = 0;
    memcpy(cursor, csr->row_ptr, csr->rows * sizeof *cursor);
    for (size_t b = 0; b < out->blocks; b++) {
        const size_t rows = sm_block_rows(out, b);
        for (size_t t = 0; t < out->tiles; t++, segment++) {
            sm_begin_segment(out, segment, head, index_end(s), s->count * mr);
            for (size_t r = 0; r < rows; r += mr) {
                const size_t first = out->block_row[b], valid = sm_min_size(mr, rows - r);
                const size_t before = s->count;
                pending p;
                start_panel(csr, out, cursor, order + first + r, valid, t, &p);
                pack_panel(csr, out, t, &p, s);
                const uint32_t given = give_rows(order + first + r, valid, first, r, mr, s);
                out->head32[head++] = given | (uint32_t)(s->count - before);
            }
        }
    }
    sm_begin_segment(out, segment, head, index_end(s), s->count * mr);
}

static sm_status pack(const sm_csr *csr, sm_packed *out) {
    const size_t mr = out->kernel->mr, panels = sm_ceil_div(out->rows, mr);
    slots s = {.words = sm_slot_words(mr)};
    uint32_t *cursor = sm_alloc(csr->rows, sizeof *cursor);
    uint32_t *order = cursor ? order_rows(csr, out, cursor) : NULL;
    out->head32 = sm_alloc(panels * out->tiles, sizeof *out->head32);
    if (cursor && order && out->head32) {
        walk(csr, out, order, cursor, &s);
        s.index = out->index16 = sm_alloc(index_end(&s), sizeof *out->index16);
        s.value = out->value = sm_alloc(s.count * mr, sizeof *out->value);
    }
    if (!s.index || !s.value) {
        sm_free(cursor);
        sm_free(order);
        return sm_fail(SM_E_NOMEM, "no memory to pack %zu slots of %zu rows", s.count, mr);
    }
    s.count = s.rows = 0;
    walk(csr, out, order, cursor, &s);
    sm_free(cursor);
    sm_free(order);
    out->index_bits = 4;
    out->bytes = (sm_bytes){s.count * mr * sizeof(float), index_end(&s) * sizeof(uint16_t),
                            panels * out->tiles * sizeof(uint32_t)};
    return SM_OK;
}

static void expand(const sm_packed *p, size_t block, size_t tile, float *dense) {
    const size_t segment = block * p->tiles + tile, mr = p->kernel->mr, words = sm_slot_words(mr);
    const size_t cols = sm_tile_cols(p, tile), rows = sm_block_rows(p, block);
    const uint32_t *count = p->head32 + p->head_at[segment];
    const uint16_t *index = p->index16 + p->index_at[segment];
    const float *value = p->value + p->value_at[segment];
    for (size_t r0 = 0; r0 < rows; r0 += mr) {
        const int given = (*count & SM_ROWS_GIVEN) != 0;
        uint32_t left = *count++ & ~SM_ROWS_GIVEN;
        const uint16_t *row = given ? index + left * words : NULL;
        for (; left > 0; left--, index += words, value += mr) {
            for (size_t r = 0; r < sm_min_size(mr, rows - r0); r++) {
                const sm_nibble n = sm_nibble_of(mr, r);
                const size_t c = index[0] + (size_t)(index[1 + n.word] >> n.shift & 15);
                if (!sm_is_zero(value[r])) dense[(row ? row[r] : r0 + r) * cols + c] = value[r];
            }
        }
        if (given) index += mr;
    }
}

static size_t max_kt(const sm_kernel *kernel) {
    (void)kernel;
    return UINT16_MAX + 1;
}

const sm_format sm_format_nm = {.name = "nm", .pack = pack, .expand = expand, .max_kt = max_kt};
