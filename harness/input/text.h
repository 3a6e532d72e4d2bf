/* What the readers of this folder share: files as text, cut into lines, tokens and numbers. */
#ifndef INPUT_TEXT_H
#define INPUT_TEXT_H

#include <sparsemark/status.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of a text; it need not end in NUL and may contain NUL bytes. */
typedef struct text_span {
    const char *at;
    size_t size;
} text_span;

/* Reads at most limit bytes of a regular file. *data is released with free(); *file_size is the
 * size of the whole file. SM_E_IO with the path and the reason. */
sm_status text_read(const char *path, size_t limit, char **data, size_t *size, uint64_t *file_size);

/* Cuts the next line off rest, without its LF or CRLF; returns 0 and an empty line at the end. */
int text_line(text_span *rest, text_span *line);

/* Cuts the next run of characters other than blank and tab off rest; returns 0 if there is none. */
int text_token(text_span *rest, text_span *token);

/* The number of tokens left in rest. */
size_t text_token_count(text_span rest);

/* Reads decimal digits and nothing else; returns 0 for anything else, beyond 2^64 - 1 included. */
int text_number(text_span token, uint64_t *number);

/* A text made fit for a one-line message: bytes outside printable ASCII escaped, cut to about 40
 * characters. */
typedef struct text_shown {
    char s[48];
} text_shown;
text_shown text_show(text_span text);

#endif
