/* The grammar of patterns. Each has one spelling, so that equal names are equal patterns. */
#include "prune/mask.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_SIDE ((size_t)1 << 31) /* as of a matrix */

static int skip_word(const char **at, const char *word) {
    const size_t length = strlen(word);
    if (strncmp(*at, word, length) != 0) return 0;
    *at += length;
    return 1;
}

/* 1 to high, without sign, blank or leading zero. */
static int skip_number(const char **at, size_t high, size_t *number) {
    if (**at == '0') return 0;
    const char *first = *at;
    for (*number = 0; **at >= '0' && **at <= '9'; ++*at) {
        *number = 10 * *number + (size_t)(**at - '0');
        if (*number > high) return 0;
    }
    return *at > first;
}

static int is_block(const char *sizes, sm_pattern *out) {
    out->kind = SM_PATTERN_BLOCK;
    return skip_number(&sizes, MAX_SIDE, &out->r) && skip_word(&sizes, "x") &&
           skip_number(&sizes, MAX_SIDE, &out->c) && *sizes == '\0';
}

static int is_nm(const char *sizes, sm_pattern *out) {
    out->kind = SM_PATTERN_NM;
    out->v = 1;
    return skip_number(&sizes, SM_MOST_M, &out->n) && skip_word(&sizes, ":") &&
           skip_number(&sizes, SM_MOST_M, &out->m) && out->n <= out->m &&
           (!skip_word(&sizes, "@") || skip_number(&sizes, MAX_SIDE, &out->v)) && *sizes == '\0';
}

sm_status sm_pattern_parse(const char *text, sm_pattern *out) {
    const char *at = text, *expected = "unstructured, block:RxC, nm:N:M, nm:N:M@V or rows";
    *out = (sm_pattern){0};
    if (strcmp(text, "unstructured") == 0) return SM_OK;
    if (strcmp(text, "rows") == 0) {
        out->kind = SM_PATTERN_ROWS;
        return SM_OK;
    }
    if (skip_word(&at, "block:")) {
        if (is_block(at, out)) return SM_OK;
        expected = "block:RxC with R and C from 1 to 2^31";
    } else if (skip_word(&at, "nm:")) {
        if (is_nm(at, out)) return SM_OK;
        expected = "nm:N:M or nm:N:M@V with 1 <= N <= M <= 16 and V from 1 to 2^31; N of M are "
                   "kept (TFMOT's m_by_n counts the zeros: its 1, 4 is 3:4)";
    }
    *out = (sm_pattern){0};
    return sm_fail(SM_E_ARG, "pattern '%s': expected %s", text, expected);
}

sm_pattern_text sm_pattern_name(const sm_pattern *p) {
    sm_pattern_text name = {"unstructured"};
    switch (p->kind) {
    case SM_PATTERN_UNSTRUCTURED:
        break;
    case SM_PATTERN_BLOCK:
        snprintf(name.s, sizeof name.s, "block:%zux%zu", p->r, p->c);
        break;
    case SM_PATTERN_NM:
        if (p->v > 1)
            snprintf(name.s, sizeof name.s, "nm:%zu:%zu@%zu", p->n, p->m, p->v);
        else
            snprintf(name.s, sizeof name.s, "nm:%zu:%zu", p->n, p->m);
        break;
    case SM_PATTERN_ROWS:
        snprintf(name.s, sizeof name.s, "rows");
        break;
    }
    return name;
}

double sm_pattern_sparsity(const sm_pattern *p) {
    return p->kind == SM_PATTERN_NM ? 1.0 - (double)p->n / (double)p->m : (double)NAN;
}
