/* Format sell: sliced ELLPACK with rows sorted by length (SELL-C-sigma, Kreutzer and others, 2014;
 * C is mr, sigma a whole segment), whose rows are paired so that two rows share columns. The rows
 * of a segment are ordered by their nonzeros in its K tile; each in turn takes as its partner the
 * row, among the next PARTNERS, with most columns in common. Groups of mr / 2 pairs are padded to
 * their longest row with zero weights of the tile's first column, and stored in steps of one
 * nonzero of each row: a shared step has one column for each pair, a single step one for each row.
 *
 * Per group 2 + mr 16-bit words: the turns (a shared step, then a single one), the single steps
 * behind them, and the rows, counted from the block's first. Offsets are 16 bits, in units of
 * SM_INDEX_UNIT bytes, or of columns for kernels that read X in place: mr / 2 a shared step, mr a
 * single one, and SM_OFFSETS_AHEAD behind the last; values are mr a step. At most half of the steps
 * are shared: more would not make a kernel faster. */
#include "formats/format.h"
#include <stdlib.h>
#include <string.h>

enum { PARTNERS = 64 };

/* Two rows, the longer one first. */
typedef struct pair {
    uint32_t row[2];
    uint16_t steps, shared; /* nonzeros of the longer one; columns that both use */
} pair;

/* A segment's rows. */
typedef struct order {
    uint32_t *begin, *end; /* the nonzeros of a row in this tile */
    uint32_t *row;         /* in the order of storing; padded to whole groups */
    uint32_t *first;       /* of each length, for counting; kt + 2 */
    pair *pairs;
    uint64_t *bits; /* the columns that a row uses, `words` a row, */
    uint64_t *both; /* and those of the shared steps of a pair */
    size_t words;
} order;

/* Where one is in the streams. */
typedef struct place {
    size_t head, index, value;
} place;

static void order_free(order *o) {
    sm_free(o->begin);
    sm_free(o->end);
    sm_free(o->row);
    sm_free(o->first);
    sm_free(o->pairs);
    sm_free(o->bits);
    sm_free(o->both);
}

static int order_alloc(const sm_packed *p, order *o) {
    const size_t rows = p->mc, words = sm_ceil_div(p->kt, 64);
    *o = (order){.begin = sm_alloc(rows, sizeof *o->begin),
                 .end = sm_alloc(rows, sizeof *o->end),
                 .row = sm_alloc(rows, sizeof *o->row),
                 .first = sm_alloc(p->kt + 2, sizeof *o->first),
                 .pairs = sm_alloc(rows / 2, sizeof *o->pairs),
                 .bits = sm_alloc(rows * words, sizeof *o->bits),
                 .both = sm_alloc(words, sizeof *o->both),
                 .words = words};
    return o->begin && o->end && o->row && o->first && o->pairs && o->bits && o->both;
}

/* Rows of a block, those included that complete the last group. */
static size_t whole_groups(const sm_packed *p, size_t block) {
    return sm_round_up(sm_block_rows(p, block), p->kernel->mr);
}

static size_t length(const order *o, size_t row) {
    return o->end[row] - o->begin[row];
}

/* Where the rows' nonzeros are, and in which columns; rows beyond the block's last have none. */
static void take_rows(const sm_csr *csr, const sm_packed *p, uint32_t *cursor, size_t block,
                      size_t tile, order *o) {
    const size_t rows = sm_block_rows(p, block), padded = whole_groups(p, block);
    const size_t col0 = tile * p->kt, above = p->block_row[block];
    memset(o->bits, 0, padded * o->words * sizeof *o->bits);
    for (size_t r = 0; r < rows; r++) {
        uint64_t *bits = o->bits + r * o->words;
        sm_row_in_tile(csr, cursor, above + r, col0 + p->kt, &o->begin[r], &o->end[r]);
        for (uint32_t i = o->begin[r]; i < o->end[r]; i++) {
            const size_t col = csr->col[i] - col0;
            bits[col / 64] |= (uint64_t)1 << col % 64;
        }
    }
    for (size_t r = rows; r < padded; r++) o->begin[r] = o->end[r] = 0;
}

