/* cell.inc as a table, for the reader, the writer and sm_cell_free(): one loop over the fields
 * instead of one macro expansion each. */
#ifndef RECORDS_FIELDS_H
#define RECORDS_FIELDS_H

#include "records/record.h"

typedef enum sm_field_kind {
    SM_FIELD_str,
    SM_FIELD_words,
    SM_FIELD_int,
    SM_FIELD_real,
    SM_FIELD_bool,
    SM_FIELD_reals,
    SM_FIELD_ints
} sm_field_kind;

typedef struct sm_field {
    const char *name;
    sm_field_kind kind;
    size_t offset; /* of the member in sm_cell */
} sm_field;

extern const sm_field sm_cell_fields[];
extern const size_t sm_cell_field_count;

#endif
