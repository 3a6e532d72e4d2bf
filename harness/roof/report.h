/* The roof in words and tables. */
#ifndef ROOF_REPORT_H
#define ROOF_REPORT_H

#include <jansson.h>
#include <stdio.h>

enum { SM_ROOF_PRINT_THREADS = 8 }; /* numbers of threads that a line has room for */

/* Prints what sm_roof_json() returned; -1 where memory ran out. */
int sm_roof_print(const json_t *roof, FILE *out);

#endif
