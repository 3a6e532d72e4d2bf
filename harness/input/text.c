/* Files as text, cut into lines, tokens and numbers. */
#include "input/text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static sm_status read_all(const char *path, int fd, char *data, size_t size, size_t *got) {
    *got = 0;
    while (*got < size) {
        const ssize_t n = read(fd, data + *got, size - *got);
        if (n == 0) break;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return sm_fail(SM_E_IO, "%s: cannot read: %s", path, strerror(errno));
        *got += (size_t)n;
    }
    return SM_OK;
}

static sm_status read_open(const char *path, int fd, size_t limit, char **data, size_t *size,
                           uint64_t *file_size) {
    struct stat st;
    if (fstat(fd, &st) != 0) return sm_fail(SM_E_IO, "%s: cannot read: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return sm_fail(SM_E_IO, "%s: expected a file: %s", path, strerror(EISDIR));
    if (!S_ISREG(st.st_mode)) return sm_fail(SM_E_IO, "%s: expected a regular file", path);
    *file_size = (uint64_t)st.st_size;
    const size_t want = *file_size < limit ? (size_t)*file_size : limit;
    char *buffer = malloc(want + 1);
    if (!buffer) return sm_fail(SM_E_NOMEM, "%s: no memory for %zu bytes", path, want);
    const sm_status status = read_all(path, fd, buffer, want, size);
    if (status == SM_OK)
        *data = buffer;
    else
        free(buffer);
    return status;
}

sm_status text_read(const char *path, size_t limit, char **data, size_t *size,
                    uint64_t *file_size) {
    *data = NULL;
    *size = 0;
    *file_size = 0;
    /* O_NONBLOCK: opening a named pipe must be refused below, not wait for a writer. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return sm_fail(SM_E_IO, "%s: cannot open: %s", path, strerror(errno));
    const sm_status status = read_open(path, fd, limit, data, size, file_size);
    close(fd);
    return status;
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
