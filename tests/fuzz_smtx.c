/* Whatever the bytes are: the parser returns, and what it accepts satisfies every invariant. */
#include "input/input.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sm_csr csr;
    if (sm_smtx_parse("fuzz.smtx", (const char *)data, size, &csr) != SM_OK) {
        if (csr.row_ptr || csr.col || csr.val) abort();
        return 0;
    }
    if (sm_csr_check(&csr) != SM_OK) abort();
    sm_csr_free(&csr);
    return 0;
}
