/* Reader of Matrix Market files:
 *     %%MatrixMarket matrix coordinate|array real|integer|pattern general|symmetric
 *     % comments
 *     rows columns entries          (array: rows columns)
 *     row column value              (from 1 on; pattern: no value; array: the values alone)
 * Nothing is allocated before the text is known to be long enough for what the header claims. The
 * last number must be followed by a line end, as in a .smtx file. Limit: parsing numbers. */
#include "input/mtx.h"
#include "input/text.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* SIZE_LIMIT bounds what a header alone can make a reader allocate: rows without entries need no
 * text. */
enum { SIZE_LIMIT = 1 << 24, PREFIX = 1 << 20, NUMBER = 63 };

typedef struct reader {
    const char *name;
    const char *end;
    text_span rest, line; /* what is left of the text, and of the current line */
    size_t number;        /* of the current line */
} reader;

typedef struct entry {
    uint32_t row, col;
    float value;
} entry;

static int next_line(reader *r) {
    if (!text_line(&r->rest, &r->line)) return 0;
    r->number++;
    return 1;
}

/* Goes to the next line with something on it. */
static int next_full_line(reader *r, int comments) {
    while (next_line(r)) {
        text_span rest = r->line, token;
        if (comments && r->line.size > 0 && *r->line.at == '%') continue;
        if (text_token(&rest, &token)) return 1;
    }
    return 0;
}

static int is_word(text_span token, const char *word) {
    return token.size == strlen(word) && strncasecmp(token.at, word, token.size) == 0;
}

static sm_status read_banner(reader *r, mtx_header *h) {
    text_span word[5] = {{0}}, excess;
    next_line(r);
    const text_span line = r->line;
    int good = 1;
    for (int i = 0; i < 5; i++) good = good && text_token(&r->line, &word[i]);
    good = good && !text_token(&r->line, &excess) && is_word(word[0], "%%MatrixMarket") &&
           is_word(word[1], "matrix");
    h->array = is_word(word[2], "array");
    h->pattern = is_word(word[3], "pattern");
    h->integer = is_word(word[3], "integer");
    h->symmetric = is_word(word[4], "symmetric");
    good = good && (h->array || is_word(word[2], "coordinate")) &&
           ((h->pattern && !h->array) || h->integer || is_word(word[3], "real")) &&
           (h->symmetric || is_word(word[4], "general"));
    if (!good)
        return sm_fail(SM_E_FORMAT,
                       "%s:1: expected \"%%%%MatrixMarket matrix\", coordinate or array, real, "
                       "integer or (not of arrays) pattern, general or symmetric, got \"%s\"",
                       r->name, text_show(line).s);
    return SM_OK;
}

static sm_status read_size(const reader *r, const char *what, text_span token, uint64_t low,
                           uint64_t high, size_t *out) {
    uint64_t n;
    const int is_number = text_number(token, &n);
    if (!is_number || n < low || n > high)
        return sm_fail(is_number && n > high && high == SIZE_LIMIT ? SM_E_LIMIT : SM_E_FORMAT,
                       "%s:%zu: expected %llu to %llu %s, got \"%s\"", r->name, r->number,
                       (unsigned long long)low, (unsigned long long)high, what, text_show(token).s);
    *out = (size_t)n;
    return SM_OK;
}

static sm_status read_header(reader *r, mtx_header *h) {
    text_span field[3] = {{0}}, excess;
    SM_TRY(read_banner(r, h));
    const int found = next_full_line(r, 1);
    const text_span line = r->line;
    const int fields = h->array ? 2 : 3;
    int good = found;
    for (int i = 0; i < fields; i++) good = good && text_token(&r->line, &field[i]);
    if (!good || text_token(&r->line, &excess))
        return sm_fail(SM_E_FORMAT, "%s:%zu: expected \"rows columns%s\", got \"%s\"", r->name,
                       r->number, h->array ? "" : " entries", found ? text_show(line).s : "");
    SM_TRY(read_size(r, "rows", field[0], 1, SIZE_LIMIT, &h->rows));
    SM_TRY(read_size(r, "columns", field[1], 1, SIZE_LIMIT, &h->cols));
    if (h->symmetric && h->rows != h->cols)
        return sm_fail(SM_E_FORMAT, "%s:%zu: expected a symmetric matrix to be square, got \"%s\"",
                       r->name, r->number, text_show(line).s);
    const size_t most = h->symmetric ? h->rows * (h->rows + 1) / 2 : h->rows * h->cols;
    h->entries = most;
    return h->array ? SM_OK : read_size(r, "entries", field[2], 0, most, &h->entries);
}

