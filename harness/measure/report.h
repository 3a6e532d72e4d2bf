/* What a run shows while it goes: a table on stdout, progress on stderr. */
#ifndef REPORT_H
#define REPORT_H

#include "measure/session.h"

void sm_report_header(size_t longest_layer);
/* What disturbed a run, over all its samples and rows. */
typedef struct sm_summary {
    size_t rows, noisy, imprecise, weak, not_cold;
    size_t samples, tainted, by_taint[SM_TAINTS];
} sm_summary;
void sm_summary_add(sm_summary *summary, const sm_cell *cells, size_t count);

/* One line below the table, and another where the machine was too busy for clean numbers. */
void sm_report_summary(const sm_summary *summary);

void sm_report_group(const sm_cell *cells, size_t count);

/* Progress: a line that overwrites itself on a terminal, plain lines elsewhere. */
void sm_progress(size_t done, size_t total, double elapsed_s, double left_s, const char *what);
void sm_progress_clear(void);

/* "1.23 ms", "4.5 us" */
const char *sm_time_text(double ns, char *buf, size_t size);

/* Google Benchmark's JSON of all cells of a record file, next to it: benchmark.json. */
sm_status sm_report_gbench(const char *records_path);

/* Whether that could be written. */
sm_status sm_report_gbench_check(const char *records_path);

#endif
