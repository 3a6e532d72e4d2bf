/* Whatever the bytes are: header and body are refused or read in every order. */
#include "fuzz_arrays.h"
#include "input/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sm_array array;
    char type[NPY_TYPE];
    const char *path = fuzz_file(data, size);
    if (npy_read_header(path, &array, type) != SM_OK || array.type == SM_ARRAY_OTHER) return 0;
    if (array.rank != 2 && array.rank != 4) return 0;
    for (int other = 0; other < 2; other++) {
        if (array.rank == 2)
            array.order = other ? SM_ORDER_IN_OUT : SM_ORDER_OUT_IN;
        else
            array.order = other ? SM_ORDER_HWIO : SM_ORDER_OIHW;
        fuzz_read(path, &array);
    }
    return 0;
}
