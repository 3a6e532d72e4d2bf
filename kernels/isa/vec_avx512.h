/* Sixteen lanes, 32 registers. */
#ifndef SM_VEC_H_
#define SM_VEC_H_

#include "isa/intrin.h"
#include <stddef.h>
#include <stdint.h>
#ifdef SM_EMULATE
#include <string.h>
#endif

typedef __m512 vec;
#define VL 16
enum { VEC_REGS = 32 };
#define SM_UNROLL _Pragma("GCC unroll 16")

static inline vec vec_set1(float v) {
    return _mm512_set1_ps(v);
}
static inline vec vec_bcast(const float *p) {
    return _mm512_set1_ps(*p);
}
static inline vec vec_load(const float *p) {
    return _mm512_load_ps(p);
}
static inline vec vec_loadu(const float *p) {
    return _mm512_loadu_ps(p);
}
static inline void vec_store(float *p, vec v) {
    _mm512_store_ps(p, v);
}
static inline void vec_storeu(float *p, vec v) {
    _mm512_storeu_ps(p, v);
}
#ifdef SM_EMULATE
/* SIMDe's masked memory operations touch all 64 bytes, and it has no expanding load. */
static inline vec vec_load_tail(const float *p, size_t n) {
    vec v = _mm512_setzero_ps();
    memcpy(&v, p, (n < 16 ? n : 16) * sizeof *p);
    return v;
}
static inline void vec_store_tail(float *p, vec v, size_t n) {
    memcpy(p, &v, (n < 16 ? n : 16) * sizeof *p);
}
static inline vec vec_expand(const float *p, unsigned bits) {
    float lane[16];
    for (unsigned i = 0; i < 16; i++) lane[i] = bits >> i & 1 ? *p++ : 0.0f;
    return _mm512_loadu_ps(lane);
}
#else
/* Lane i is the next of p where bit i is set, else 0; no more of p is touched. A Zen 4 waits for
 * the register that is overwritten, even by the form of the instruction that zeroes; only a
 * register that was just cleared, out of the compiler's sight, makes two of them independent. */
static inline vec vec_expand(const float *p, unsigned bits) {
    vec zero;
    __asm__("vpxor %x0, %x0, %x0" : "=x"(zero));
    return _mm512_mask_expandloadu_ps(zero, (__mmask16)bits, p);
}
static inline __mmask16 vec_tail_mask(size_t n) {
    return (__mmask16)(n < 16 ? (1u << n) - 1 : 0xffffu);
}
static inline vec vec_load_tail(const float *p, size_t n) {
    return _mm512_maskz_loadu_ps(vec_tail_mask(n), p);
}
static inline void vec_store_tail(float *p, vec v, size_t n) {
    _mm512_mask_storeu_ps(p, vec_tail_mask(n), v);
}
#endif
/* 32-bit indices are taken as signed by the instruction: base is below 2^31 elements. */
static inline vec vec_gather(const float *base, const uint32_t *index) {
    return _mm512_i32gather_ps(_mm512_loadu_si512(index), base, 4);
}
static inline float vec_sum(vec v) {
    const __m256d high = _mm512_extractf64x4_pd(_mm512_castps_pd(v), 1);
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm256_castpd_ps(high));
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline vec vec_fma(vec a, vec b, vec c) {
    return _mm512_fmadd_ps(a, b, c);
}
static inline vec vec_add(vec a, vec b) {
    return _mm512_add_ps(a, b);
}
static inline vec vec_min(vec a, vec b) {
    return _mm512_min_ps(a, b);
}
static inline vec vec_max(vec a, vec b) {
    return _mm512_max_ps(a, b);
}

/* Four neighbouring floats in one load; vec_pick() repeats one of them, a constant. */
typedef __m512 vec_four;
static inline vec_four vec_load_four(const float *p) {
    return _mm512_broadcast_f32x4(_mm_loadu_ps(p));
}
#ifdef SM_EMULATE
/* SIMDe has no shuffle by a constant. */
static inline vec vec_pick(vec_four four, size_t i) {
    float lane[16];
    _mm512_storeu_ps(lane, four);
    return _mm512_set1_ps(lane[i]);
}
#else
#define vec_pick(four, i)                                                                          \
    ((i) == 0   ? _mm512_permute_ps(four, 0x00)                                                    \
     : (i) == 1 ? _mm512_permute_ps(four, 0x55)                                                    \
     : (i) == 2 ? _mm512_permute_ps(four, 0xaa)                                                    \
                : _mm512_permute_ps(four, 0xff))
#endif

/* Two neighbouring floats in one load; vec_first() and vec_second() repeat one of them. */
typedef __m512 vec_two;
static inline vec_two vec_load_two(const float *p) {
    double both;
    __builtin_memcpy(&both, p, sizeof both);
    return _mm512_castpd_ps(_mm512_set1_pd(both));
}
static inline vec vec_first(vec_two two) {
    return _mm512_moveldup_ps(two);
}
static inline vec vec_second(vec_two two) {
    return _mm512_movehdup_ps(two);
}

#endif
