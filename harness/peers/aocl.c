/* AMD's AOCL-Sparse on the CSR matrix as it stands, with the hints that let it choose another form.
 * PyPI has it as a part of AOCL Data Analytics (libaocl-da), which alone knows where its parts lie,
 * so that library is opened and gives the symbols of its dependencies. */
#include "peers/family.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As the interface numbers them. */
enum { NO_TRANS = 111, BASE_ZERO = 0, ROW_MAJOR = 0, COLUMN_MAJOR = 1, EXPECTED_CALLS = 1000 };

typedef struct aocl_api {
    const char *(*version)(void);
    void (*set_threads)(int threads); /* of the OpenMP library it is linked to */
    int (*create_descr)(void **descr);
    void (*destroy_descr)(void *descr);
    int (*create_csr)(void **matrix, int base, int rows, int cols, int nnz, int *row_ptr, int *col,
                      float *val);
    int (*mm_hint)(void *matrix, int operation, void *descr, int calls);
    int (*mv_hint)(void *matrix, int operation, void *descr, int calls);
    int (*optimize)(void *matrix);
    int (*mm)(int operation, float alpha, void *matrix, void *descr, int order, const float *x,
              int columns, int ldx, float beta, float *y, int ldy);
    int (*mv)(int operation, const float *alpha, void *matrix, void *descr, const float *x,
              const float *beta, float *y);
    int (*destroy)(void **matrix);
} aocl_api;

typedef struct aocl_state {
    const aocl_api *api;
    void *matrix, *descr;
    size_t y_count;
    int n, order, ldx, ldy;
} aocl_state;

static void set_threads(const void *api, int threads) {
    const aocl_api *f = api;
    f->set_threads(threads);
}

static void describe(const void *api, sm_peer_info *info) {
    const aocl_api *f = api;
    (void)snprintf(info->version, sizeof info->version, "%s", f->version());
}

static void destroy(void *state) {
    aocl_state *s = state;
    if (s->matrix != NULL) (void)s->api->destroy(&s->matrix);
    if (s->descr != NULL) s->api->destroy_descr(s->descr);
    free(s);
}

static int make(aocl_state *s, const sm_peer_problem *problem, const char **step) {
    /* It takes pointers to non-const and keeps them, but only reads the arrays. */
    const sm_csr *csr = problem->csr;
    int *row_ptr = (int *)csr->row_ptr, *col = (int *)csr->col;
    *step = "aoclsparse_create_scsr";
    int status = s->api->create_csr(&s->matrix, BASE_ZERO, (int)problem->m, (int)problem->k,
                                    (int)csr->nnz, row_ptr, col, csr->val);
    if (status != 0) return status;
    *step = "aoclsparse_create_mat_descr";
    status = s->api->create_descr(&s->descr);
    if (status != 0) return status;
    *step = "a hint";
    status = s->n == 1 ? s->api->mv_hint(s->matrix, NO_TRANS, s->descr, EXPECTED_CALLS)
                       : s->api->mm_hint(s->matrix, NO_TRANS, s->descr, EXPECTED_CALLS);
    if (status != 0) return status;
    *step = "aoclsparse_optimize";
    return s->api->optimize(s->matrix);
}

static sm_status prepare(const void *api, const sm_peer_problem *problem, void **state) {
    SM_TRY(peer_csr_fits_int(problem));
    aocl_state *s = malloc(sizeof *s);
    if (s == NULL) return sm_fail(SM_E_NOMEM, "out of memory for a peer's state");
    const int feature = problem->layout == SM_FEATURE_MAJOR;
    *s = (aocl_state){.api = api, .y_count = problem->m * problem->n, .n = (int)problem->n};
    s->order = feature ? ROW_MAJOR : COLUMN_MAJOR;
    s->ldx = feature ? s->n : (int)problem->k;
    s->ldy = feature ? s->n : (int)problem->m;
    const char *step = NULL;
    const int status = make(s, problem, &step);
    if (status == 0) {
        *state = s;
        return SM_OK;
    }
    destroy(s);
    return sm_fail(SM_E_ARG, "%s gave status %d, expected 0", step, status);
}

static void run(void *state, const float *x, float *y) {
    const aocl_state *s = state;
    static const float one = 1, zero = 0;
    /* It multiplies Y by beta even where that is 0, and a NaN there would stay. A caller's buffer
     * has none; ours starts with nothing else, before the first product only. */
    if (isnan(y[0])) memset(y, 0, s->y_count * sizeof *y);
    if (s->n == 1)
        (void)s->api->mv(NO_TRANS, &one, s->matrix, s->descr, x, &zero, y);
    else
        (void)s->api->mm(NO_TRANS, 1, s->matrix, s->descr, s->order, x, s->n, s->ldx, 0, y, s->ldy);
}

static const peer_symbol symbols[] = {
    SYMBOL(aocl_api, "aoclsparse_get_version", version),
    SYMBOL(aocl_api, "omp_set_num_threads", set_threads),
    SYMBOL(aocl_api, "aoclsparse_create_mat_descr", create_descr),
    SYMBOL(aocl_api, "aoclsparse_destroy_mat_descr", destroy_descr),
    SYMBOL(aocl_api, "aoclsparse_create_scsr", create_csr),
    SYMBOL(aocl_api, "aoclsparse_set_mm_hint", mm_hint),
    SYMBOL(aocl_api, "aoclsparse_set_mv_hint", mv_hint),
    SYMBOL(aocl_api, "aoclsparse_optimize", optimize),
    SYMBOL(aocl_api, "aoclsparse_scsrmm", mm),
    SYMBOL(aocl_api, "aoclsparse_smv", mv),
    SYMBOL(aocl_api, "aoclsparse_destroy", destroy),
    {0},
};

const peer_family peer_aocl_sparse = {.symbols = symbols,
                                      .api_size = sizeof(aocl_api),
                                      .set_threads = set_threads,
                                      .describe = describe,
                                      .prepare = prepare,
                                      .run = run,
                                      .destroy = destroy};
