/* What this machine can do at best: multiply-adds a second, and bytes a second from each level of
 * the memory. Every timing is set against it. */
#ifndef ROOF_H
#define ROOF_H

#include <jansson.h>
#include <sparsemark/status.h>
#include <stddef.h>

enum { SM_ROOF_L1, SM_ROOF_L2, SM_ROOF_L3, SM_ROOF_DRAM, SM_ROOF_MEMORIES };

typedef struct sm_roof sm_roof;

/* Measures peaks and bandwidths for each number of threads, pinned one a core, within about
 * `seconds` for all; every figure is the best of several short runs taken in turn. */
sm_status sm_roof_measure(const size_t *threads, size_t count, double seconds, sm_roof **out);
void sm_roof_free(sm_roof *roof); /* accepts NULL */

/* Peak of f32 multiply-adds in GFLOP/s (two a multiply-add); isa is a level of isa.inc, "" the
 * fastest that was measured. NaN where that was not measured. */
double sm_roof_fma(const sm_roof *roof, const char *isa, size_t threads);

/* GB/s (1e9 bytes): read of a buffer that fits that memory; copy counts bytes read plus written. */
double sm_roof_read(const sm_roof *roof, size_t memory, size_t threads);
double sm_roof_copy(const sm_roof *roof, size_t memory, size_t threads);

/* The nearest memory that holds `bytes`, and its name: L1, L2, L3, DRAM. */
size_t sm_roof_memory(size_t bytes, size_t threads);
const char *sm_roof_memory_name(size_t memory);

/* The "roof" object of a run (results/README.md) and of `sparsemark roof --json`; new reference. */
json_t *sm_roof_json(const sm_roof *roof);

/* A few microseconds of work that fills the issue slots of a core. */
void sm_roof_probe(void);

#endif