/* The fewest characters of the entries: digits and what separates them. */
static sm_status check_room(const reader *r, const mtx_header *h, uint64_t room) {
    const uint64_t each = h->array ? 2 : h->pattern ? 4 : 6, least = each * h->entries;
    if (room < least)
        return sm_fail(SM_E_FORMAT, "%s: expected at least %llu bytes for %zu %s, got %llu",
                       r->name, (unsigned long long)least, h->entries,
                       h->array ? "numbers" : "entries", (unsigned long long)room);
    return SM_OK;
}

/* Every number must have an end that shows that it is whole. */
static sm_status check_last(const reader *r, text_span token) {
    if (token.at + token.size < r->end) return SM_OK;
    return sm_fail(SM_E_FORMAT,
                   "%s:%zu: expected a line end after the last number, got the end of the file",
                   r->name, r->number);
}

static sm_status read_value(const reader *r, const mtx_header *h, text_span token, float *value) {
    char text[NUMBER + 1], *end = text;
    const char *const allowed = h->integer ? "+-0123456789" : "+-.0123456789Ee";
    const size_t size = token.size <= NUMBER ? token.size : 0;
    memcpy(text, token.at, size);
    text[size] = '\0';
    *value = strtof(text, &end);
    if (size == 0 || text[strspn(text, allowed)] != '\0' || *end != '\0' || !isfinite(*value))
        return sm_fail(SM_E_FORMAT, "%s:%zu: expected %s that f32 holds, got \"%s\"", r->name,
                       r->number, h->integer ? "an integer" : "a number", text_show(token).s);
    return check_last(r, token);
}

static sm_status read_index(const reader *r, const char *what, text_span token, size_t high,
                            uint32_t *index) {
    size_t n = 0;
    SM_TRY(read_size(r, what, token, 1, high, &n));
    *index = (uint32_t)(n - 1);
    return check_last(r, token);
}

static sm_status read_entry(reader *r, const mtx_header *h, entry *e) {
    text_span field[3] = {{0}}, excess, line = r->line;
    const int fields = h->pattern ? 2 : 3;
    int good = 1;
    for (int i = 0; i < fields; i++) good = good && text_token(&line, &field[i]);
    if (!good || text_token(&line, &excess))
        return sm_fail(SM_E_FORMAT, "%s:%zu: expected \"row column%s\", got \"%s\"", r->name,
                       r->number, h->pattern ? "" : " value", text_show(r->line).s);
    SM_TRY(read_index(r, "as row", field[0], h->rows, &e->row));
    SM_TRY(read_index(r, "as column", field[1], h->cols, &e->col));
    if (h->symmetric && e->col > e->row)
        return sm_fail(SM_E_FORMAT, "%s:%zu: expected an entry of the lower triangle, got \"%s\"",
                       r->name, r->number, text_show(r->line).s);
    e->value = 1.0f;
    return h->pattern ? SM_OK : read_value(r, h, field[2], &e->value);
}

/* *count is the number of entries kept: no zeros, both halves of a symmetric matrix. */
static sm_status read_entries(reader *r, const mtx_header *h, entry *entries, size_t *count) {
    *count = 0;
    for (size_t i = 0; i < h->entries; i++) {
        entry e;
        if (!next_full_line(r, 0))
            return sm_fail(SM_E_FORMAT, "%s:%zu: expected %zu entries, got %zu", r->name, r->number,
                           h->entries, i);
        SM_TRY(read_entry(r, h, &e));
        if (e.value == 0.0f) continue;
        entries[(*count)++] = e;
        if (h->symmetric && e.row != e.col)
            entries[(*count)++] = (entry){.row = e.col, .col = e.row, .value = e.value};
    }
    return SM_OK;
}

static int by_place(const void *x, const void *y) {
    const entry *a = x, *b = y;
    if (a->row != b->row) return a->row < b->row ? -1 : 1;
    return (a->col > b->col) - (a->col < b->col);
}

static sm_status gather(const reader *r, const mtx_header *h, entry *entries, size_t count,
                        int transposed, sm_csr *out) {
    for (size_t i = 0; i < count && transposed; i++) {
        const entry e = entries[i];
        entries[i] = (entry){.row = e.col, .col = e.row, .value = e.value};
    }
    qsort(entries, count, sizeof *entries, by_place);
    for (size_t i = 1; i < count; i++) {
        const uint32_t row = entries[i].row, col = entries[i].col;
        if (row == entries[i - 1].row && col == entries[i - 1].col)
            return sm_fail(SM_E_FORMAT, "%s: expected one entry at row %u, column %u, got two",
                           r->name, (transposed ? col : row) + 1, (transposed ? row : col) + 1);
    }
    SM_TRY(
        sm_csr_alloc(transposed ? h->cols : h->rows, transposed ? h->rows : h->cols, count, out));
    for (size_t i = 0; i < count; i++) {
        out->row_ptr[entries[i].row + 1]++;
        out->col[i] = entries[i].col;
        out->val[i] = entries[i].value;
    }
    for (size_t i = 0; i < out->rows; i++) out->row_ptr[i + 1] += out->row_ptr[i];
    return SM_OK;
}

