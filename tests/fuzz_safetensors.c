/* Whatever the bytes are: the header is refused, or its tensors cover the file and can be read. */
#include "fuzz_arrays.h"
#include "input/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    safetensors tensors;
    const char *path = fuzz_file(data, size);
    if (safetensors_read_header(path, &tensors) != SM_OK) {
        if (tensors.header || tensors.items || tensors.count) abort();
        return 0;
    }
    uint64_t end = 0;
    for (size_t i = 0; i < tensors.count; i++) {
        safetensor *t = &tensors.items[i];
        if (t->begin != end || t->end > size) abort();
        end = t->end;
    }
    if (safetensors_join(path, &tensors) != SM_OK) {
        safetensors_free(&tensors);
        return 0;
    }
    for (size_t i = 0; i < tensors.count; i++) {
        safetensor *t = &tensors.items[i];
        if (t->array.type == SM_ARRAY_OTHER || (t->array.rank != 2 && t->array.rank != 4)) continue;
        t->array.order = t->array.rank == 2 ? SM_ORDER_OUT_IN : SM_ORDER_HWIO;
        fuzz_read(path, &t->array);
    }
    safetensors_free(&tensors);
    return 0;
}
