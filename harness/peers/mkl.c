/* Intel MKL through libmkl_rt. Dense: weights packed once by cblas_sgemm_pack, as ours are; one
 * column goes to sgemv. Sparse: the inspector-executor interface on the CSR matrix as it stands.
 * The GNU threading layer serves one thread as well as many, and a layer cannot be changed later.
 */
#include "peers/family.h"
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_MAJOR = 101, COLUMN_MAJOR = 102, NO_TRANS = 111, TRANS = 112, PACKED = 151 };
enum { A_MATRIX = 161, B_MATRIX = 162, LP64 = 0, GNU_THREADING = 3 };
/* As sparse BLAS names them: operation, matrix type, triangle, diagonal. */
enum { OP_NO_TRANS = 10, GENERAL = 20, LOWER = 40, NON_UNIT = 50, EXPECTED_CALLS = 1000 };

typedef struct matrix_descr {
    int type, mode, diag; /* enums in MKL's interface */
} matrix_descr;

static const matrix_descr general = {GENERAL, LOWER, NON_UNIT};

typedef struct mkl_api {
    int (*set_interface_layer)(int layer);
    int (*set_threading_layer)(int layer);
    void (*set_threads)(int threads);
    void (*version)(char *text, int length);
    void (*sgemv)(int order, int trans, int m, int n, float alpha, const float *a, int lda,
                  const float *x, int incx, float beta, float *y, int incy);
    size_t (*pack_size)(int which, int m, int n, int k);
    void (*pack)(int order, int which, int trans, int m, int n, int k, float alpha,
                 const float *source, int ld, float *packed);
    void (*compute)(int order, int trans_a, int trans_b, int m, int n, int k, const float *a,
                    int lda, const float *b, int ldb, float beta, float *c, int ldc);
    int (*create_csr)(void **matrix, int index_base, int rows, int cols, int *row_begin,
                      int *row_end, int *col, float *val);
    int (*mm_hint)(void *matrix, int operation, matrix_descr descr, int layout, int columns,
                   int calls);
    int (*mv_hint)(void *matrix, int operation, matrix_descr descr, int calls);
    int (*optimize)(void *matrix);
    int (*mm)(int operation, float alpha, void *matrix, matrix_descr descr, int layout,
              const float *x, int columns, int ldx, float beta, float *y, int ldy);
    int (*mv)(int operation, float alpha, void *matrix, matrix_descr descr, const float *x,
              float beta, float *y);
    int (*destroy)(void *matrix);
} mkl_api;

typedef struct mkl_state {
    const mkl_api *api;
    int m, k, n;
    sm_layout layout;
    const float *w;
    float *packed; /* dense, more than one column */
    void *matrix;  /* sparse */
} mkl_state;

static int start(const void *api) {
    const mkl_api *f = api;
    return f->set_interface_layer(LP64) == LP64 &&
                   f->set_threading_layer(GNU_THREADING) == GNU_THREADING
               ? 0
               : -1;
}

static void set_threads(const void *api, int threads) {
    const mkl_api *f = api;
    f->set_threads(threads);
}

/* MKL does not say which kernels it chose, but they are a library that it opened: libmkl_def.so.3
 * (any SSE CPU), libmkl_avx2.so.3, libmkl_avx512.so.3, ... */
static int note_kernels(struct dl_phdr_info *loaded, size_t size, void *arg) {
    (void)size;
    static const char *const names[] = {"def", "mc3", "avx2", "avx512", "avx10"};
    sm_peer_info *info = arg;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char file[32];
        (void)snprintf(file, sizeof file, "/libmkl_%s.so", names[i]);
        if (strstr(loaded->dlpi_name, file) == NULL) continue;
        (void)snprintf(info->core, sizeof info->core, "%s", names[i]);
    }
    return 0;
}

static void describe(const void *api, sm_peer_info *info) {
    const mkl_api *f = api;
    char text[200] = "";
    f->version(text, sizeof text - 1);
    /* "Intel(R) oneAPI Math Kernel Library Version 2026.2-Product Build ... applications   " */
    const char *version = strstr(text, "Version ");
    version = version != NULL ? version + strlen("Version ") : text;
    const char *end = strstr(version, " for ");
    const size_t length = end != NULL ? (size_t)(end - version) : strlen(version);
    (void)snprintf(info->version, sizeof info->version, "MKL %.*s", (int)length, version);
    (void)dl_iterate_phdr(note_kernels, info);
}

static sm_status make_state(const void *api, const sm_peer_problem *problem, mkl_state **out) {
    SM_TRY(peer_fits_int(problem));
    mkl_state *s = calloc(1, sizeof *s);
    if (s == NULL) return sm_fail(SM_E_NOMEM, "out of memory for a peer's state");
    s->api = api;
    s->m = (int)problem->m;
    s->k = (int)problem->k;
    s->n = (int)problem->n;
    s->layout = problem->layout;
    s->w = problem->w;
    *out = s;
    return SM_OK;
}

static sm_status prepare_dense(const void *api, const sm_peer_problem *problem, void **state) {
    mkl_state *s = NULL;
    SM_TRY(make_state(api, problem, &s));
    if (s->n > 1) {
        const int token = s->layout == SM_TOKEN_MAJOR;
        const int rows = token ? s->n : s->m, cols = token ? s->m : s->n;
        const int which = token ? B_MATRIX : A_MATRIX;
        s->packed = sm_alloc(s->api->pack_size(which, rows, cols, s->k), 1);
        if (s->packed == NULL) {
            free(s);
            return sm_fail(SM_E_NOMEM, "out of memory for packed weights");
        }
        s->api->pack(ROW_MAJOR, which, token ? TRANS : NO_TRANS, rows, cols, s->k, 1, s->w, s->k,
                     s->packed);
    }
    *state = s;
    return SM_OK;
}

