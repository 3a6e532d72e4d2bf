/* Google Benchmark behind C: it runs the timed loops and writes its own JSON; which candidates run,
 * in which order and how often is decided by the caller. */
#ifndef GBENCH_H
#define GBENCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One candidate of a round. After place(arg), call(arg) runs once untimed and then `iterations`
 * times in the timed loop, with before(arg) and after(arg) around the loop, outside the timing. */
typedef struct sm_timed {
    const char *name;
    void (*place)(void *arg);
    void (*call)(void *arg);
    void (*before)(void *arg);
    void (*after)(void *arg);
    /* NULL; else makes the calls itself and gives the ns of one: what another process times */
    double (*timer)(void *arg, int64_t iterations);
    void *arg;
    int64_t iterations;
} sm_timed;

/* Runs every item once, in the order given; ns[i] is item i's wall time of one call. Returns 0 when
 * all were timed. */
int sm_gbench_round(const sm_timed *items, size_t count, double *ns);

/* Samples of one benchmark for Google Benchmark's JSON: each sample is one repetition. */
typedef struct sm_gbench_series {
    const char *name;
    const double *ns;
    size_t count;
    int64_t threads;
} sm_gbench_series;

/* Writes what Google Benchmark's tools read. Returns 0, or -1 with errno set. */
int sm_gbench_write_json(FILE *stream, const sm_gbench_series *series, size_t count);

#ifdef __cplusplus
}
#endif

#endif
