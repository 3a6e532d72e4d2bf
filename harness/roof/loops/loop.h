/* What the bodies of the measured loops share. CMake defines SM_SYMBOL and SM_VEC_H for each line
 * of roof.inc. */
#ifndef ROOF_LOOP_H
#define ROOF_LOOP_H

#include "roof/loops.h"
#include SM_VEC_H

/* Unlike SM_UNROLL at every level: left rolled, a scalar loop would measure its own counter. */
#define ROOF_FOR(i, count) _Pragma("GCC unroll 32") for (size_t i = 0; i < (count); i++)

/* The compiler must have the value in a register here, and must take it for another one
 * afterwards: nothing is folded, hoisted or dropped. No instruction. */
#define OPAQUE(v) __asm__ volatile("" : "+v"(v))

/* Memory may have changed between two passes. */
#define NEW_PASS() __asm__ volatile("" : : : "memory")

sm_roof_loop SM_SYMBOL;

#endif
