/* What all formats share: cutting W into segments, allocation, unpacking through a dense segment.
 */
#include "core.h"
#include "formats/format.h"
#include <string.h>

/* A row costs its nonzeros and about as much as ROW_COST of them for its accumulators; for formats
 * that pad it is an estimate. */
enum { ROW_COST = 4 };

static double cost_above(const sm_csr *csr, int alike, size_t row) {
    return alike ? (double)row : (double)csr->row_ptr[row] + ROW_COST * (double)row;
}

/* First row of part i: the multiple of mr nearest to its share of the cost. */
static size_t part_row(const sm_csr *csr, int alike, size_t mr, size_t i, size_t parts) {
    const double target = cost_above(csr, alike, csr->rows) * (double)i / (double)parts;
    size_t low = 0, high = sm_ceil_div(csr->rows, mr); /* panels */
    if (i == parts) return csr->rows;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        const size_t row = sm_min_size((2 * middle + 1) * mr / 2, csr->rows); /* of its middle */
        if (cost_above(csr, alike, row) < target)
            low = middle + 1;
        else
            high = middle;
    }
    return sm_min_size(low * mr, csr->rows);
}

/* Fills parts, blocks and their rows. */
static sm_status cut_rows(const sm_csr *csr, size_t parts, sm_packed *p) {
    const size_t mr = p->kernel->mr;
    const int alike = sm_format_of(p->kernel)->rows_alike;
    p->parts = sm_min_size(parts, sm_ceil_div(p->rows, mr));
    p->part_block = sm_alloc(p->parts + 1, sizeof *p->part_block);
    p->block_row = sm_alloc(p->rows / p->mc + p->parts + 2, sizeof *p->block_row);
    if (!p->part_block || !p->block_row)
        return sm_fail(SM_E_NOMEM, "%s: no memory for %zu parts", p->kernel->name, p->parts);
    for (size_t i = 0; i < p->parts; i++) {
        const size_t end = part_row(csr, alike, mr, i + 1, p->parts);
        size_t row = part_row(csr, alike, mr, i, p->parts);
        p->part_block[i] = p->blocks;
        for (size_t left = sm_ceil_div(end - row, p->mc); left > 0; left--) {
            p->block_row[p->blocks++] = row;
            row += sm_ceil_div(sm_ceil_div(end - row, mr), left) * mr;
        }
    }
    p->part_block[p->parts] = p->blocks;
    p->block_row[p->blocks] = p->rows;
    return SM_OK;
}

void sm_packed_free(sm_packed *p) {
    sm_free(p->block_row);
    sm_free(p->part_block);
    sm_free(p->head_at);
    sm_free(p->index_at);
    sm_free(p->value_at);
    sm_free(p->head16);
    sm_free(p->head32);
    sm_free(p->index16);
    sm_free(p->index32);
    sm_free(p->value);
    *p = (sm_packed){0};
}

sm_status sm_pack(const sm_csr *csr, const sm_kernel *kernel, size_t kt, size_t mc, size_t parts,
                  sm_packed *out) {
    const sm_format *format = sm_format_of(kernel);
    *out = (sm_packed){0};
    if (csr->rows == 0 || csr->cols == 0)
        return sm_fail(SM_E_ARG, "matrix of %zu x %zu: expected at least one row and one column",
                       csr->rows, csr->cols);
    if (kt > format->max_kt(kernel))
        return sm_fail(SM_E_LIMIT, "%s: K tile of %zu columns: expected at most %zu", kernel->name,
                       kt, format->max_kt(kernel));
    sm_packed p = {.kernel = kernel, .rows = csr->rows, .cols = csr->cols, .nnz = csr->nnz};
    p.in_place = sm_reads_in_place(kernel);
    p.by_columns = sm_by_columns(kernel);
    p.kt = sm_min_size(kt, csr->cols);
    const size_t rows = sm_min_size(sm_min_size(mc, SM_MAX_BLOCK_ROWS), csr->rows);
    p.mc = sm_round_up(rows, kernel->mr);
    p.tiles = sm_ceil_div(p.cols, p.kt);
    p.intel = sm_core_of_intel();
    p.ask_from = sm_core_ask_from(&p, p.intel);
    p.ask_y = sm_core_ask_y(p.intel);
    p.strips = sm_core_strips(kernel, p.intel);
    const sm_status cut = cut_rows(csr, parts, &p);
    if (cut != SM_OK) {
        sm_packed_free(&p);
        return cut;
    }
    const size_t segments = p.blocks * p.tiles;
    p.head_at = sm_alloc(segments + 1, sizeof *p.head_at);
    p.index_at = sm_alloc(segments + 1, sizeof *p.index_at);
    p.value_at = sm_alloc(segments + 1, sizeof *p.value_at);
    sm_status status = SM_OK;
    if (!p.head_at || !p.index_at || !p.value_at)
        status = sm_fail(SM_E_NOMEM, "%s: no memory for %zu segments", kernel->name, segments);
    if (status == SM_OK) status = format->pack(csr, &p);
    if (status != SM_OK) {
        sm_packed_free(&p);
        return status;
    }
    p.bytes.pointers += (3 * (segments + 1) + p.blocks + p.parts + 2) * sizeof(size_t);
    p.ask_w = sm_core_ask_w((double)sm_packed_bytes(&p), p.intel);
    *out = p;
    return SM_OK;
}

/* Calls format->expand on every segment; pass 0 counts the nonzeros of each row, pass 1 places
 * them. Tiles come in order of k, so a cursor a row keeps columns sorted. */
static void gather(const sm_packed *p, float *segment, uint32_t *cursor, sm_csr *out, int place) {
    const sm_format *format = sm_format_of(p->kernel);
    for (size_t b = 0; b < p->blocks; b++) {
        const size_t rows = sm_block_rows(p, b);
        for (size_t t = 0; t < p->tiles; t++) {
            const size_t c0 = t * p->kt, cols = sm_tile_cols(p, t);
            memset(segment, 0, rows * cols * sizeof *segment);
            format->expand(p, b, t, segment);
            for (size_t r = 0; r < rows; r++) {
                uint32_t *at = &cursor[p->block_row[b] + r];
                for (size_t c = 0; c < cols; c++) {
                    const float v = segment[r * cols + c];
                    if (sm_is_zero(v)) continue;
                    if (place) {
                        out->col[*at] = (uint32_t)(c0 + c);
                        out->val[*at] = v;
                    }
                    ++*at;
                }
            }
        }
    }
}

sm_status sm_unpack(const sm_packed *p, sm_csr *out) {
    SM_TRY(sm_csr_alloc(p->rows, p->cols, p->nnz, out));
    float *segment = sm_alloc(p->mc * p->kt, sizeof *segment);
    uint32_t *cursor = sm_alloc(p->rows, sizeof *cursor);
    if (!segment || !cursor) {
        sm_free(segment);
        sm_free(cursor);
        sm_csr_free(out);
        return sm_fail(SM_E_NOMEM, "no memory to unpack %zu x %zu weights", p->rows, p->cols);
    }
    memset(cursor, 0, p->rows * sizeof *cursor);
    gather(p, segment, cursor, out, 0);
    for (size_t r = 0; r < p->rows; r++) {
        out->row_ptr[r + 1] = out->row_ptr[r] + cursor[r];
        cursor[r] = out->row_ptr[r];
    }
    gather(p, segment, cursor, out, 1);
    sm_free(segment);
    sm_free(cursor);
    return SM_OK;
}