static sm_status parse_coordinates(reader *r, const mtx_header *h, int transposed, sm_csr *out) {
    size_t count;
    entry *entries = calloc(h->entries + 1, (h->symmetric ? 2 : 1) * sizeof *entries);
    if (!entries) return sm_fail(SM_E_NOMEM, "%s: no memory for %zu entries", r->name, h->entries);
    sm_status status = read_entries(r, h, entries, &count);
    if (status == SM_OK) status = gather(r, h, entries, count, transposed, out);
    free(entries);
    return status;
}

static sm_status read_numbers(reader *r, const mtx_header *h, float *w) {
    for (size_t c = 0; c < h->cols; c++) {
        for (size_t row = h->symmetric ? c : 0; row < h->rows; row++) {
            text_span token;
            while (!text_token(&r->line, &token))
                if (!next_line(r))
                    return sm_fail(SM_E_FORMAT, "%s:%zu: expected %zu numbers, got fewer", r->name,
                                   r->number, h->entries);
            SM_TRY(read_value(r, h, token, &w[row * h->cols + c]));
            if (h->symmetric) w[c * h->cols + row] = w[row * h->cols + c];
        }
    }
    return SM_OK;
}

static sm_status parse_array(reader *r, const mtx_header *h, int transposed, sm_csr *out) {
    const ptrdiff_t cols = (ptrdiff_t)h->cols;
    float *w = sm_alloc(h->rows * h->cols, sizeof *w);
    if (!w)
        return sm_fail(SM_E_NOMEM, "%s: no memory for %zu x %zu weights", r->name, h->rows,
                       h->cols);
    r->line.size = 0;
    sm_status status = read_numbers(r, h, w);
    if (status == SM_OK)
        status = transposed ? sm_csr_from_dense(w, h->cols, h->rows, 1, cols, out)
                            : sm_csr_from_dense(w, h->rows, h->cols, cols, 1, out);
    sm_free(w);
    return status;
}

static sm_status expect_end(reader *r) {
    text_span token;
    while (!text_token(&r->line, &token))
        if (!next_line(r)) return SM_OK;
    return sm_fail(SM_E_FORMAT, "%s:%zu: expected the end of the file, got \"%s\"", r->name,
                   r->number, text_show(token).s);
}

sm_status mtx_parse(const char *name, const char *text, size_t size, int transposed, sm_csr *out) {
    *out = (sm_csr){0};
    reader r = {.name = name, .end = text + size, .rest = {text, size}};
    mtx_header h = {0};
    SM_TRY(read_header(&r, &h));
    SM_TRY(check_room(&r, &h, r.rest.size));
    sm_csr csr = {0};
    sm_status status = h.array ? parse_array(&r, &h, transposed, &csr)
                               : parse_coordinates(&r, &h, transposed, &csr);
    /* The last line of entries has been looked at already, that of an array as far as needed. */
    if (!h.array) r.line.size = 0;
    if (status == SM_OK) status = expect_end(&r);
    if (status == SM_OK)
        *out = csr;
    else
        sm_csr_free(&csr);
    return status;
}

sm_status mtx_read(const char *path, int transposed, sm_csr *out) {
    char *text;
    size_t size;
    uint64_t file_size;
    *out = (sm_csr){0};
    SM_TRY(text_read(path, SIZE_MAX - 1, &text, &size, &file_size));
    const sm_status status = mtx_parse(path, text, size, transposed, out);
    free(text);
    return status;
}

sm_status mtx_read_header(const char *path, mtx_header *header) {
    char *text;
    size_t size;
    uint64_t file_size;
    *header = (mtx_header){0};
    SM_TRY(text_read(path, PREFIX, &text, &size, &file_size));
    reader r = {.name = path, .end = text + size, .rest = {text, size}};
    sm_status status = read_header(&r, header);
    /* Without a line end a size may go on beyond the part that was read. */
    if (file_size > size && r.rest.size == 0)
        status =
            sm_fail(SM_E_FORMAT, "%s: expected the matrix's size within %d bytes", path, PREFIX);
    if (status == SM_OK)
        status = check_room(&r, header, file_size - (uint64_t)(size - r.rest.size));
    free(text);
    return status;
}
