/* Eight lanes, 16 registers. */
#ifndef SM_VEC_H_
#define SM_VEC_H_

#include "isa/intrin.h"
#include <stddef.h>
#include <stdint.h>

typedef __m256 vec;
#define VL 8
enum { VEC_REGS = 16 };
#define SM_UNROLL _Pragma("GCC unroll 16")

static inline vec vec_set1(float v) {
    return _mm256_set1_ps(v);
}
static inline vec vec_bcast(const float *p) {
    return _mm256_broadcast_ss(p);
}
static inline vec vec_load(const float *p) {
    return _mm256_load_ps(p);
}
static inline vec vec_loadu(const float *p) {
    return _mm256_loadu_ps(p);
}
static inline void vec_store(float *p, vec v) {
    _mm256_store_ps(p, v);
}
static inline void vec_storeu(float *p, vec v) {
    _mm256_storeu_ps(p, v);
}
static inline __m256i vec_tail_mask(size_t n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n < 8 ? n : 8)), lane);
}
static inline vec vec_load_tail(const float *p, size_t n) {
    return _mm256_maskload_ps(p, vec_tail_mask(n));
}
static inline void vec_store_tail(float *p, vec v, size_t n) {
    _mm256_maskstore_ps(p, vec_tail_mask(n), v);
}
/* 32-bit indices are taken as signed by the instruction: base is below 2^31 elements. */
static inline vec vec_gather(const float *base, const uint32_t *index) {
    return _mm256_i32gather_ps(base, _mm256_loadu_si256((const __m256i *)(const void *)index), 4);
}
static inline float vec_sum(vec v) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline vec vec_fma(vec a, vec b, vec c) {
    return _mm256_fmadd_ps(a, b, c);
}
static inline vec vec_add(vec a, vec b) {
    return _mm256_add_ps(a, b);
}
static inline vec vec_min(vec a, vec b) {
    return _mm256_min_ps(a, b);
}
static inline vec vec_max(vec a, vec b) {
    return _mm256_max_ps(a, b);
}

/* Four neighbouring floats in one load; vec_pick() repeats one of them, a constant. */
typedef __m256 vec_four;
static inline vec_four vec_load_four(const float *p) {
    return _mm256_broadcast_ps((const __m128 *)(const void *)p);
}
#define vec_pick(four, i)                                                                          \
    ((i) == 0   ? _mm256_permute_ps(four, 0x00)                                                    \
     : (i) == 1 ? _mm256_permute_ps(four, 0x55)                                                    \
     : (i) == 2 ? _mm256_permute_ps(four, 0xaa)                                                    \
                : _mm256_permute_ps(four, 0xff))

/* Two neighbouring floats in one load; vec_first() and vec_second() repeat one of them. */
typedef __m256 vec_two;
static inline vec_two vec_load_two(const float *p) {
    double both;
    __builtin_memcpy(&both, p, sizeof both);
    return _mm256_castpd_ps(_mm256_set1_pd(both));
}
static inline vec vec_first(vec_two two) {
    return _mm256_moveldup_ps(two);
}
static inline vec vec_second(vec_two two) {
    return _mm256_movehdup_ps(two);
}

#endif
