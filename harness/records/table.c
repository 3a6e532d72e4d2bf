#include "records/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 32 };

void sm_table_add(sm_table *table, const char *format, ...) {
    if (table->count == table->capacity) {
        const size_t capacity = table->capacity ? 2 * table->capacity : 256;
        char **cells = reallocarray(table->cells, capacity, sizeof *cells);
        if (!cells) {
            table->failed = 1;
            return;
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    char *text = NULL;
    va_list args;
    va_start(args, format);
    const int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        table->failed = 1;
    else
        table->cells[table->count++] = text;
}

static const char *cell_at(const sm_table *table, size_t row, size_t column) {
    const char *text = table->cells[row * table->column_count + column];
    return *text ? text : "-";
}

/* Fills each column's width, 0 where it moves above the table; prints what moves. */
static void lay_out(const sm_table *table, size_t rows, int widths[MAX_COLUMNS], FILE *out) {
    const char *lead = "all rows: ";
    for (size_t c = 0; c < table->column_count; c++) {
        const sm_column *column = &table->columns[c];
        size_t widest = strlen(column->title);
        int same = column->collapses;
        for (size_t r = 0; r < rows; r++) {
            const char *text = cell_at(table, r, c);
            if (strlen(text) > widest) widest = strlen(text);
            same = same && !strcmp(text, cell_at(table, 0, c));
        }
        widths[c] = same ? 0 : (int)widest;
        if (!same) continue;
        fprintf(out, "%s%s %s", lead, column->title, cell_at(table, 0, c));
        lead = ", ";
    }
    if (*lead == ',') fputc('\n', out);
}

static void print_row(const sm_table *table, const char *const *texts, const int *widths,
                      FILE *out) {
    const char *gap = "";
    for (size_t c = 0; c < table->column_count; c++) {
        if (widths[c] == 0) continue;
        const int last = c + 1 == table->column_count;
        const int width = table->columns[c].right ? widths[c] : last ? 0 : -widths[c];
        fprintf(out, "%s%*s", gap, width, texts[c]);
        gap = "  ";
    }
    fputc('\n', out);
}

static size_t row_count(const sm_table *table) {
    return table->failed ? 0 : table->count / table->column_count;
}

/* Empties the table; 0, or -1 where memory had run out. */
static int empty(sm_table *table) {
    for (size_t i = 0; i < table->count; i++) free(table->cells[i]);
    free(table->cells);
    const int failed = table->failed;
    *table = (sm_table){.columns = table->columns, .column_count = table->column_count};
    return failed ? -1 : 0;
}

int sm_table_finish(sm_table *table, FILE *out) {
    const size_t rows = row_count(table);
    int widths[MAX_COLUMNS];
    const char *texts[MAX_COLUMNS];
    if (rows > 0) {
        lay_out(table, rows, widths, out);
        for (size_t c = 0; c < table->column_count; c++) texts[c] = table->columns[c].title;
        print_row(table, texts, widths, out);
    }
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < table->column_count; c++) texts[c] = cell_at(table, r, c);
        print_row(table, texts, widths, out);
    }
    return empty(table);
}

static void print_markdown(const char *text, FILE *out) {
    for (fputc(' ', out); *text; text++) {
        if (*text == '|') fputc('\\', out);
        fputc(*text, out);
    }
    fputs(" |", out);
}

int sm_table_finish_markdown(sm_table *table, FILE *out) {
    const size_t rows = row_count(table);
    for (size_t c = 0; c < table->column_count; c++) {
        if (c == 0) fputc('|', out);
        print_markdown(table->columns[c].title, out);
    }
    for (size_t c = 0; c < table->column_count; c++)
        fprintf(out, "%s%s|", c == 0 ? "\n|" : "", table->columns[c].right ? "--:" : "---");
    for (size_t r = 0; r < rows; r++) {
        fputs("\n|", out);
        for (size_t c = 0; c < table->column_count; c++) print_markdown(cell_at(table, r, c), out);
    }
    fputc('\n', out);
    return empty(table);
}