/* Longest first, equals in their old order. */
static void sort_rows(order *o, size_t rows, size_t cols) {
    memset(o->first, 0, (cols + 2) * sizeof *o->first);
    for (size_t r = 0; r < rows; r++) o->first[cols - length(o, r) + 1]++;
    for (size_t i = 1; i <= cols + 1; i++) o->first[i] += o->first[i - 1];
    for (size_t r = 0; r < rows; r++) o->row[o->first[cols - length(o, r)]++] = (uint32_t)r;
}

/* Set bits of a word. */
static unsigned count_bits(uint64_t x) {
    x -= x >> 1 & 0x5555555555555555;
    x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (unsigned)(x * 0x0101010101010101 >> 56);
}

/* Columns that both rows use. */
static size_t shared(const order *o, size_t a, size_t b) {
    const uint64_t *x = o->bits + a * o->words, *y = o->bits + b * o->words;
    size_t n = 0;
    for (size_t i = 0; i < o->words; i++) n += count_bits(x[i] & y[i]);
    return n;
}

/* Moves the best partner of row[0] to row[1]; the others keep their order. A column in common saves
 * half a load of each of two rows, a missing nonzero costs a multiplication. */
static void pair_first(const order *o, uint32_t *row, size_t count) {
    const ptrdiff_t longest = (ptrdiff_t)length(o, row[0]);
    ptrdiff_t best = PTRDIFF_MIN;
    size_t at = 1;
    for (size_t j = 1; j < count && j <= PARTNERS && best < longest / 2; j++) {
        const ptrdiff_t missing = longest - (ptrdiff_t)length(o, row[j]);
        const ptrdiff_t gain = (ptrdiff_t)shared(o, row[0], row[j]) - 2 * missing;
        if (gain <= best) continue;
        best = gain;
        at = j;
    }
    const uint32_t partner = row[at];
    memmove(row + 2, row + 1, (at - 1) * sizeof *row);
    row[1] = partner;
}

static int by_sharing(const void *a, const void *b) {
    const pair *p = a, *q = b;
    if (p->steps != q->steps) return p->steps > q->steps ? -1 : 1;
    if (p->shared != q->shared) return p->shared > q->shared ? -1 : 1;
    return (p->row[0] > q->row[0]) - (p->row[0] < q->row[0]);
}

/* Pairs that share as much become neighbours: a group has as many turns as the one of its pairs
 * that shares least. */
static void sort_pairs(order *o, size_t rows) {
    for (size_t i = 0; i < rows / 2; i++) {
        const uint32_t *row = o->row + 2 * i;
        o->pairs[i] = (pair){
            {row[0], row[1]}, (uint16_t)length(o, row[0]), (uint16_t)shared(o, row[0], row[1])};
    }
    qsort(o->pairs, rows / 2, sizeof *o->pairs, by_sharing);
    for (size_t i = 0; i < rows; i++) o->row[i] = o->pairs[i / 2].row[i % 2];
}

/* Groups of as many turns and steps follow each other, so that a core foresees where loops end. */
static int by_steps(const void *a, const void *b) {
    const uint16_t *p = a, *q = b;
    if (p[0] != q[0]) return p[0] > q[0] ? -1 : 1;
    if (p[1] != q[1]) return p[1] > q[1] ? -1 : 1;
    return (p[2] > q[2]) - (p[2] < q[2]);
}

