/* Two builds of the library against each other: what is asked, measured and judged. Question,
 * samples and verdict are JSON throughout, because they cross process borders and are kept. */
#ifndef AB_H
#define AB_H

#include "measure/session.h"
#include <jansson.h>

enum { AB_SCHEMA = 1 };

typedef struct ab_request {
    sm_run_options run;      /* sources, sparsities, N, layouts, levels, seed */
    const char *base, *cand; /* files */
    const char *kernels;     /* names or "all"; NULL: hand-written sparse SpMM kernels */
    int common;              /* compare what both have, although their lists differ */
    double delta;            /* share of time that matters; 0: 3 %, 5 % on a virtual machine */
    size_t rounds;           /* a block; 0: as many as the number of cells needs */
    double time_s;           /* for all; 0: no limit */
    const char *inject;      /* kernel whose calls in cand are made longer, or NULL */
    double inject_share;
} ab_request;

/* What was not given gets its default. */
sm_status ab_request_complete(ab_request *request);

/* Everything below that returns int gives an exit code and has complained where it is not 0. */

/* Measures and judges. *record is what --save keeps, *verdict what scripts/verdict.py says of it.
 */
int ab_compare(const ab_request *request, json_t **record, json_t **verdict);

/* builds.c: a file as this process holds it, whatever happens to it on the disk. */
typedef struct ab_build {
    const char *path;
    int fd;
    json_t *look; /* of ab_look() */
} ab_build;
int ab_build_open(const char *path, ab_build *out);
void ab_build_close(ab_build *build); /* accepts a zeroed struct */
int ab_builds_identical(const ab_build *a, const ab_build *b);
json_t *ab_find_kernel(const json_t *look, const char *name); /* NULL when there is none */

/* {"base": [...], "cand": [...]}: kernels that only one of them has; refused where there are any
 * unless `common`. */
int ab_builds_match(const ab_build *base, const ab_build *cand, int common, json_t **only);

/* cells.c: adds "points" and "cells" to the record. */
int ab_cells_create(const ab_request *request, const ab_build *base, const ab_build *cand,
                    json_t *record);

/* rounds.c: measures a block of `count` rounds over the cells in `select` and appends it to the
 * record; stops early at the deadline (clock_ns()), after one round at least. */
typedef struct ab_block {
    int base_fd, cand_fd;
    size_t rounds;
    double deadline_ns;
} ab_block;
int ab_rounds_run(const ab_block *block, json_t *select, json_t *record);

/* judge.c: what scripts/verdict.py answers. */
int ab_judge(const json_t *record, json_t **verdict);
int ab_judge_rounds(size_t cells, size_t *rounds); /* rounds that a block of cells needs */
int ab_judge_rates(const json_t *counts, json_t **intervals);
int ab_exit_code(const json_t *verdict, int strict);

/* print.c */
typedef enum ab_format { AB_TEXT, AB_MD, AB_JSON } ab_format;
int ab_print(const json_t *record, const json_t *verdict, ab_format format, int code);

/* Members of objects that were checked before; "" and 0 where there is none. */
const char *ab_text(const json_t *object, const char *key);
size_t ab_count(const json_t *object, const char *key);
double ab_number(const json_t *object, const char *key);

/* files.c: whole or not at all, and never over a file that exists. */
int ab_save_check(const char *path);
int ab_save(const char *path, const json_t *value);

#endif
