/* Result files: JSON lines, one object a line, schema in results/README.md. */
#ifndef RECORD_H
#define RECORD_H

#include <jansson.h>
#include <sparsemark/status.h>
#include <stddef.h>
#include <stdint.h>

enum { SM_SCHEMA_VERSION = 2 };

typedef struct sm_cell {
#define SM_CELL_str char *
#define SM_CELL_words char *
#define SM_CELL_int int64_t
#define SM_CELL_real double
#define SM_CELL_bool int
#define SM_CELL_reals double *
#define SM_CELL_ints int64_t *
#define SM_CELL(kind, name) SM_CELL_##kind name;
#include "records/cell.inc"
#undef SM_CELL
#undef SM_CELL_str
#undef SM_CELL_words
#undef SM_CELL_int
#undef SM_CELL_real
#undef SM_CELL_bool
#undef SM_CELL_reals
#undef SM_CELL_ints
} sm_cell;

/* Frees what the cell owns (every string and array, from malloc) and zeroes it. */
void sm_cell_free(sm_cell *cell);

/* A file read back. Cells of groups that are not complete are dropped. */
typedef struct sm_record_set {
    json_t *runs; /* array of the "run" objects */
    sm_cell *cells;
    size_t *run_of; /* per cell: index in runs of the first object with the cell's run_id */
    size_t count;
    size_t good_bytes; /* length of the file up to the last complete group */
} sm_record_set;

/* Reads a file, or the records.jsonl of a folder. A cut last line and the cells of a group that is
 * not complete at the end of the file are left out; damage elsewhere, another schema or a missing
 * field is SM_E_FORMAT with path and line. */
sm_status sm_records_read(const char *path, sm_record_set *out);
void sm_record_set_free(sm_record_set *set);

/* How many points that run was to measure, by its options; 0 where it does not say. *done: of how
 * many the file holds the cells, which resuming adds to. */
size_t sm_records_asked(const sm_record_set *set, size_t run, size_t *done);

typedef struct sm_record_file sm_record_file;

/* Opens path for writing. With resume = 0 the file must not exist yet (SM_E_IO says so);
 * with resume = 1 it is cut back to `good_bytes` and appended to. */
sm_status sm_records_open(const char *path, int resume, size_t good_bytes, sm_record_file **out);

/* A cell as JSON, without type, schema and run_id; NULL when memory runs out. New reference. */
json_t *sm_cell_json(const sm_cell *cell);

/* Appends one run object; adds type, schema and run_id (chosen at open) to it. Borrows run. */
sm_status sm_records_write_run(sm_record_file *file, json_t *run);

/* The same with an object of another type, of a kind of run that has no cells. */
sm_status sm_records_write_other(sm_record_file *file, const char *type, json_t *object);

/* A file of such a kind at once, whole or not at all: run, then the objects, each with its "type".
 * SM_E_IO where path exists. Borrows both. */
sm_status sm_records_write_whole(const char *path, json_t *run, const json_t *objects);

/* Appends the cells of one group as whole lines in one write; on failure (disk full) the file is
 * cut back to where it was and SM_E_IO is returned. Sets group_cells itself. */
sm_status sm_records_write_group(sm_record_file *file, sm_cell *cells, size_t count);
sm_status sm_records_close(sm_record_file *file); /* flushes to disk; accepts NULL */

#endif
