/* How weights are pruned, and the one grammar for it: unstructured, block:RxC, nm:N:M, nm:N:M@V,
 * rows. N:M names the kept ones first: 2:4 keeps 2 of 4. */
#ifndef PATTERN_H
#define PATTERN_H

#include <sparsemark/status.h>
#include <stddef.h>

typedef enum sm_pattern_kind {
    SM_PATTERN_UNSTRUCTURED,
    SM_PATTERN_BLOCK,
    SM_PATTERN_NM,
    SM_PATTERN_ROWS
} sm_pattern_kind;

/* Zeroed it is unstructured; fields that the kind does not use are 0. */
typedef struct sm_pattern {
    sm_pattern_kind kind;
    size_t r, c;    /* block: rows and columns, at least 1 */
    size_t n, m, v; /* nm: n of m along K stay, 1 <= n <= m <= 16; v rows share a mask, 1: alone */
} sm_pattern;

/* SM_E_ARG in the words of an option --pattern; out is unstructured then. */
sm_status sm_pattern_parse(const char *text, sm_pattern *out);

/* The name that parses to the pattern; nm:N:M@1 is nm:N:M. */
typedef struct sm_pattern_text {
    char s[72];
} sm_pattern_text;
sm_pattern_text sm_pattern_name(const sm_pattern *pattern);

/* 1 - N/M; NaN where the pattern leaves the sparsity open. */
double sm_pattern_sparsity(const sm_pattern *pattern);

#endif
