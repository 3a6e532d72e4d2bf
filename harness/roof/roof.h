/* What this machine can do at best: multiply-adds a second, and bytes a second from each level of
 * the memory. Every timing is set against it. */
#ifndef ROOF_H
#define ROOF_H

#include <jansson.h>
#include <sparsemark/status.h>
#include <stddef.h>

enum { SM_ROOF_L1, SM_ROOF_L2, SM_ROOF_L3, SM_ROOF_DRAM, SM_ROOF_MEMORIES };

typedef struct sm_roof sm_roof;

/* Measures peaks and the bandwidths of the first `memories` memories (SM_ROOF_MEMORIES: all) for
 * each number of threads within about `seconds` for all; every figure is the best of several short
 * runs taken in turn. However short the time, each is measured once, which takes some tenths of a
 * second, with DRAM up to seconds: memory is touched first, 512 MiB at most. Threads are the
 * function's own, pinned as sm_machine_pin() does: a core each before SMT siblings; the caller's
 * place does not change. SM_E_ARG for no number of threads, 0 of them, or more than the hardware
 * threads that this process may use; SM_E_NOMEM, SM_E_IO where a thread cannot be started or
 * pinned. *out is NULL then. */
sm_status sm_roof_measure(const size_t *threads, size_t count, size_t memories, double seconds,
                          sm_roof **out);
void sm_roof_free(sm_roof *roof); /* accepts NULL */

/* Peak of f32 multiply-adds in GFLOP/s (two a multiply-add); isa is a level of isa.inc, "" the
 * fastest that was measured. A compiler-vectorised level has the peak of the hand-written one with
 * the same instructions. NaN where that was not measured: a level that is not usable here, another
 * number of threads. */
double sm_roof_fma(const sm_roof *roof, const char *isa, size_t threads);

/* GB/s (1e9 bytes) of all threads together, of the vector width that is fastest: read of buffers
 * that fit that memory; copy counts bytes read plus written. NaN where that was not measured: not
 * asked for, no such cache, or one too small beside the caches before it. */
double sm_roof_read(const sm_roof *roof, size_t memory, size_t threads);
double sm_roof_copy(const sm_roof *roof, size_t memory, size_t threads);

/* The nearest memory that can be measured and holds `bytes`, spread evenly over the threads; and
 * its name: L1, L2, L3, DRAM (NULL past the end). */
size_t sm_roof_memory(size_t bytes, size_t threads);
const char *sm_roof_memory_name(size_t memory);

/* The "roof" object of a run (results/README.md) and of `sparsemark roof --json`; new reference,
 * NULL when memory runs out. What was not measured is null. */
json_t *sm_roof_json(const sm_roof *roof);

/* A few microseconds of work that fills the issue slots, FMA, load and integer ports of the core it
 * is called on: whatever runs on its SMT sibling, or lowers its clock, makes it take longer. Always
 * the same work on one machine; the caller times it. */
void sm_roof_probe(void);

#endif
