/* Timing a packed matrix as a call would run it. Internal to the library. */
#ifndef SM_TRIAL_H
#define SM_TRIAL_H

#include "packed.h"

/* Of X or Y; of more only a sample is timed. */
enum { SM_TRIAL_FLOATS = 1 << 22 };

/* Runs before a timed one of a W that spans L2, until that holds as much of it as it will. */
enum { SM_TRIAL_LOOPS = 3 };

/* What is timed: a sample, some rows of W times some strips of X, or a whole call. */
typedef struct sm_trial {
    const sm_plan_options *opt;
    const sm_csr *w;
    double of_rows; /* a call has so many times the rows of w */
    size_t strips;  /* of X; 0: all columns */
    int cold;       /* w comes from memory */
    size_t ld;      /* columns of x and y, feature-major */
    float *x, *y;
    void *workspace;
    int spans_l2; /* W is whole, and see sm_spans_l2() */
    double
        pack_s; /* packing a column of X took, the shortest of all candidates; 0 before the first */
    float *others; /* read between two runs to push W out of L2, where dense it would not fit */
    size_t others_count;
} sm_trial;

enum { SM_TRIAL_CUTS = 8 };

/* The shortest of each; 0 before the first. */
typedef struct sm_times {
    double run_s, pack_s; /* a run, and packing its columns of X */
    size_t cuts;          /* of a run, about equally many strips each, timed alone */
    double cut_s[SM_TRIAL_CUTS];
} sm_times;

/* Some rows of w to sample it by; the caller's. SM_E_NOMEM. */
sm_status sm_trial_slice(const sm_csr *w, const sm_plan_options *opt, sm_csr *out);

/* Makes operands for kernels of at most mr rows and nr columns; the fields before ld are set.
 * SM_E_NOMEM, SM_E_LIMIT where a strip of X is too large for it. */
sm_status sm_trial_begin(sm_trial *t, size_t mr, size_t nr);
void sm_trial_end(sm_trial *t); /* accepts one that was zeroed, or did not begin */

/* Columns of X that are timed where strips have nr. */
size_t sm_trial_columns(const sm_trial *t, size_t nr);

/* Times packed, which is of t->w. */
void sm_trial_run(sm_trial *t, const sm_packed *packed, sm_times *shortest);

/* What a call of the kernel takes as the shortest times say: more, where another candidate shows
 * that packing X was disturbed. */
double sm_trial_call_s(const sm_trial *t, const sm_kernel *kernel, const sm_times *shortest);

#endif
