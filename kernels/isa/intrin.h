/* The only place that includes the compiler's intrinsics, or SIMDe's emulation of AVX-512. */
#ifndef SM_INTRIN_H
#define SM_INTRIN_H

#ifdef SM_EMULATE
/* A 64-byte vector is passed in memory here; nothing outside the object passes one. */
#pragma GCC diagnostic ignored "-Wpsabi"
#ifdef __clang__
#include <immintrin.h>
#define __mmask64 __mmask64 /* clang's own type; SIMDe would define another */
#endif
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/fma.h>
#else
#include <immintrin.h>
#endif

#endif
