/* One pruning of a model file: what was asked for, and what became of every tensor. */
#ifndef PRUNE_JOB_H
#define PRUNE_JOB_H

#include "input/orders.h"
#include "store/store.h"
#include <sparsemark/prune.h>
#include <stdint.h>

enum { SM_PRUNE_REASON = 200, SM_PRUNE_FORMATS = 8 };

/* GLOB=PATTERN[@SPARSITY], or --pattern for every tensor that no rule matches. */
typedef struct sm_prune_rule {
    const char *text;
    char *glob; /* NULL: every tensor */
    sm_pattern pattern;
    double sparsity;                 /* NaN: that of the command */
    size_t matched, taken;           /* tensors; taken: by this rule, not an earlier one */
    const struct sm_prune_row *left; /* one of its tensors that is left alone, weights first */
} sm_prune_rule;

typedef struct sm_prune_skip {
    const char *glob;
    size_t matched;
} sm_prune_skip;

/* FROM=TO: module TO takes what layer FROM puts out. */
typedef struct sm_prune_next {
    const char *text;
    char *from;
    const char *to; /* within text */
} sm_prune_next;

typedef struct sm_prune_request {
    const char *input, *out, *score; /* out may be NULL; score: "magnitude", "random" or a file */
    sm_prune_rule *rules;            /* the first that matches counts */
    size_t rule_count;
    sm_prune_skip *skips; /* before any rule */
    size_t skip_count;
    sm_prune_next *nexts;
    size_t next_count;
    double sparsity; /* NaN: not given */
    int scheduled;
    sm_schedule schedule;
    int64_t step;
    int global, tfmot;
    sm_pooling pool;
    sm_store_kind store;
    uint64_t seed;
    const char *weights_order; /* NULL: the file's own, or out-in,oihw */
    void (*note)(const char *text);
} sm_prune_request;

/* A tensor and what became of it. */
typedef struct sm_prune_row {
    sm_tensor *tensor;
    sm_prune_rule *rule;           /* NULL: no rule took it */
    char reason[SM_PRUNE_REASON];  /* why it is left alone; "" where it is pruned */
    char follows[SM_PRUNE_REASON]; /* whose channels went and took parts of this along, or "" */
    sm_weights_order order;        /* of rank 2 and 4 */
    size_t shape_before[SM_TENSOR_RANK], bytes_before;
    double asked, reached; /* shares of weights, of rows for the pattern rows; NaN: left alone */
    float threshold;
    size_t zeros;
    size_t formats[SM_PRUNE_FORMATS]; /* bytes packed, by format; 0: it does not fit */
    sm_store_sizes sizes;
} sm_prune_row;

typedef struct sm_prune_total {
    size_t pruned; /* tensors */
    size_t weights, zeros, bytes_before;
    size_t minus_zeros;               /* of pruned tensors: made +0.0 though the mask kept them */
    size_t formats[SM_PRUNE_FORMATS]; /* where a format does not fit, the dense bytes */
    sm_store_sizes sizes;
} sm_prune_total;

typedef struct sm_prune_job {
    const sm_prune_request *request;
    sm_model_file model;
    sm_orders orders;
    double sparsity;    /* NaN: every rule has its own */
    int64_t step_used;  /* of a schedule: the step whose sparsity it is */
    sm_prune_row *rows; /* one a tensor */
    sm_prune_total total;
} sm_prune_job;

/* Reads, prunes, measures sizes, writes the file where one was asked for. SM_E_ARG, SM_E_IO,
 * SM_E_FORMAT, SM_E_NOMEM; nothing is written then. Freed by sm_prune_job_free() in any case. */
sm_status sm_prune_job_run(const sm_prune_request *request, sm_prune_job *job);
void sm_prune_job_free(sm_prune_job *job);

/* Summaries: 0, or -1 where memory ran out. */
int sm_prune_print(const sm_prune_job *job);
int sm_prune_print_json(const sm_prune_job *job);

#endif