static void run_dense(void *state, const float *x, float *y) {
    const mkl_state *s = state;
    if (s->n == 1)
        s->api->sgemv(ROW_MAJOR, NO_TRANS, s->m, s->k, 1, s->w, s->k, x, 1, 0, y, 1);
    else if (s->layout == SM_FEATURE_MAJOR)
        s->api->compute(ROW_MAJOR, PACKED, NO_TRANS, s->m, s->n, s->k, s->packed, s->k, x, s->n, 0,
                        y, s->n);
    else
        s->api->compute(ROW_MAJOR, NO_TRANS, PACKED, s->n, s->m, s->k, x, s->k, s->packed, s->k, 0,
                        y, s->m);
}

static void destroy_dense(void *state) {
    mkl_state *s = state;
    sm_free(s->packed);
    free(s);
}

/* Reading X[k, n] token-major is reading it column by column; Y likewise. */
static int layout_of(const mkl_state *s) {
    return s->layout == SM_FEATURE_MAJOR ? ROW_MAJOR : COLUMN_MAJOR;
}

static void destroy_sparse(void *state) {
    mkl_state *s = state;
    if (s->matrix != NULL) (void)s->api->destroy(s->matrix);
    free(s);
}

static sm_status prepare_sparse(const void *api, const sm_peer_problem *problem, void **state) {
    SM_TRY(peer_csr_fits_int(problem));
    const sm_csr *csr = problem->csr;
    mkl_state *s = NULL;
    SM_TRY(make_state(api, problem, &s));
    /* MKL takes pointers to non-const and keeps them, but only reads the arrays. */
    int *row_ptr = (int *)csr->row_ptr, *col = (int *)csr->col;
    const char *step = "mkl_sparse_s_create_csr";
    int status = s->api->create_csr(&s->matrix, 0, s->m, s->k, row_ptr, row_ptr + 1, col, csr->val);
    if (status == 0) {
        step = "a hint";
        status = s->n == 1 ? s->api->mv_hint(s->matrix, OP_NO_TRANS, general, EXPECTED_CALLS)
                           : s->api->mm_hint(s->matrix, OP_NO_TRANS, general, layout_of(s), s->n,
                                             EXPECTED_CALLS);
    }
    if (status == 0) {
        step = "mkl_sparse_optimize";
        status = s->api->optimize(s->matrix);
    }
    if (status == 0) {
        *state = s;
        return SM_OK;
    }
    destroy_sparse(s);
    return sm_fail(SM_E_ARG, "%s gave status %d, expected 0", step, status);
}

static void run_sparse(void *state, const float *x, float *y) {
    const mkl_state *s = state;
    const int feature = s->layout == SM_FEATURE_MAJOR;
    if (s->n == 1)
        (void)s->api->mv(OP_NO_TRANS, 1, s->matrix, general, x, 0, y);
    else
        (void)s->api->mm(OP_NO_TRANS, 1, s->matrix, general, layout_of(s), x, s->n,
                         feature ? s->n : s->k, 0, y, feature ? s->n : s->m);
}

#define SERVICE_SYMBOLS                                                                            \
    SYMBOL(mkl_api, "MKL_Set_Interface_Layer", set_interface_layer),                               \
        SYMBOL(mkl_api, "MKL_Set_Threading_Layer", set_threading_layer),                           \
        SYMBOL(mkl_api, "MKL_Set_Num_Threads", set_threads),                                       \
        SYMBOL(mkl_api, "mkl_get_version_string", version)

static const peer_symbol dense_symbols[] = {
    SERVICE_SYMBOLS,
    SYMBOL(mkl_api, "cblas_sgemv", sgemv),
    SYMBOL(mkl_api, "cblas_sgemm_pack_get_size", pack_size),
    SYMBOL(mkl_api, "cblas_sgemm_pack", pack),
    SYMBOL(mkl_api, "cblas_sgemm_compute", compute),
    {0},
};
const peer_family peer_mkl = {.symbols = dense_symbols,
                              .api_size = sizeof(mkl_api),
                              .start = start,
                              .set_threads = set_threads,
                              .describe = describe,
                              .prepare = prepare_dense,
                              .run = run_dense,
                              .destroy = destroy_dense};

static const peer_symbol sparse_symbols[] = {
    SERVICE_SYMBOLS,
    SYMBOL(mkl_api, "mkl_sparse_s_create_csr", create_csr),
    SYMBOL(mkl_api, "mkl_sparse_set_mm_hint", mm_hint),
    SYMBOL(mkl_api, "mkl_sparse_set_mv_hint", mv_hint),
    SYMBOL(mkl_api, "mkl_sparse_optimize", optimize),
    SYMBOL(mkl_api, "mkl_sparse_s_mm", mm),
    SYMBOL(mkl_api, "mkl_sparse_s_mv", mv),
    SYMBOL(mkl_api, "mkl_sparse_destroy", destroy),
    {0},
};
const peer_family peer_mkl_sparse = {.symbols = sparse_symbols,
                                     .api_size = sizeof(mkl_api),
                                     .start = start,
                                     .set_threads = set_threads,
                                     .describe = describe,
                                     .prepare = prepare_sparse,
                                     .run = run_sparse,
                                     .destroy = destroy_sparse};
