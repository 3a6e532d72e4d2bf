/* Takes a dense tensor apart into values and their places, bit for bit: only +0.0 is left out, and
 * -0.0, NaN and all others are values. Limit: two reads of the tensor. */
#include "store/sparse.h"
#include "input/safetensors.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint32_t bits_at(const sm_tensor *t, size_t i) {
    uint32_t bits;
    memcpy(&bits, (const char *)t->data + i * sizeof bits, sizeof bits);
    return bits;
}

/* Values in all, and the most in four neighbours. */
static size_t count_values(const sm_tensor *t, size_t *most) {
    size_t stored = 0, in_four = 0;
    for (size_t i = *most = 0; i < t->count; i++) {
        if (i % 4 == 0) in_four = 0;
        const int is_value = bits_at(t, i) != 0;
        stored += (size_t)is_value;
        in_four += (size_t)is_value;
        if (in_four > *most) *most = in_four;
    }
    return stored;
}

void sparse_free(sparse_parts *parts) {
    free(parts->values);
    free(parts->places);
    *parts = (sparse_parts){0};
}

static void choose(const sm_tensor *t, sparse_parts *out) {
    size_t best = t->bytes, most;
    const size_t stored = count_values(t, &most);
    for (sm_array_storage s = SM_STORED_BITMAP; s <= SM_STORED_1_OF_4; s++) {
        if (s == SM_STORED_1_OF_4 && most > 1) continue;
        const size_t values =
            s == SM_STORED_1_OF_4 ? (size_t)safetensors_value_limit(s, t->count) : stored;
        const size_t places = (size_t)safetensors_place_bytes(s, t->count);
        if (values * sizeof(float) + places >= best) continue;
        best = values * sizeof(float) + places;
        *out = (sparse_parts){.storage = s, .stored = values, .place_bytes = places};
    }
}

static void take_bitmap(const sm_tensor *t, const sparse_parts *out) {
    size_t at = 0;
    for (size_t i = 0; i < t->count; i++) {
        const uint32_t bits = bits_at(t, i);
        if (bits == 0) continue;
        out->places[i / 8] |= (unsigned char)(1u << i % 8);
        memcpy(&out->values[at++], &bits, sizeof bits);
    }
}

/* Four neighbours without a value store the first one's zero. */
static void take_1_of_4(const sm_tensor *t, const sparse_parts *out) {
    for (size_t i = 0; i < t->count; i++) {
        const uint32_t bits = bits_at(t, i);
        if (bits == 0) continue;
        out->places[i / 16] |= (unsigned char)(i % 4 << i % 16 / 4 * 2);
        memcpy(&out->values[i / 4], &bits, sizeof bits);
    }
}

sm_status sparse_take(const sm_tensor *t, sparse_parts *out) {
    *out = (sparse_parts){0};
    if (strcmp(t->type, "F32") == 0) choose(t, out);
    if (out->storage == SM_STORED_DENSE) return SM_OK;
    out->values = calloc(out->stored + 1, sizeof *out->values);
    out->places = calloc(out->place_bytes + 1, 1);
    if (!out->values || !out->places) {
        sparse_free(out);
        return sm_fail(SM_E_NOMEM, "%s: no memory to store it sparse", t->name);
    }
    (out->storage == SM_STORED_BITMAP ? take_bitmap : take_1_of_4)(t, out);
    return SM_OK;
}
