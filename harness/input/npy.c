/* Header of NumPy's .npy files:
 *     "\x93NUMPY", major and minor version, length of the text (16 bits in version 1, else 32)
 *     {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   padded with blanks
 * The text is a Python literal; of those only this one dictionary is understood. */
#include "input/npy.h"
#include "input/text.h"
#include <stdlib.h>
#include <string.h>

enum { MAGIC = 6, TEXT_LIMIT = 65535, PREFIX = MAGIC + 2 + 4 + TEXT_LIMIT };

enum { HAS_TYPE = 1, HAS_ORDER = 2, HAS_SHAPE = 4, HAS_ALL = 7 };

typedef struct reader {
    const char *name, *begin;
    text_span rest;
    sm_array *array;
    char *type;
    int has;
} reader;

static sm_status expected(const reader *r, const char *what) {
    return sm_fail(SM_E_FORMAT, "%s: byte %zu: expected %s, got \"%s\"", r->name,
                   (size_t)(r->rest.at - r->begin), what, text_show(r->rest).s);
}

static void skip(reader *r, size_t count) {
    r->rest.at += count;
    r->rest.size -= count;
}

static void skip_blanks(reader *r) {
    while (r->rest.size > 0 && memchr(" \t\n", *r->rest.at, 3)) skip(r, 1);
}

static int take(reader *r, char c) {
    skip_blanks(r);
    if (r->rest.size == 0 || *r->rest.at != c) return 0;
    skip(r, 1);
    return 1;
}

static int take_word(reader *r, const char *word) {
    const size_t size = strlen(word);
    skip_blanks(r);
    if (r->rest.size < size || memcmp(r->rest.at, word, size) != 0) return 0;
    skip(r, size);
    return 1;
}

static int take_text(reader *r, text_span *text) {
    skip_blanks(r);
    const char quote = r->rest.size > 0 ? *r->rest.at : ' ';
    if (quote != '\'' && quote != '"') return 0;
    const char *end = memchr(r->rest.at + 1, quote, r->rest.size - 1);
    if (!end) return 0;
    *text = (text_span){r->rest.at + 1, (size_t)(end - r->rest.at) - 1};
    skip(r, text->size + 2);
    return 1;
}

static int is_printable(text_span text) {
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] < ' ' || text.at[i] > '~') return 0;
    return 1;
}

static sm_status read_type(reader *r) {
    static const struct {
        const char *name;
        sm_array_type type;
    } types[] = {{"<f2", SM_ARRAY_F16}, {"<f4", SM_ARRAY_F32}, {"<f8", SM_ARRAY_F64}};
    text_span text;
    const reader before = *r;
    if (!take_text(r, &text) || text.size == 0 || text.size >= NPY_TYPE || !is_printable(text))
        return expected(&before, "a type such as '<f4'");
    memcpy(r->type, text.at, text.size);
    r->type[text.size] = '\0';
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, r->type) == 0) r->array->type = types[i].type;
    return SM_OK;
}

static sm_status read_shape(reader *r) {
    if (!take(r, '(')) return expected(r, "a shape such as (3, 4)");
    while (!take(r, ')')) {
        text_span digits = {r->rest.at, 0};
        while (digits.size < r->rest.size && r->rest.at[digits.size] >= '0' &&
               r->rest.at[digits.size] <= '9')
            digits.size++;
        uint64_t n;
        if (!text_number(digits, &n) || n > SIZE_MAX) return expected(r, "a size below 2^64");
        if (r->array->rank < SM_ARRAY_RANK) r->array->shape[r->array->rank] = (size_t)n;
        r->array->rank++;
        skip(r, digits.size);
        skip_blanks(r);
        if (!take(r, ',') && (r->rest.size == 0 || *r->rest.at != ')'))
            return expected(r, "a comma or the shape's end");
    }
    return SM_OK;
}

static sm_status read_entry(reader *r) {
    text_span key = {NULL, 0};
    const reader before = *r;
    const int is_text = take_text(r, &key);
    const int known = !is_text                                                     ? 0
                      : key.size == 5 && memcmp(key.at, "descr", 5) == 0           ? HAS_TYPE
                      : key.size == 13 && memcmp(key.at, "fortran_order", 13) == 0 ? HAS_ORDER
                      : key.size == 5 && memcmp(key.at, "shape", 5) == 0           ? HAS_SHAPE
                                                                                   : 0;
    if (known == 0 || (r->has & known))
        return expected(&before, "'descr', 'fortran_order' and 'shape' once each");
    r->has |= known;
    if (!take(r, ':')) return expected(r, "a colon");
    if (known == HAS_TYPE) return read_type(r);
    if (known == HAS_SHAPE) return read_shape(r);
    r->array->fortran = take_word(r, "True");
    if (!r->array->fortran && !take_word(r, "False")) return expected(r, "True or False");
    return SM_OK;
}