/* Decides the order of a segment's rows and what a group stores: writes the heads. */
static void plan_segment(sm_packed *p, order *o, size_t block, size_t tile, place *at) {
    const size_t rows = sm_block_rows(p, block), padded = whole_groups(p, block);
    const size_t mr = p->kernel->mr, head_words = SM_SELL_COUNTS + mr;
    sort_rows(o, rows, sm_tile_cols(p, tile));
    for (size_t r = rows; r < padded; r++) o->row[r] = (uint32_t)r;
    for (size_t i = 0; i < padded; i += 2) pair_first(o, o->row + i, padded - i);
    sort_pairs(o, padded);
    uint16_t *head = p->head16 + at->head;
    for (size_t i = 0; i < padded; i += mr, head += head_words) {
        const uint32_t *row = o->row + i;
        const pair *pairs = o->pairs + i / 2;
        const size_t steps = pairs->steps;
        size_t turns = steps / 2;
        for (size_t q = 0; q < mr / 2; q++) turns = sm_min_size(turns, pairs[q].shared);
        head[0] = (uint16_t)turns;
        head[1] = (uint16_t)(steps - 2 * turns);
        for (size_t r = 0; r < mr; r++) head[SM_SELL_COUNTS + r] = (uint16_t)row[r];
        at->index += steps * mr - turns * mr / 2;
        at->value += steps * mr;
    }
    qsort(p->head16 + at->head, padded / mr, head_words * sizeof *head, by_steps);
    at->head += padded / mr * head_words;
}

/* Where the columns and weights of a group's steps are. */
typedef struct group {
    size_t mr, turns, singles; /* single steps, those of the turns included */
    uint16_t *index;
    float *value;
} group;

static group group_at(const sm_packed *p, const uint16_t *head, uint16_t *index, float *value) {
    return (group){p->kernel->mr, head[0], (size_t)head[0] + head[1], index, value};
}
static size_t shared_index(const group *g, size_t step) {
    return step * g->mr * 3 / 2;
}
static size_t shared_value(const group *g, size_t step) {
    return step * g->mr * 2;
}
static size_t single_index(const group *g, size_t step) {
    return step * g->mr + sm_min_size(step + 1, g->turns) * g->mr / 2;
}
static size_t single_value(const group *g, size_t step) {
    return (step + sm_min_size(step + 1, g->turns)) * g->mr;
}
/* Moves on to where the next group begins. */
static void pass(group *g) {
    g->index += single_index(g, g->singles);
    g->value += single_value(g, g->singles);
}

/* Finds the columns of a pair's shared steps: the first `turns` that both rows use. */
static void take_shared(order *o, size_t a, size_t b, size_t turns) {
    const uint64_t *x = o->bits + a * o->words, *y = o->bits + b * o->words;
    for (size_t i = 0; i < o->words; i++) {
        o->both[i] = x[i] & y[i];
        size_t n = count_bits(o->both[i]);
        for (; n > turns; n--) o->both[i] ^= (uint64_t)1 << (63 - __builtin_clzll(o->both[i]));
        turns -= n;
    }
}

/* Stores row `row` of the block as row r of a group. Whether a nonzero goes to a shared or to a
 * single step is a coin toss: arithmetic instead of branches. */
static void fill_row(const sm_csr *csr, const sm_packed *p, const order *o, size_t row, size_t r,
                     size_t col0, const group *g) {
    const size_t unit = sm_column_unit(p);
    size_t both = 0, alone = 0;
    for (uint32_t i = o->begin[row]; i < o->end[row]; i++) {
        const size_t col = csr->col[i] - col0;
        const size_t in_both = o->both[col / 64] >> col % 64 & 1;
        const size_t single_at = single_index(g, alone) + r, single_to = single_value(g, alone) + r;
        const size_t shared_at = shared_index(g, both) + r / 2,
                     shared_to = shared_value(g, both) + r;
        g->index[single_at + in_both * (shared_at - single_at)] = (uint16_t)(col * unit);
        g->value[single_to + in_both * (shared_to - single_to)] = csr->val[i];
        both += in_both;
        alone += 1 - in_both;
    }
    for (; alone < g->singles; alone++) {
        g->index[single_index(g, alone) + r] = 0;
        g->value[single_value(g, alone) + r] = 0.0f;
    }
}

/* Stores a segment as its heads say. */
static void fill_segment(const sm_csr *csr, sm_packed *p, order *o, size_t segment, size_t tile) {
    const uint16_t *head = p->head16 + p->head_at[segment];
    const uint16_t *end = p->head16 + p->head_at[segment + 1];
    const size_t mr = p->kernel->mr;
    group g = {.index = p->index16 + p->index_at[segment],
               .value = p->value + p->value_at[segment]};
    for (; head < end; head += SM_SELL_COUNTS + mr) {
        g = group_at(p, head, g.index, g.value);
        for (size_t r = 0; r < mr; r++) {
            const uint16_t *row = head + SM_SELL_COUNTS + r;
            if (r % 2 == 0) take_shared(o, row[0], row[1], g.turns);
            fill_row(csr, p, o, *row, r, tile * p->kt, &g);
        }
        pass(&g);
    }
}

