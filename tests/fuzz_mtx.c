/* Whatever the bytes are: the parser returns, what it accepts satisfies every invariant, and the
 * transpose is as large. */
#include "input/mtx.h"
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sm_csr csr, transposed;
    const sm_status status = mtx_parse("fuzz.mtx", (const char *)data, size, 0, &csr);
    if (mtx_parse("fuzz.mtx", (const char *)data, size, 1, &transposed) != status) abort();
    if (status != SM_OK) {
        if (csr.row_ptr || csr.col || csr.val || transposed.row_ptr) abort();
        return 0;
    }
    if (sm_csr_check(&csr) != SM_OK || sm_csr_check(&transposed) != SM_OK) abort();
    if (csr.nnz != transposed.nnz || csr.rows != transposed.cols) abort();
    sm_csr_free(&csr);
    sm_csr_free(&transposed);
    return 0;
}
