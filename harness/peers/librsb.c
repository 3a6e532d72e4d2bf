/* librsb's sparse products. Its own tuner may take another form than CSR for this very product;
 * what it takes counts as packing. One column goes to rsb_spmv, as a caller would do. */
#include "peers/family.h"
#include <stdio.h>
#include <stdlib.h>

/* As the interface numbers them: an option, a type, no transposition, storage and order flags. */
enum { EXECUTING_THREADS = 0x9, FLOAT = 'S', NO_TRANS = 'N' };
enum { CSR = 0x4000, RECURSIVE = 0x6102 /* the library's default */ };
enum { ROW_MAJOR = 0, COLUMN_MAJOR = 0x4000000 };
#define TUNING_SECONDS 0.1 /* a wish: several times as much was seen */

typedef struct librsb_api {
    int (*init)(void *options);
    int (*set_option)(int option, const void *value);
    void *(*create)(const void *val, const int *row_ptr, const int *col, int nnz, char type,
                    int rows, int cols, int block_rows, int block_cols, int flags, int *status);
    int (*tune)(void **matrix, double *speedup, int *threads, int rounds, double seconds, int trans,
                const void *alpha, const void *other, int columns, int order, const void *x,
                int ldx, const void *beta, void *y, int ldy);
    int (*mm)(int trans, const void *alpha, const void *matrix, int columns, int order,
              const void *x, int ldx, const void *beta, void *y, int ldy);
    int (*mv)(int trans, const void *alpha, const void *matrix, const void *x, int incx,
              const void *beta, void *y, int incy);
    void *(*destroy)(void *matrix);
} librsb_api;

typedef struct librsb_state {
    const librsb_api *api;
    void *matrix;
    int n, order, ldx, ldy;
} librsb_state;

static const float one = 1, zero = 0;

static int start(const void *api) {
    const librsb_api *f = api;
    return f->init(NULL);
}

static void set_threads(const void *api, int threads) {
    const librsb_api *f = api;
    (void)f->set_option(EXECUTING_THREADS, &threads);
}

static void describe(const void *api, sm_peer_info *info) {
    (void)api;
    (void)snprintf(info->version, sizeof info->version, "librsb, version not told");
}

static void destroy(void *state) {
    librsb_state *s = state;
    if (s->matrix != NULL) (void)s->api->destroy(s->matrix);
    free(s);
}

static sm_status prepare(const void *api, const sm_peer_problem *problem, void **state) {
    SM_TRY(peer_csr_fits_int(problem));
    const sm_csr *csr = problem->csr;
    const int m = (int)problem->m, k = (int)problem->k, n = (int)problem->n;
    const int feature = problem->layout == SM_FEATURE_MAJOR;
    librsb_state *s = malloc(sizeof *s);
    if (s == NULL) return sm_fail(SM_E_NOMEM, "out of memory for a peer's state");
    *s = (librsb_state){.api = api, .n = n, .order = feature ? ROW_MAJOR : COLUMN_MAJOR};
    s->ldx = feature ? n : k;
    s->ldy = feature ? n : m;
    const char *step = "rsb_mtx_alloc_from_csr_const";
    int status = 0;
    /* CSR is never slower than its default, and token-major twice as fast; of one column it is
     * refused.
     */
    s->matrix = s->api->create(csr->val, (const int *)csr->row_ptr, (const int *)csr->col,
                               (int)csr->nnz, FLOAT, m, k, 1, 1, k > 1 ? CSR : RECURSIVE, &status);
    /* The tuner would only measure the cost of a call. */
    if (s->matrix != NULL && csr->nnz > 0) {
        step = "rsb_tune_spmm";
        status = s->api->tune(&s->matrix, NULL, NULL, 0, TUNING_SECONDS, NO_TRANS, &one, NULL, n,
                              s->order, NULL, s->ldx, &zero, NULL, s->ldy);
    }
    if (s->matrix != NULL && status == 0) {
        *state = s;
        return SM_OK;
    }
    destroy(s);
    return sm_fail(SM_E_ARG, "%s gave status %d, expected 0", step, status);
}

static void run(void *state, const float *x, float *y) {
    const librsb_state *s = state;
    if (s->n == 1)
        (void)s->api->mv(NO_TRANS, &one, s->matrix, x, 1, &zero, y, 1);
    else
        (void)s->api->mm(NO_TRANS, &one, s->matrix, s->n, s->order, x, s->ldx, &zero, y, s->ldy);
}

static const peer_symbol symbols[] = {
    SYMBOL(librsb_api, "rsb_lib_init", init),
    SYMBOL(librsb_api, "rsb_lib_set_opt", set_option),
    SYMBOL(librsb_api, "rsb_mtx_alloc_from_csr_const", create),
    SYMBOL(librsb_api, "rsb_tune_spmm", tune),
    SYMBOL(librsb_api, "rsb_spmm", mm),
    SYMBOL(librsb_api, "rsb_spmv", mv),
    SYMBOL(librsb_api, "rsb_mtx_free", destroy),
    {0},
};

const peer_family peer_librsb = {.symbols = symbols,
                                 .api_size = sizeof(librsb_api),
                                 .start = start,
                                 .set_threads = set_threads,
                                 .describe = describe,
                                 .prepare = prepare,
                                 .run = run,
                                 .destroy = destroy};
