/* OpenBLAS and BLIS through the C interface of BLAS: weights row-major, not packed beforehand
 * (neither library offers it); one column goes to sgemv, as a caller would do. */
#include "peers/family.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

typedef struct cblas_api {
    void (*sgemm)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                  const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
    void (*sgemv)(int order, int trans, int m, int n, float alpha, const float *a, int lda,
                  const float *x, int incx, float beta, float *y, int incy);
    void (*set_threads_int)(int threads);     /* OpenBLAS */
    void (*set_threads_dim)(int64_t threads); /* BLIS */
    const char *(*version)(void);
    const char *(*core)(void);     /* OpenBLAS */
    int (*arch)(void);             /* BLIS */
    const char *(*arch_name)(int); /* BLIS */
} cblas_api;

typedef struct cblas_state {
    const cblas_api *api;
    int m, k, n;
    sm_layout layout;
    const float *w;
} cblas_state;

static void set_threads(const void *api, int threads) {
    const cblas_api *f = api;
    if (f->set_threads_int != NULL)
        f->set_threads_int(threads);
    else
        f->set_threads_dim(threads);
}

static void describe(const void *api, sm_peer_info *info) {
    const cblas_api *f = api;
    (void)snprintf(info->version, sizeof info->version, "%s", f->version());
    (void)snprintf(info->core, sizeof info->core, "%s",
                   f->core != NULL ? f->core() : f->arch_name(f->arch()));
}

static sm_status prepare(const void *api, const sm_peer_problem *problem, void **state) {
    SM_TRY(peer_fits_int(problem));
    cblas_state *s = malloc(sizeof *s);
    if (s == NULL) return sm_fail(SM_E_NOMEM, "out of memory for a peer's state");
    *s = (cblas_state){
        api, (int)problem->m, (int)problem->k, (int)problem->n, problem->layout, problem->w};
    *state = s;
    return SM_OK;
}

static void run(void *state, const float *x, float *y) {
    const cblas_state *s = state;
    if (s->n == 1)
        s->api->sgemv(ROW_MAJOR, NO_TRANS, s->m, s->k, 1, s->w, s->k, x, 1, 0, y, 1);
    else if (s->layout == SM_FEATURE_MAJOR)
        s->api->sgemm(ROW_MAJOR, NO_TRANS, NO_TRANS, s->m, s->n, s->k, 1, s->w, s->k, x, s->n, 0, y,
                      s->n);
    else
        s->api->sgemm(ROW_MAJOR, NO_TRANS, TRANS, s->n, s->m, s->k, 1, x, s->k, s->w, s->k, 0, y,
                      s->m);
}

#define FAMILY(table)                                                                              \
    {                                                                                              \
        .symbols = table, .api_size = sizeof(cblas_api), .set_threads = set_threads,               \
        .describe = describe, .prepare = prepare, .run = run, .destroy = free                      \
    }

static const peer_symbol openblas_symbols[] = {
    SYMBOL(cblas_api, "cblas_sgemm", sgemm),
    SYMBOL(cblas_api, "cblas_sgemv", sgemv),
    SYMBOL(cblas_api, "openblas_set_num_threads", set_threads_int),
    SYMBOL(cblas_api, "openblas_get_config", version),
    SYMBOL(cblas_api, "openblas_get_corename", core),
    {0},
};
const peer_family peer_openblas = FAMILY(openblas_symbols);

/* PyPI's scipy-openblas32 prefixes every name. */
static const peer_symbol openblas_pypi_symbols[] = {
    SYMBOL(cblas_api, "scipy_cblas_sgemm", sgemm),
    SYMBOL(cblas_api, "scipy_cblas_sgemv", sgemv),
    SYMBOL(cblas_api, "scipy_openblas_set_num_threads", set_threads_int),
    SYMBOL(cblas_api, "scipy_openblas_get_config", version),
    SYMBOL(cblas_api, "scipy_openblas_get_corename", core),
    {0},
};
const peer_family peer_openblas_pypi = FAMILY(openblas_pypi_symbols);

static const peer_symbol blis_symbols[] = {
    SYMBOL(cblas_api, "cblas_sgemm", sgemm),
    SYMBOL(cblas_api, "cblas_sgemv", sgemv),
    SYMBOL(cblas_api, "bli_thread_set_num_threads", set_threads_dim),
    SYMBOL(cblas_api, "bli_info_get_version_str", version),
    SYMBOL(cblas_api, "bli_arch_query_id", arch),
    SYMBOL(cblas_api, "bli_arch_string", arch_name),
    {0},
};
const peer_family peer_blis = FAMILY(blis_symbols);
