/* A plain text table. Columns that say the same in every row are said once, above it. */
#ifndef RECORDS_TABLE_H
#define RECORDS_TABLE_H

#include <stddef.h>
#include <stdio.h>

typedef struct sm_column {
    const char *title;
    int right;     /* align to the right */
    int collapses; /* may move above the table */
} sm_column;

typedef struct sm_table {
    const sm_column *columns; /* borrowed */
    size_t column_count;
    char **cells; /* row by row */
    size_t count, capacity;
    int failed; /* out of memory */
} sm_table;

/* Adds the next cell, left to right, then the next row; "" shows as "-". */
void sm_table_add(sm_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints and frees the cells. Returns 0, or -1 where memory ran out while adding. */
int sm_table_finish(sm_table *table, FILE *out);

/* The same as a Markdown table, with every column in it. */
int sm_table_finish_markdown(sm_table *table, FILE *out);

#endif
