/* The only place that includes the compiler's intrinsics, or SIMDe's emulation of AVX-512. */
#ifndef SM_INTRIN_H
#define SM_INTRIN_H

#ifdef SM_EMULATE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/fma.h>
#else
#include <immintrin.h>
#endif

#endif
