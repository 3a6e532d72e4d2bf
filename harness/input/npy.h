/* NumPy's .npy: one array a file. */
#ifndef INPUT_NPY_H
#define INPUT_NPY_H

#include "input/array.h"

enum { NPY_TYPE = 16 };

/* Reads the header from the first size bytes of a file of file_size bytes; name is used in
 * messages. type gets the element type as written. SM_E_FORMAT names the byte where the header is
 * wrong, and a file that is longer or shorter than the header says. */
sm_status npy_parse(const char *name, const char *bytes, size_t size, uint64_t file_size,
                    sm_array *out, char type[NPY_TYPE]);

/* The same from a file; sets the stamp too. */
sm_status npy_read_header(const char *path, sm_array *out, char type[NPY_TYPE]);

#endif
