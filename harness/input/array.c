/* Dense arrays in files -> f32 weights, outputs x inputs, row by row. A buffer at a time, so that
 * what is held is the weights and nothing else. Limit: reading the file; in x out weights are
 * scattered with a stride of k. */
#include "input/array.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { BUFFER = 8192 }; /* elements */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files hold little-endian numbers");

const char *array_order_name(sm_weights_order order) {
    static const char *const names[] = {"out-in", "in-out", "oihw", "hwio"};
    return names[order];
}

size_t array_element_size(sm_array_type type) {
    static const size_t sizes[] = {0, 2, 2, 4, 8};
    return sizes[type];
}

int array_product(const size_t *sizes, size_t count, uint64_t *product) {
    *product = 1;
    for (size_t i = 0; i < count; i++)
        if (__builtin_mul_overflow(*product, sizes[i], product)) return 0;
    return 1;
}

void array_matrix(const sm_array *array, size_t *m, size_t *k) {
    const size_t *d = array->shape;
    switch (array->order) {
    case SM_ORDER_OUT_IN:
        *m = d[0];
        *k = d[1];
        break;
    case SM_ORDER_IN_OUT:
        *m = d[1];
        *k = d[0];
        break;
    case SM_ORDER_OIHW:
        *m = d[0];
        *k = d[1] * d[2] * d[3];
        break;
    case SM_ORDER_HWIO:
        *m = d[3];
        *k = d[0] * d[1] * d[2];
        break;
    }
}

int array_is_unfolded(const sm_array *array) {
    const size_t *d = array->shape;
    if (array->order == SM_ORDER_OIHW) return d[2] > 1 || d[3] > 1;
    return array->order == SM_ORDER_HWIO && (d[0] > 1 || d[1] > 1);
}

/* How far apart in the matrix neighbours along each axis of the file are: inputs are ordered as in
 * OIHW, whatever the file's order. */
static void matrix_steps(const sm_array *array, size_t *step) {
    const size_t *d = array->shape;
    switch (array->order) {
    case SM_ORDER_OUT_IN:
        step[0] = d[1];
        step[1] = 1;
        break;
    case SM_ORDER_IN_OUT:
        step[0] = 1;
        step[1] = d[0];
        break;
    case SM_ORDER_OIHW:
        step[0] = d[1] * d[2] * d[3];
        step[1] = d[2] * d[3];
        step[2] = d[3];
        step[3] = 1;
        break;
    case SM_ORDER_HWIO:
        step[0] = d[1];
        step[1] = 1;
        step[2] = d[0] * d[1];
        step[3] = d[0] * d[1] * d[2];
        break;
    }
}

/* A walk over the elements as they lie in the file. */
typedef struct walk {
    const sm_array *array;
    size_t step[SM_ARRAY_RANK], index[SM_ARRAY_RANK];
    size_t at; /* place in the matrix */
} walk;

static void advance(walk *p) {
    const sm_array *a = p->array;
    for (size_t i = 0; i < a->rank; i++) {
        const size_t axis = a->fortran ? i : a->rank - 1 - i;
        p->at += p->step[axis];
        if (++p->index[axis] < a->shape[axis]) return;
        p->at -= p->step[axis] * a->shape[axis];
        p->index[axis] = 0;
    }
}

void array_place(const sm_array *array, const float *values, float *w) {
    walk p = {.array = array};
    uint64_t count;
    (void)array_product(array->shape, array->rank, &count);
    matrix_steps(array, p.step);
    for (size_t i = 0; i < count; i++, advance(&p)) w[p.at] = values[i];
}

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Exact: f32 has all values of f16, its subnormal ones as normal ones. */
static float from_f16(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    const uint32_t exponent = half >> 10 & 0x1f, fraction = half & 0x3ff;
    if (exponent == 0x1f) return from_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent > 0) return from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
    const float magnitude = (float)fraction * 0x1p-24f;
    return sign ? -magnitude : magnitude;
}

/* What rounds to infinity becomes infinity, which is refused like one in the file. */
static float from_f64(double value) {
    const double limit = 0x1.ffffffp127; /* half a unit beyond the largest f32 */
    if (fabs(value) >= limit) return value > 0 ? INFINITY : -INFINITY;
    return (float)value;
}

static void decode(sm_array_type type, const unsigned char *bytes, size_t count, float *out) {
    const size_t size = array_element_size(type);
    for (size_t i = 0; i < count; i++, bytes += size) {
        uint16_t half;
        double value;
        switch (type) {
        case SM_ARRAY_F16:
            memcpy(&half, bytes, sizeof half);
            out[i] = from_f16(half);
            break;
        case SM_ARRAY_BF16:
            memcpy(&half, bytes, sizeof half);
            out[i] = from_bits((uint32_t)half << 16);
            break;
        case SM_ARRAY_F64:
            memcpy(&value, bytes, sizeof value);
            out[i] = from_f64(value);
            break;
        default:
            memcpy(&out[i], bytes, sizeof *out);
            break;
        }
    }
}

static sm_status not_finite(const char *path, const char *tensor, const walk *p, float value) {
    char index[SM_ARRAY_RANK * 21 + 1];
    size_t used = 0;
    for (size_t i = 0; i < p->array->rank; i++)
        used +=
            (size_t)snprintf(index + used, sizeof index - used, "%s%zu", i ? "," : "", p->index[i]);
    return sm_fail(SM_E_FORMAT, "%s: %s%selement [%s]: expected a finite number, got %s", path,
                   tensor ? tensor : "", tensor ? ": " : "", index,
                   isnan(value)                     ? "NaN"
                   : p->array->type == SM_ARRAY_F64 ? "infinity or one that f32 cannot hold"
                                                    : "infinity");
}

static sm_status read_open(const input_file *file, const char *tensor, const sm_array *array,
                           float *w, size_t *zeros) {
    unsigned char bytes[BUFFER * sizeof(double)];
    float values[BUFFER];
    walk p = {.array = array};
    uint64_t left, offset = array->offset;
    const size_t size = array_element_size(array->type);
    array_sparse_walk sparse = {0};
    if (!array_product(array->shape, array->rank, &left))
        return sm_fail(SM_E_LIMIT, "%s: more elements than 64 bits count", file->path);
    matrix_steps(array, p.step);
    for (*zeros = 0; left > 0;) {
        const size_t count = left < BUFFER ? (size_t)left : BUFFER;
        if (array->storage != SM_STORED_DENSE) {
            SM_TRY(array_sparse_read(file, tensor, array, &sparse, count, values));
        } else {
            SM_TRY(file_read(file, offset, bytes, count * size));
            decode(array->type, bytes, count, values);
        }
        for (size_t i = 0; i < count; i++, advance(&p)) {
            if (!isfinite(values[i])) return not_finite(file->path, tensor, &p, values[i]);
            *zeros += values[i] == 0.0f;
            if (w) w[p.at] = values[i];
        }
        offset += count * size;
        left -= count;
    }
    return SM_OK;
}

sm_status array_read(const char *path, const char *tensor, const sm_array *array, float *w,
                     size_t *zeros) {
    input_file file;
    SM_TRY(file_open(path, &file));
    sm_status status =
        file.stamp.size == array->stamp.size && file.stamp.mtime_ns == array->stamp.mtime_ns
            ? SM_OK
            : sm_fail(SM_E_IO, "%s: changed since it was listed", path);
    if (status == SM_OK) status = read_open(&file, tensor, array, w, zeros);
    file_close(&file);
    return status;
}
