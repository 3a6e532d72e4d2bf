/* One lane. The levels scalar and autovec* compile the bodies with this. */
#ifndef SM_VEC_H_
#define SM_VEC_H_

#include <stddef.h>
#include <stdint.h>

typedef float vec;
#define VL 1
enum { VEC_REGS = 1024 };
/* Left to the compiler, so that autovec levels can vectorise the loops over lanes. */
#define SM_UNROLL

static inline vec vec_set1(float v) {
    return v;
}
static inline vec vec_bcast(const float *p) {
    return *p;
}
static inline vec vec_load(const float *p) {
    return *p;
}
static inline vec vec_loadu(const float *p) {
    return *p;
}
static inline void vec_store(float *p, vec v) {
    *p = v;
}
static inline void vec_storeu(float *p, vec v) {
    *p = v;
}
static inline void vec_store_tail(float *p, vec v, size_t n) {
    if (n > 0) *p = v;
}
static inline vec vec_load_tail(const float *p, size_t n) {
    return n > 0 ? *p : 0.0f;
}
static inline vec vec_gather(const float *base, const uint32_t *index) {
    return base[*index];
}
static inline float vec_sum(vec v) {
    return v;
}
static inline vec vec_fma(vec a, vec b, vec c) {
    return a * b + c;
}
static inline vec vec_add(vec a, vec b) {
    return a + b;
}
static inline vec vec_min(vec a, vec b) {
    return a < b ? a : b;
}
static inline vec vec_max(vec a, vec b) {
    return a > b ? a : b;
}

/* Four neighbouring floats; vec_pick() is one of them. */
typedef const float *vec_four;
static inline vec_four vec_load_four(const float *p) {
    return p;
}
static inline vec vec_pick(vec_four four, size_t i) {
    return four[i];
}

/* Two neighbouring floats. */
typedef const float *vec_two;
static inline vec_two vec_load_two(const float *p) {
    return p;
}
static inline vec vec_first(vec_two two) {
    return two[0];
}
static inline vec vec_second(vec_two two) {
    return two[1];
}

#endif