static sm_status read_dictionary(reader *r) {
    if (!take(r, '{')) return expected(r, "a dictionary");
    while (!take(r, '}')) {
        SM_TRY(read_entry(r));
        skip_blanks(r);
        if (!take(r, ',') && (r->rest.size == 0 || *r->rest.at != '}'))
            return expected(r, "a comma or the dictionary's end");
    }
    if (r->has != HAS_ALL)
        return sm_fail(SM_E_FORMAT, "%s: expected 'descr', 'fortran_order' and 'shape', got %s%s%s",
                       r->name, r->has & HAS_TYPE ? "'descr' " : "",
                       r->has & HAS_ORDER ? "'fortran_order' " : "",
                       r->has & HAS_SHAPE ? "'shape' only" : "only");
    skip_blanks(r);
    return r->rest.size == 0 ? SM_OK : expected(r, "blanks up to the header's end");
}

/* The body must be as long as its elements; that of a type that is not read may be anything. */
static sm_status check_size(const reader *r, uint64_t file_size) {
    const sm_array *a = r->array;
    const size_t known = a->rank < SM_ARRAY_RANK ? a->rank : SM_ARRAY_RANK;
    uint64_t bytes;
    if (a->type == SM_ARRAY_OTHER || a->rank > SM_ARRAY_RANK) return SM_OK;
    if (!array_product(a->shape, known, &bytes) ||
        __builtin_mul_overflow(bytes, array_element_size(a->type), &bytes))
        return sm_fail(SM_E_FORMAT, "%s: expected a shape of less than 2^64 bytes", r->name);
    if (bytes != file_size - a->offset)
        return sm_fail(SM_E_FORMAT, "%s: expected %llu bytes from offset %llu on, got %llu",
                       r->name, (unsigned long long)bytes, (unsigned long long)a->offset,
                       (unsigned long long)(file_size - a->offset));
    return SM_OK;
}

static sm_status find_text(reader *r, const char *bytes, size_t size, uint64_t file_size) {
    if (size < MAGIC + 4 || memcmp(bytes, "\x93NUMPY", MAGIC) != 0)
        return sm_fail(SM_E_FORMAT, "%s: expected a .npy file, which begins with \"\\x93NUMPY\"",
                       r->name);
    const unsigned char *b = (const unsigned char *)bytes;
    if (b[MAGIC] < 1 || b[MAGIC] > 3 || b[MAGIC + 1] != 0)
        return sm_fail(SM_E_FORMAT, "%s: expected version 1.0, 2.0 or 3.0, got %d.%d", r->name,
                       b[MAGIC], b[MAGIC + 1]);
    const size_t length_bytes = b[MAGIC] == 1 ? 2 : 4, begin = MAGIC + 2 + length_bytes;
    uint64_t length = 0;
    for (size_t i = 0; i < length_bytes && MAGIC + 2 + i < size; i++)
        length |= (uint64_t)b[MAGIC + 2 + i] << 8 * i;
    if (begin + length > size) /* what was read holds a header of TEXT_LIMIT bytes */
        return sm_fail(SM_E_FORMAT,
                       "%s: expected a header of at most %d bytes within the file's %llu, got %llu",
                       r->name, TEXT_LIMIT, (unsigned long long)file_size,
                       (unsigned long long)length);
    r->rest = (text_span){bytes + begin, (size_t)length};
    r->array->offset = begin + length;
    return SM_OK;
}

sm_status npy_parse(const char *name, const char *bytes, size_t size, uint64_t file_size,
                    sm_array *out, char type[NPY_TYPE]) {
    *out = (sm_array){.rank = 0};
    reader r = {.name = name, .begin = bytes, .array = out, .type = type};
    SM_TRY(find_text(&r, bytes, size, file_size));
    SM_TRY(read_dictionary(&r));
    return check_size(&r, file_size);
}

sm_status npy_read_header(const char *path, sm_array *out, char type[NPY_TYPE]) {
    input_file file;
    SM_TRY(file_open(path, &file));
    const size_t size = file.stamp.size < PREFIX ? (size_t)file.stamp.size : PREFIX;
    char *bytes = malloc(size + 1);
    sm_status status = bytes ? file_read(&file, 0, bytes, size)
                             : sm_fail(SM_E_NOMEM, "%s: no memory for its header", path);
    if (status == SM_OK) status = npy_parse(path, bytes, size, file.stamp.size, out, type);
    if (status == SM_OK) out->stamp = file.stamp;
    free(bytes);
    file_close(&file);
    return status;
}
