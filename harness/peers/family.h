/* How peers are opened and called. A family is one library's way of multiplying; its api is a
 * struct of function pointers that peer_library_open() fills from the symbols it names. */
#ifndef FAMILY_H
#define FAMILY_H

#include "peers/peer.h"
#include <stddef.h>

typedef struct peer_symbol {
    const char *name; /* NULL ends the list */
    size_t offset;    /* of the function pointer in the api struct */
} peer_symbol;
#define SYMBOL(api, name, member)                                                                  \
    { name, offsetof(api, member) }

/* api is the filled struct; it outlives every state. prepare() runs after set_threads(). */
typedef struct peer_family {
    const peer_symbol *symbols;
    size_t api_size;
    int feature_only;              /* cannot take token-major activations */
    int (*start)(const void *api); /* once after loading, 0 when done; or NULL */
    void (*set_threads)(const void *api, int threads);
    void (*describe)(const void *api, sm_peer_info *info); /* version and core; after a product */
    sm_status (*prepare)(const void *api, const sm_peer_problem *problem, void **state);
    void (*run)(void *state, const float *x, float *y);
    void (*destroy)(void *state);
} peer_family;

extern const peer_family peer_openblas, peer_openblas_pypi, peer_blis, peer_onednn, peer_mkl,
    peer_mkl_sparse, peer_librsb, peer_aocl_sparse, peer_xnnpack;

typedef struct peer_library {
    const peer_family *family;
    void *handle, *api;
    char path[512];
} peer_library;

/* Opens the library and resolves its symbols. Writes why not to reason; 0 when done. */
int peer_library_open(const peer_family *family, const char *where, peer_library *out, char *reason,
                      size_t reason_size);
void peer_library_close(peer_library *library);

/* The first file that matches a glob below the folders where PyPI's libraries may be; 0 if found.
 */
int peer_search(const char *name, char *path, size_t size);

/* The kernels that a library of this family falls back to, and what to ask for instead where the
 * machine has the level. */
typedef struct peer_lift {
    const peer_family *family;
    const char *core, *isa, *variable, *value, *becomes;
} peer_lift;

/* What to ask a library for that chose core, or NULL; not where its variable is set already. The
 * variable is set from peer_lift_begin() to peer_lift_end(), in between the library must be loaded
 * and multiply once. Both take NULL. */
const peer_lift *peer_find_lift(const peer_family *family, const char *core);
int peer_lift_begin(const peer_lift *lift);
void peer_lift_end(const peer_lift *lift);

/* Opens, verifies and describes in a child process; fills everything but name and kind. */
void peer_trial(const peer_family *family, const char *where, sm_peer_info *info);

/* Multiplies small matrices in both layouts and compares exactly; 0 when right, else a reason. */
int peer_verify(const peer_library *library, char *reason, size_t reason_size);

/* BLAS interfaces with 32-bit integers cannot take more. */
sm_status peer_fits_int(const sm_peer_problem *problem);
sm_status peer_csr_fits_int(const sm_peer_problem *problem); /* and the nonzeros */

#endif
