/* Other libraries that multiply: the baseline. Found at run time, opened with RTLD_LOCAL. */
#ifndef PEER_H
#define PEER_H

#include <sparsemark/matrix.h>
#include <sparsemark/plan.h>
#include <stddef.h>

typedef struct sm_peer_info {
    const char *name; /* openblas, openblas-pypi, blis, onednn, mkl, mkl-sparse, ... */
    const char *kind; /* "dense" or "sparse" */
    int usable;       /* 1 when it loaded and multiplied correctly in a child process */
    char reason[160]; /* why not, else "" */
    char version[96]; /* as the library says it */
    char core[64];    /* kernel family it uses on this CPU, "" when it does not say */
    char path[512];   /* file that was loaded */
} sm_peer_info;

/* The peers this program knows, in the order of harness/peers/peers.inc. */
size_t sm_peer_count(void);

/* Looks for peer i once and remembers the answer. The first look runs in a forked child, so that a
 * library which crashes on this CPU is reported, not fatal. */
const sm_peer_info *sm_peer_probe(size_t i);

/* A problem: Y = W X, no bias, no clamp. w is dense row-major [m, k]; csr the same matrix. */
typedef struct sm_peer_problem {
    size_t m, k, n;
    sm_layout layout;
    const float *w;
    const sm_csr *csr;
    size_t threads;
} sm_peer_problem;

/* Does peer i, once loaded, take activations in this layout? */
int sm_peer_takes(size_t i, sm_layout layout);

/* Prepares peer i (packs weights where the library offers it). w and csr must outlive the state. */
sm_status sm_peer_prepare(size_t i, const sm_peer_problem *problem, void **state);

/* Multiplies tightly packed operands: feature-major x[k, n] -> y[m, n], token-major x[n, k] ->
 * y[n, m]. */
void sm_peer_run(size_t i, void *state, const float *x, float *y);
void sm_peer_destroy(size_t i, void *state);

/* Unsets the environment variables that make OpenBLAS choose a slow kernel family
 * (OPENBLAS_CORETYPE, OPENBLAS_L2_SIZE); must be called before the first probe. Returns how many
 * were set; their old values stay readable through sm_peer_steered(). */
size_t sm_peer_unset_steering(void);
const char *sm_peer_steered(void); /* "OPENBLAS_CORETYPE=Haswell ..." or "" */

/* Sets the variables by which OpenBLAS, BLIS, oneDNN, MKL and AOCL-Sparse keep to a level, of which
 * avx2 is the one they all know; librsb and XNNPACK have none. Must be called before the first
 * probe. */
sm_status sm_peer_hold(const char *isa);

#endif
