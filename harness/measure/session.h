/* A run: what was asked for, the points to measure, what is shared between them. */
#ifndef SESSION_H
#define SESSION_H

#include "input/input.h"
#include "measure/watch.h"
#include "records/record.h"
#include "roof/roof.h"
#include <sparsemark/plan.h>
#include <sparsemark/prune.h>

/* A set of levels or formats of which the best kernel is wanted, under the name asked for. */
typedef struct sm_choice_set {
    char name[64];
    uint32_t mask;
} sm_choice_set;

enum { MAX_SETS = 32, MAX_AXIS = 64, MAX_NAMES = 64, MAX_CPUS = 1024 };

#define SM_PEERS_AUTO UINT32_MAX

typedef struct sm_run_options {
    sm_source_list sources;
    sm_pattern pattern[MAX_AXIS];
    size_t pattern_count;
    double sparsity[MAX_AXIS];
    size_t sparsity_count;
    int sparsity_given; /* asked for, not a default */
    size_t n[MAX_AXIS];
    size_t n_count;
    int n_native;
    sm_layout layout[2];
    size_t layout_count;
    size_t threads[MAX_AXIS];
    size_t threads_count;
    int cold[2]; /* cache states: 0 warm, 1 cold weights */
    size_t cold_count;
    sm_choice_set isa[MAX_SETS];
    size_t isa_count;
    const char *ceiling; /* the level beyond which nothing here goes, dense control and other
                            libraries included; NULL: none */
    sm_choice_set format[MAX_SETS]; /* empty: dense only */
    size_t format_count;
    int kernels_all;
    int sweep; /* the fastest few of every kernel at every K tile */
    int plan;  /* what a plan chooses for itself, as a candidate of its own */
    const char *kernels[MAX_NAMES];
    size_t kernels_count;
    uint32_t peers; /* bit i: peer i may run; SM_PEERS_AUTO: all that are usable */
    double precision, budget_s;
    uint64_t seed;
    const char *out;
    int format_given, resume, list, json, quick;
} sm_run_options;

/* One group of cells: everything that is timed together. */
typedef struct sm_point {
    const sm_source *source;
    sm_pattern pattern;
    double sparsity; /* NaN where the file or the pattern fixes it */
    size_t n, threads;
    sm_layout layout;
    int cold;  /* weights come from memory, not from a cache */
    char *key; /* the cells' "group"; owned */
} sm_point;

typedef struct sm_points {
    sm_point *items;
    size_t count;
} sm_points;

/* Records hold UTF-8, paths any byte: in a key that is not UTF-8 they become %XX, so that it reads
 * back as it was written. NULL: no memory; else released by free(). */
char *sm_readable(const char *key);

/* The points that the options ask for, in the order in which they run. */
sm_status sm_points_create(const sm_run_options *options, sm_points *out);
void sm_points_free(sm_points *points);

/* Seconds that a point is expected to take, from a rough model: for estimates only. */
double sm_point_estimate(const sm_run_options *options, const sm_point *point);

/* Best dense per problem: decided once, on samples that are not reported. */
typedef struct sm_dense_choice {
    size_t m, k, n, threads;
    sm_layout layout;
    int cold;
    int peer;     /* index of the fastest peer, -1 for none */
    int own_wins; /* our dense control was faster than every peer */
} sm_dense_choice;

typedef struct sm_session {
    const sm_run_options *options;
    sm_watch *watch;
    sm_roof *roof;
    int cpus[MAX_CPUS]; /* of the threads of a run, one a core first; the caller's comes first */
    sm_dense_choice *dense;
    size_t dense_count;
    int wrong; /* a kernel computed a wrong result */
} sm_session;

typedef struct sm_group {
    sm_cell *cells;
    size_t count;
} sm_group;

/* Measures one point within about `seconds`. */
sm_status sm_group_run(sm_session *session, const sm_point *point, double seconds, sm_group *out);
void sm_group_free(sm_group *group);

/* The whole run: points, records, table, progress. Returns the exit code. */
int sm_session_run(const sm_run_options *options);

#endif
