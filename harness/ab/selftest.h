/* Does the comparison find what is there, and nothing else? */
#ifndef AB_SELFTEST_H
#define AB_SELFTEST_H

#include "ab/ab.h"

typedef struct selftest_options {
    ab_request request; /* base, delta, rounds, time for all and seed are used */
    size_t cells;       /* a run */
    int full;           /* go on until both rates rest on enough cells */
} selftest_options;

/* Compares a library with itself, then with itself and one kernel made slower. *result is what
 * --json shows, without the exit code. Returns an exit code; 1 and 3 as selftest --help says. */
int selftest_run(const selftest_options *options, json_t **result);

int selftest_print(const json_t *result);

#endif
