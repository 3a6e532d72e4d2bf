/* Files as text, cut into lines, tokens and numbers. */
#include "input/text.h"
#include "input/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sm_status text_read(const char *path, size_t limit, char **data, size_t *size,
                    uint64_t *file_size) {
    *data = NULL;
    *size = 0;
    *file_size = 0;
    input_file file;
    SM_TRY(file_open(path, &file));
    const size_t want = file.stamp.size < limit ? (size_t)file.stamp.size : limit;
    char *buffer = malloc(want + 1);
    const sm_status status = buffer
                                 ? file_read(&file, 0, buffer, want)
                                 : sm_fail(SM_E_NOMEM, "%s: no memory for %zu bytes", path, want);
    file_close(&file);
    if (status != SM_OK) {
        free(buffer);
        return status;
    }
    *data = buffer;
    *size = want;
    *file_size = file.stamp.size;
    return SM_OK;
}

static text_span after(text_span text, size_t count) {
    return (text_span){text.at + count, text.size - count};
}

int text_line(text_span *rest, text_span *line) {
    *line = (text_span){rest->at, 0};
    if (rest->size == 0) return 0;
    const char *lf = memchr(rest->at, '\n', rest->size);
    line->size = lf ? (size_t)(lf - rest->at) : rest->size;
    *rest = after(*rest, lf ? line->size + 1 : line->size);
    if (lf && line->size > 0 && line->at[line->size - 1] == '\r') line->size--;
    return 1;
}

static int is_blank(char c) {
    return c == ' ' || c == '\t';
}

int text_token(text_span *rest, text_span *token) {
    size_t begin = 0;
    while (begin < rest->size && is_blank(rest->at[begin])) begin++;
    size_t end = begin;
    while (end < rest->size && !is_blank(rest->at[end])) end++;
    *token = (text_span){end > 0 ? rest->at + begin : rest->at, end - begin};
    if (end > 0) *rest = after(*rest, end);
    return token->size > 0;
}

size_t text_token_count(text_span rest) {
    size_t count = 0;
    text_span token;
    while (text_token(&rest, &token)) count++;
    return count;
}

int text_number(text_span token, uint64_t *number) {
    uint64_t n = 0;
    for (size_t i = 0; i < token.size; i++) {
        const char c = token.at[i];
        if (c < '0' || c > '9') return 0;
        const unsigned digit = (unsigned)(c - '0');
        if (n > (UINT64_MAX - digit) / 10) return 0;
        n = n * 10 + digit;
    }
    *number = n;
    return token.size > 0;
}

text_shown text_show(text_span text) {
    enum { WHOLE = 40 }; /* leaves room for one escape, "..." and the NUL */
    text_shown shown;
    size_t n = 0;
    for (size_t i = 0; i < text.size; i++) {
        const unsigned char c = (unsigned char)text.at[i];
        if (n >= WHOLE) {
            memcpy(shown.s + n, "...", 3);
            n += 3;
            break;
        }
        if (c >= 0x20 && c < 0x7f)
            shown.s[n++] = (char)c;
        else
            n += (size_t)snprintf(shown.s + n, sizeof shown.s - n, "\\x%02x", c);
    }
    shown.s[n] = '\0';
    return shown;
}
