/* Instruction-set levels and the decision which of them this CPU and operating system can run. */
#ifndef SPARSEMARK_ISA_H
#define SPARSEMARK_ISA_H

#include <sparsemark/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* The CPUID leaves and the register that levels and measured loops are told by; a leaf that was not
 * recorded is all zero with its has_ flag clear, which means unknown and therefore not usable. */
typedef struct sm_cpuid_regs {
    uint32_t eax, ebx, ecx, edx;
} sm_cpuid_regs;

typedef struct sm_cpuid {
    sm_cpuid_regs leaf1, leaf7_0, leaf7_1;
    uint64_t xcr0;
    int has_leaf1, has_leaf7_0, has_leaf7_1, has_xcr0;
} sm_cpuid;

/* Reads the machine. XGETBV is executed only where OSXSAVE says that it may be. */
void sm_cpuid_read(sm_cpuid *out);

/* Levels are numbered in the order of kernels/isa.inc, from 0. */
size_t sm_isa_count(void);
const char *sm_isa_name(size_t level);                  /* NULL past the end */
sm_status sm_isa_find(const char *name, size_t *level); /* SM_E_ARG lists the levels there are */

/* Whether the level has vector operations of its own, written by hand, rather than the compiler's;
 * 0 where there is no such level. */
int sm_isa_hand_written(const char *name);

/* One bit a level: 1u << level is set when cpuid has every feature the level needs and the
 * operating system saves the registers. Pure: depends on its argument only. */
uint32_t sm_isa_usable(const sm_cpuid *cpuid);

/* Writes "usable" or the exact reason why not ("CPU lacks AVX512F", "operating system does not
 * save ZMM registers (XCR0 bits 5-7)", ...) and returns buf. */
const char *sm_isa_reason(const sm_cpuid *cpuid, size_t level, char *buf, size_t size);

/* The levels usable on this machine; read once, thread-safe. */
uint32_t sm_isa_mask(void);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
