/* What became of every tensor, as a table. */
#include "input/array.h"
#include "prune/job.h"
#include "records/table.h"
#include <math.h>
#include <sparsemark/kernel.h>
#include <stdio.h>
#include <string.h>

enum { BEFORE = 8, AFTER = 3 }; /* columns on both sides of the formats */

static int is_pruned(const sm_prune_row *row) {
    return row->reason[0] == '\0';
}

static int is_float(const sm_prune_row *row) {
    return strcmp(row->tensor->type, "F32") == 0;
}

static int is_dense(size_t format) {
    return strcmp(sm_format_name(format), "dense") == 0;
}

static size_t format_count(void) {
    const size_t count = sm_format_count();
    return count < SM_PRUNE_FORMATS ? count : SM_PRUNE_FORMATS;
}

static sm_pattern_text shape_text(const size_t *shape, size_t rank) {
    sm_pattern_text text = {""};
    size_t used = 0;
    for (size_t i = 0; i < rank && used < sizeof text.s; i++)
        used +=
            (size_t)snprintf(text.s + used, sizeof text.s - used, "%s%zu", i ? "x" : "", shape[i]);
    return text;
}

static void add_shape(sm_table *table, const sm_prune_row *row) {
    const sm_tensor *t = row->tensor;
    const sm_pattern_text before = shape_text(row->shape_before, t->rank);
    const sm_pattern_text after = shape_text(t->shape, t->rank);
    if (strcmp(before.s, after.s) == 0)
        sm_table_add(table, "%s", after.s);
    else
        sm_table_add(table, "%s -> %s", before.s, after.s);
}

static void add_share(sm_table *table, double share) {
    if (isnan(share))
        sm_table_add(table, "-");
    else
        sm_table_add(table, "%.2f %%", 100 * share);
}

static void add_sizes(sm_table *table, const sm_store_sizes *sizes) {
    sm_table_add(table, "%zu", sizes->gzip);
    sm_table_add(table, "%zu", sizes->sparse);
    sm_table_add(table, "%zu", sizes->sparse_gzip);
}

static void add_what(sm_table *table, const sm_prune_row *row) {
    const char *loses = row->follows[0] ? "; loses " : "";
    if (is_pruned(row))
        sm_table_add(table, "%s%s%s", sm_pattern_name(&row->rule->pattern).s, loses, row->follows);
    else
        sm_table_add(table, "%s%s%s%s", row->follows[0] ? "" : "left alone: ", row->reason, loses,
                     row->follows);
}

static void add_row(sm_table *table, const sm_prune_row *row) {
    sm_table_add(table, "%s", row->tensor->name);
    add_shape(table, row);
    add_what(table, row);
    if (isnan(row->threshold))
        sm_table_add(table, "-");
    else
        sm_table_add(table, "%.6g", (double)row->threshold);
    add_share(table, row->asked);
    add_share(table, row->reached);
    if (is_float(row))
        sm_table_add(table, "%zu", row->zeros);
    else
        sm_table_add(table, "-");
    sm_table_add(table, "%zu", row->sizes.dense);
    for (size_t f = 0; f < format_count(); f++) {
        if (is_dense(f)) continue;
        if (row->formats[f])
            sm_table_add(table, "%zu", row->formats[f]);
        else
            sm_table_add(table, "-");
    }
    add_sizes(table, &row->sizes);
}

static void add_total(sm_table *table, const sm_prune_total *all) {
    sm_table_add(table, "total");
    sm_table_add(table, "%zu", all->weights);
    sm_table_add(table, "%zu pruned", all->pruned);
    sm_table_add(table, "-");
    sm_table_add(table, "-");
    add_share(table, all->weights ? (double)all->zeros / (double)all->weights : 0);
    sm_table_add(table, "%zu", all->zeros);
    sm_table_add(table, "%zu", all->sizes.dense);
    for (size_t f = 0; f < format_count(); f++)
        if (!is_dense(f)) sm_table_add(table, "%zu", all->formats[f]);
    add_sizes(table, &all->sizes);
}

static void print_head(const sm_prune_job *job) {
    const sm_prune_request *r = job->request;
    printf("%s: 2-D read as %s, 4-D as %s; score %s, scope %s%s", r->input,
           array_order_name(orders_of(&job->orders, 2)),
           array_order_name(orders_of(&job->orders, 4)), r->score, r->global ? "global" : "layer",
           r->tfmot ? ", as TFMOT 0.8.0" : "");
    if (!isnan(job->sparsity)) printf(", sparsity %.6g", job->sparsity);
    if (r->scheduled)
        printf(" of step %lld at step %lld", (long long)job->step_used, (long long)r->step);
    putchar('\n');
}

static void print_foot(const sm_prune_job *job, const sm_prune_total *all) {
    const sm_prune_request *r = job->request;
    puts("bytes: dense, packed by format (- it would pad by more than 60 %; the total counts dense "
         "then),\ngzip -9, sparse as --store sparse writes it, and that gzipped");
    if (all->bytes_before != all->sizes.dense)
        printf("rows removed: %zu bytes dense before, %zu now\n", all->bytes_before,
               all->sizes.dense);
    if (all->minus_zeros)
        printf("%zu weights of pruned tensors that were -0.0 are +0.0 now\n", all->minus_zeros);
    if (r->out)
        printf("wrote %s, %s\n", r->out, r->store == SM_STORE_SPARSE ? "sparse" : "dense");
    else
        puts("nothing written: no --out");
}

int sm_prune_print(const sm_prune_job *job) {
    static const sm_column before[BEFORE] = {
        {"tensor", 0, 0},    {"shape", 0, 0}, {"pattern or reason", 0, 0},
        {"threshold", 1, 0}, {"asked", 1, 0}, {"zero", 1, 0},
        {"zeros", 1, 0},     {"dense", 1, 0}};
    static const sm_column after[AFTER] = {{"gzip", 1, 0}, {"sparse", 1, 0}, {"sparse+gzip", 1, 0}};
    sm_column columns[BEFORE + SM_PRUNE_FORMATS + AFTER];
    size_t count = BEFORE;
    memcpy(columns, before, sizeof before);
    for (size_t f = 0; f < format_count(); f++)
        if (!is_dense(f)) columns[count++] = (sm_column){sm_format_name(f), 1, 0};
    memcpy(columns + count, after, sizeof after);
    sm_table table = {.columns = columns, .column_count = count + AFTER};
    for (size_t i = 0; i < job->model.count; i++) add_row(&table, &job->rows[i]);
    add_total(&table, &job->total);
    print_head(job);
    const int failed = sm_table_finish(&table, stdout);
    print_foot(job, &job->total);
    return failed;
}
