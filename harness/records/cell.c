/* The cell's fields as a table, and what a cell owns. */
#include "records/fields.h"

#include <stdlib.h>
#include <string.h>

const sm_field sm_cell_fields[] = {
#define SM_CELL(kind, name) {#name, SM_FIELD_##kind, offsetof(sm_cell, name)},
#include "records/cell.inc"
#undef SM_CELL
};

const size_t sm_cell_field_count = sizeof sm_cell_fields / sizeof sm_cell_fields[0];

void sm_cell_free(sm_cell *cell) {
    for (size_t i = 0; i < sm_cell_field_count; i++) {
        void *member = (char *)cell + sm_cell_fields[i].offset;
        switch (sm_cell_fields[i].kind) {
        case SM_FIELD_str:
        case SM_FIELD_words:
            free(*(char **)member);
            break;
        case SM_FIELD_reals:
            free(*(double **)member);
            break;
        case SM_FIELD_ints:
            free(*(int64_t **)member);
            break;
        case SM_FIELD_int:
        case SM_FIELD_real:
        case SM_FIELD_bool:
            break;
        }
    }
    memset(cell, 0, sizeof *cell);
}
