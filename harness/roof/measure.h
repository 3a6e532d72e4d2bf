/* What was measured, as its accessors and the JSON see it. */
#ifndef ROOF_MEASURE_H
#define ROOF_MEASURE_H

#include "roof/loops.h"
#include "roof/roof.h"

/* A number of threads and what each of them has of every memory (sizes.h). */
typedef struct sm_roof_width {
    size_t threads, window[SM_ROOF_MEMORIES];
} sm_roof_width;

struct sm_roof {
    sm_roof_width *widths;
    size_t count;
    double *rate; /* 1e9 a second, [count][lines][SM_ROOF_MEMORIES]; NaN: not measured */
    double seconds;
    size_t rounds;
};

/* Fills rate, seconds and rounds. */
sm_status sm_roof_run(sm_roof *roof, double seconds);

/* Where the rate of line l in a memory (SM_ROOF_L1 for multiply-adds) is kept. */
static inline size_t sm_roof_slot(size_t c, size_t l, size_t memory) {
    return (c * sm_roof_line_count() + l) * SM_ROOF_MEMORIES + memory;
}

#endif
