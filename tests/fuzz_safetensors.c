/* Whatever the bytes are: the header is refused, or its tensors cover the file and can be read, one
 * by one and as a whole model, those stored sparse included. */
#include "fuzz_arrays.h"
#include "input/safetensors.h"
#include "store/store.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = P_tmpdir "/sparsemark-fuzz-XXXXXX", name[sizeof folder + 32];

static void remove_name(void) {
    (void)unlink(name);
    (void)rmdir(folder);
}

/* A name for the file from which its kind can be told. */
static const char *named(const char *path) {
    if (*name) return name;
    if (!mkdtemp(folder) || atexit(remove_name) != 0) abort();
    snprintf(name, sizeof name, "%s/m.safetensors", folder);
    if (symlink(path, name) != 0) abort();
    return name;
}

/* What it holds is as long as its type and shape say. */
static void read_whole(const char *path) {
    sm_model_file file;
    if (model_file_read(named(path), &file) != SM_OK) {
        if (file.items || file.count || file.metadata) abort();
        return;
    }
    unsigned char sum = 0;
    for (size_t i = 0; i < file.count; i++) {
        const sm_tensor *t = &file.items[i];
        if (strcmp(t->type, "F32") == 0 && t->bytes != t->count * sizeof(float)) abort();
        for (size_t b = 0; b < t->bytes; b++) sum ^= ((unsigned char *)t->data)[b];
    }
    __asm__ volatile("" : : "r"(sum)); /* it counts as used */
    model_file_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    safetensors tensors;
    const char *path = fuzz_file(data, size);
    read_whole(path);
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
