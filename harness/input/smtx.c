/* Reader of DLMC's .smtx patterns, three lines of text:
 *     nrows, ncols, nnz
 *     nrows + 1 row offsets
 *     nnz column indices
 * The numbers on a line are counted before anything is allocated, so a header cannot claim more
 * memory than the file has text for. The last number must be followed by a blank or a line end:
 * otherwise a file cut within it would read as another, valid matrix. */
#include "input/smtx.h"
#include "input/input.h"
#include "input/text.h"
#include <stdlib.h>

enum { HEADER_LIMIT = 255 };

static text_span header_field(text_span *rest, int first) {
    const char *end = rest->at + rest->size, *p = rest->at;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    if (!first && p < end && *p == ',') p++;
    while (p < end && (*p == ' ' || *p == '\t')) p++;
    text_span field = {p, 0};
    while (p < end && *p != ' ' && *p != '\t' && *p != ',') p++;
    field.size = (size_t)(p - field.at);
    *rest = (text_span){p, (size_t)(end - p)};
    return field;
}

static sm_status header_number(const char *name, const char *what, text_span field, uint64_t low,
                               uint64_t high, size_t *out) {
    uint64_t n;
    const int is_number = text_number(field, &n);
    const uint64_t stored = high < UINT32_MAX ? high : UINT32_MAX;
    if (!is_number || n < low || n > stored)
        return sm_fail(is_number && n > stored && n <= high ? SM_E_LIMIT : SM_E_FORMAT,
                       "%s:1: expected %llu to %llu %s, got \"%s\"", name, (unsigned long long)low,
                       (unsigned long long)stored, what, text_show(field).s);
    *out = (size_t)n;
    return SM_OK;
}

static sm_status parse_header(const char *name, text_span line, smtx_shape *shape) {
    if (line.size == 0)
        return sm_fail(SM_E_FORMAT, "%s:1: expected \"nrows, ncols, nnz\", got an empty line",
                       name);
    if (line.size > HEADER_LIMIT)
        return sm_fail(SM_E_FORMAT, "%s:1: expected at most %d characters, got %zu", name,
                       HEADER_LIMIT, line.size);
    text_span rest = line, field[3], excess;
    for (int i = 0; i < 3; i++) field[i] = header_field(&rest, i == 0);
    if (field[0].size == 0 || field[1].size == 0 || field[2].size == 0 ||
        text_token(&rest, &excess))
        return sm_fail(SM_E_FORMAT, "%s:1: expected \"nrows, ncols, nnz\", got \"%s\"", name,
                       text_show(line).s);
    SM_TRY(header_number(name, "rows", field[0], 1, UINT64_MAX, &shape->rows));
    SM_TRY(header_number(name, "columns", field[1], 1, UINT64_MAX, &shape->cols));
    return header_number(name, "nonzeros", field[2], 0, (uint64_t)shape->rows * shape->cols,
                         &shape->nnz);
}

static sm_status expect_count(const char *name, int line_number, const char *what, size_t expected,
                              text_span line, int complete) {
    const size_t got = text_token_count(line);
    if (got != expected)
        return sm_fail(SM_E_FORMAT, "%s:%d: expected %zu %s, got %zu", name, line_number, expected,
                       what, got);
    const char last = line.size > 0 ? line.at[line.size - 1] : ' ';
    if (!complete && last != ' ' && last != '\t')
        return sm_fail(SM_E_FORMAT,
                       "%s:%d: expected a line end after the last number, got the end of the file",
                       name, line_number);
    return SM_OK;
}

static sm_status expect_end(const char *name, text_span rest) {
    text_span line, token;
    for (int number = 4; text_line(&rest, &line); number++)
        if (text_token(&line, &token))
            return sm_fail(SM_E_FORMAT, "%s:%d: expected the end of the file, got \"%s\"", name,
                           number, text_show(token).s);
    return SM_OK;
}

