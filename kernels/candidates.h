/* The kernels and K tiles that are worth timing for a matrix. Internal to the library. */
#ifndef SM_CANDIDATES_H
#define SM_CANDIDATES_H

#include "packed.h"

/* Up to so many columns of X the weight stream decides, and kernels for few compete. */
enum { SM_FEW_COLUMNS = 8 };

typedef struct sm_candidate {
    const sm_kernel *kernel;
    size_t kt, mc;
    size_t padded; /* columns computed, padding included */
    double fill;   /* values stored per nonzero; 1 for dense */
    size_t work;   /* padded columns times tenths of fill: what is computed per weight */
    int dense, hopeless;
} sm_candidate;

size_t sm_candidates_max(void); /* of any list */

/* Lists candidates for w, most promising first, and returns their number: 0 where no kernel is
 * allowed. sample: some rows of w. options are complete. */
size_t sm_list_candidates(const sm_csr *w, const sm_csr *sample, const sm_plan_options *options,
                          sm_candidate *out);

double sm_density(const sm_csr *csr);
double sm_dense_bytes(const sm_csr *csr); /* of W, stored densely */
int sm_from_memory(const sm_csr *csr);    /* W, stored densely, is larger than the caches */

/* Whether a call with n columns of X, if that is one, may not find all of W in L2 but need not take
 * it from memory: a sample of W does not show how much is where. */
int sm_spans_l2(const sm_csr *csr, size_t n);

#endif