/* Visits every segment: plans it (there are no streams yet) or fills it. */
static place walk(const sm_csr *csr, sm_packed *p, uint32_t *cursor, order *o) {
    place at = {0};
    size_t segment = 0;
    memcpy(cursor, csr->row_ptr, csr->rows * sizeof *cursor);
    for (size_t b = 0; b < p->blocks; b++) {
        for (size_t t = 0; t < p->tiles; t++, segment++) {
            take_rows(csr, p, cursor, b, t, o);
            if (p->value) {
                fill_segment(csr, p, o, segment, t);
            } else {
                sm_begin_segment(p, segment, at.head, at.index, at.value);
                plan_segment(p, o, b, t, &at);
            }
        }
    }
    if (p->value) {
        memset(p->index16 + p->index_at[segment] - SM_OFFSETS_AHEAD, 0,
               SM_OFFSETS_AHEAD * sizeof *p->index16);
    } else {
        at.index += SM_OFFSETS_AHEAD;
        sm_begin_segment(p, segment, at.head, at.index, at.value);
    }
    return at;
}

static size_t count_groups(const sm_packed *p) {
    size_t groups = 0;
    for (size_t b = 0; b < p->blocks; b++) groups += whole_groups(p, b) / p->kernel->mr;
    return groups;
}

static sm_status pack(const sm_csr *csr, sm_packed *out) {
    const size_t heads = count_groups(out) * out->tiles * (SM_SELL_COUNTS + out->kernel->mr);
    order o;
    uint32_t *cursor = sm_alloc(csr->rows, sizeof *cursor);
    out->head16 = sm_alloc(heads, sizeof *out->head16);
    int have = order_alloc(out, &o) && cursor && out->head16;
    if (have) {
        const place end = walk(csr, out, cursor, &o);
        out->index16 = sm_alloc(end.index, sizeof *out->index16);
        out->value = sm_alloc(end.value, sizeof *out->value);
        have = out->index16 && out->value;
        out->index_bits = 16;
        out->bytes = (sm_bytes){end.value * sizeof(float), end.index * sizeof(uint16_t),
                                heads * sizeof(uint16_t)};
    }
    if (have) (void)walk(csr, out, cursor, &o);
    order_free(&o);
    sm_free(cursor);
    if (!have) return sm_fail(SM_E_NOMEM, "no memory to pack %zu nonzeros as sell", csr->nnz);
    return SM_OK;
}

static void expand(const sm_packed *p, size_t block, size_t tile, float *dense) {
    const size_t segment = block * p->tiles + tile, mr = p->kernel->mr;
    const size_t cols = sm_tile_cols(p, tile), unit = sm_column_unit(p);
    const uint16_t *head = p->head16 + p->head_at[segment];
    const uint16_t *end = p->head16 + p->head_at[segment + 1];
    group g = {.index = p->index16 + p->index_at[segment],
               .value = p->value + p->value_at[segment]};
    for (; head < end; head += SM_SELL_COUNTS + mr) {
        g = group_at(p, head, g.index, g.value);
        for (size_t r = 0; r < mr; r++) {
            float *row = dense + head[SM_SELL_COUNTS + r] * cols;
            for (size_t i = 0; i < g.turns; i++)
                row[g.index[shared_index(&g, i) + r / 2] / unit] = g.value[shared_value(&g, i) + r];
            for (size_t i = 0; i < g.singles; i++) {
                const float value = g.value[single_value(&g, i) + r];
                if (!sm_is_zero(value)) row[g.index[single_index(&g, i) + r] / unit] = value;
            }
        }
        pass(&g);
    }
}

const sm_format sm_format_sell = {
    .name = "sell", .pack = pack, .expand = expand, .max_kt = sm_offset_max_kt};