static sm_status parse_offsets(const char *name, text_span line, sm_csr *csr) {
    text_span token;
    for (size_t r = 0; r <= csr->rows && text_token(&line, &token); r++) {
        const uint64_t low = r == 0 ? 0 : r == csr->rows ? csr->nnz : csr->row_ptr[r - 1];
        const uint64_t high = r == 0 ? 0 : csr->nnz;
        uint64_t n;
        if (!text_number(token, &n) || n < low || n > high)
            return low == high
                       ? sm_fail(SM_E_FORMAT, "%s:2: row offset %zu: expected %llu, got %s", name,
                                 r, (unsigned long long)low, text_show(token).s)
                       : sm_fail(SM_E_FORMAT, "%s:2: row offset %zu: expected %llu to %llu, got %s",
                                 name, r, (unsigned long long)low, (unsigned long long)high,
                                 text_show(token).s);
        csr->row_ptr[r] = (uint32_t)n;
    }
    return SM_OK;
}

static sm_status parse_columns(const char *name, text_span line, sm_csr *csr) {
    text_span token;
    for (size_t r = 0; r < csr->rows; r++) {
        const uint32_t begin = csr->row_ptr[r], end = csr->row_ptr[r + 1];
        for (uint32_t i = begin; i < end && text_token(&line, &token); i++) {
            uint64_t n;
            if (!text_number(token, &n) || n >= csr->cols)
                return sm_fail(SM_E_FORMAT,
                               "%s:3: column index %u (row %zu): expected 0 to %zu, got %s", name,
                               i, r, csr->cols - 1, text_show(token).s);
            if (i > begin && n <= csr->col[i - 1])
                return sm_fail(SM_E_FORMAT,
                               "%s:3: column index %u (row %zu): expected more than %u, got %llu",
                               name, i, r, csr->col[i - 1], (unsigned long long)n);
            csr->col[i] = (uint32_t)n;
            csr->val[i] = 1.0f;
        }
    }
    return SM_OK;
}

sm_status sm_smtx_parse(const char *name, const char *text, size_t size, sm_csr *out) {
    *out = (sm_csr){0};
    text_span rest = {text, size}, header, offsets, columns;
    smtx_shape shape = {0};
    text_line(&rest, &header);
    SM_TRY(parse_header(name, header, &shape));
    text_line(&rest, &offsets);
    SM_TRY(expect_count(name, 2, "row offsets", shape.rows + 1, offsets,
                        offsets.at + offsets.size < text + size));
    text_line(&rest, &columns);
    SM_TRY(expect_count(name, 3, "column indices", shape.nnz, columns,
                        columns.at + columns.size < text + size));
    SM_TRY(expect_end(name, rest));
    sm_csr csr;
    SM_TRY(sm_csr_alloc(shape.rows, shape.cols, shape.nnz, &csr));
    sm_status status = parse_offsets(name, offsets, &csr);
    if (status == SM_OK) status = parse_columns(name, columns, &csr);
    if (status == SM_OK)
        *out = csr;
    else
        sm_csr_free(&csr);
    return status;
}

sm_status sm_smtx_read(const char *path, sm_csr *out) {
    char *text;
    size_t size;
    uint64_t file_size;
    *out = (sm_csr){0};
    SM_TRY(text_read(path, SIZE_MAX - 1, &text, &size, &file_size));
    const sm_status status = sm_smtx_parse(path, text, size, out);
    free(text);
    return status;
}

static sm_status check_size(const char *path, const smtx_shape *shape, uint64_t file_size) {
    /* A digit and a separator for every number. */
    const uint64_t least = 2 * ((uint64_t)shape->rows + 1 + shape->nnz);
    if (file_size < least)
        return sm_fail(SM_E_FORMAT,
                       "%s: expected at least %llu bytes for %zu row offsets and %zu column "
                       "indices, got %llu",
                       path, (unsigned long long)least, shape->rows + 1, shape->nnz,
                       (unsigned long long)file_size);
    return SM_OK;
}

sm_status smtx_read_shape(const char *path, smtx_shape *shape) {
    char *text;
    size_t size;
    uint64_t file_size;
    SM_TRY(text_read(path, HEADER_LIMIT + 2, &text, &size, &file_size));
    text_span rest = {text, size}, header;
    text_line(&rest, &header);
    sm_status status = parse_header(path, header, shape);
    if (status == SM_OK) status = check_size(path, shape, file_size);
    free(text);
    return status;
}
