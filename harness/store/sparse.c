/* Takes a dense tensor apart into bits and values, bit for bit: only +0.0 is left out, and -0.0,
 * NaN and all others are values. Limit: one read of the tensor. */
#include "store/sparse.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint32_t bits_at(const sm_tensor *t, size_t i) {
    uint32_t bits;
    memcpy(&bits, (const char *)t->data + i * sizeof bits, sizeof bits);
    return bits;
}

static size_t count_stored(const sm_tensor *t) {
    size_t stored = 0;
    for (size_t i = 0; i < t->count; i++) stored += bits_at(t, i) != 0;
    return stored;
}

size_t sparse_bytes(const sm_tensor *t) {
    return count_stored(t) * sizeof(float) + (t->count + 7) / 8;
}

void sparse_free(sparse_parts *parts) {
    free(parts->values);
    free(parts->bitmap);
    *parts = (sparse_parts){0};
}

sm_status sparse_take(const sm_tensor *t, sparse_parts *out) {
    *out = (sparse_parts){.stored = count_stored(t), .bitmap_bytes = (t->count + 7) / 8};
    out->values = malloc(out->stored * sizeof *out->values + 1);
    out->bitmap = calloc(out->bitmap_bytes + 1, 1);
    if (!out->values || !out->bitmap) {
        sparse_free(out);
        return sm_fail(SM_E_NOMEM, "%s: no memory to store it sparse", t->name);
    }
    size_t at = 0;
    for (size_t i = 0; i < t->count; i++) {
        const uint32_t bits = bits_at(t, i);
        if (bits == 0) continue;
        out->bitmap[i / 8] |= (unsigned char)(1u << i % 8);
        memcpy(&out->values[at++], &bits, sizeof bits);
    }
    return SM_OK;
}
