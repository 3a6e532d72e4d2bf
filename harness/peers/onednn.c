/* oneDNN through dnnl_sgemm: row-major, weights not packed beforehand. It has no gemv. */
#include "peers/family.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct dnnl_version_info {
    int major, minor, patch; /* the fields after these differ between versions */
} dnnl_version_info;

typedef struct onednn_api {
    int (*sgemm)(char trans_a, char trans_b, int64_t m, int64_t n, int64_t k, float alpha,
                 const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                 int64_t ldc);
    const dnnl_version_info *(*version)(void);
    int (*isa)(void);
    void (*set_threads)(int threads); /* of the OpenMP library it is linked to */
} onednn_api;

typedef struct onednn_state {
    const onednn_api *api;
    int64_t m, k, n;
    sm_layout layout;
    const float *w;
} onednn_state;

static void set_threads(const void *api, int threads) {
    const onednn_api *f = api;
    f->set_threads(threads);
}

static void describe(const void *api, sm_peer_info *info) {
    /* Levels whose number is the same in versions 2 and 3. */
    static const struct {
        int value;
        const char *name;
    } names[] = {{0x1, "sse41"},
                 {0x3, "avx"},
                 {0x7, "avx2"},
                 {0x27, "avx512_core"},
                 {0x67, "avx512_core_vnni"},
                 {0xe7, "avx512_core_bf16"}};
    const onednn_api *f = api;
    const dnnl_version_info *v = f->version();
    (void)snprintf(info->version, sizeof info->version, "oneDNN %d.%d.%d", v->major, v->minor,
                   v->patch);
    const int isa = f->isa();
    (void)snprintf(info->core, sizeof info->core, "isa 0x%x", (unsigned)isa);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].value == isa)
            (void)snprintf(info->core, sizeof info->core, "%s", names[i].name);
}

static sm_status prepare(const void *api, const sm_peer_problem *problem, void **state) {
    onednn_state *s = malloc(sizeof *s);
    if (s == NULL) return sm_fail(SM_E_NOMEM, "out of memory for a peer's state");
    *s = (onednn_state){
        api,       (int64_t)problem->m, (int64_t)problem->k, (int64_t)problem->n, problem->layout,
        problem->w};
    *state = s;
    return SM_OK;
}

static void run(void *state, const float *x, float *y) {
    const onednn_state *s = state;
    if (s->layout == SM_FEATURE_MAJOR)
        (void)s->api->sgemm('N', 'N', s->m, s->n, s->k, 1, s->w, s->k, x, s->n, 0, y, s->n);
    else
        (void)s->api->sgemm('N', 'T', s->n, s->m, s->k, 1, x, s->k, s->w, s->k, 0, y, s->m);
}

static const peer_symbol symbols[] = {
    SYMBOL(onednn_api, "dnnl_sgemm", sgemm),
    SYMBOL(onednn_api, "dnnl_version", version),
    SYMBOL(onednn_api, "dnnl_get_effective_cpu_isa", isa),
    SYMBOL(onednn_api, "omp_set_num_threads", set_threads),
    {0},
};

const peer_family peer_onednn = {.symbols = symbols,
                                 .api_size = sizeof(onednn_api),
                                 .set_threads = set_threads,
                                 .describe = describe,
                                 .prepare = prepare,
                                 .run = run,
                                 .destroy = free};
