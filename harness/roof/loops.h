/* The measured loops: the lines of roof.inc as a table, and which of them can run here. */
#ifndef ROOF_LOOPS_H
#define ROOF_LOOPS_H

#include <sparsemark/isa.h>
#include <stddef.h>
#include <stdint.h>

/* Runs `passes` times and returns the work done: operations of kind fma (two a multiply-add), bytes
 * read plus written of read and copy. `bytes` is a multiple of SM_ROOF_GRAIN; the buffer is 64-byte
 * aligned and may be NULL for fma. A probe reads up to SM_ROOF_PROBE_BYTES. */
typedef uint64_t sm_roof_loop(void *buffer, size_t bytes, size_t passes);
enum { SM_ROOF_GRAIN = 4096, SM_ROOF_PROBE_BYTES = 512 };

typedef enum sm_roof_kind { SM_ROOF_fma, SM_ROOF_read, SM_ROOF_copy, SM_ROOF_probe } sm_roof_kind;

typedef struct sm_roof_line {
    sm_roof_kind kind;
    const char *dtype, *isa, *level;
    sm_roof_loop *run;
} sm_roof_line;

size_t sm_roof_line_count(void);
const sm_roof_line *sm_roof_line_at(size_t i);

/* Writes "usable" or the reason why not, as sm_isa_reason() does; returns whether it is usable. */
int sm_roof_usable(const sm_cpuid *cpuid, const sm_roof_line *line, char *reason, size_t size);

#endif
