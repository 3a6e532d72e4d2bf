/* Packs a tensor as the library would for many columns of X, format by format, and notes the bytes.
 * Limit: one packing a format. */
#include "prune/sizes.h"
#include "input/array.h"
#include <sparsemark/plan.h>
#include <string.h>

/* A format that stores this many values a nonzero is none for these weights: plans do not consider
 * it either. */
static const double MOST_FILL = 1.6;

static sm_status to_csr(const sm_prune_row *row, sm_csr *out) {
    const sm_tensor *t = row->tensor;
    sm_array array = {.rank = t->rank, .order = row->order};
    size_t m, k;
    memcpy(array.shape, t->shape, sizeof array.shape);
    array_matrix(&array, &m, &k);
    if (row->order == SM_ORDER_IN_OUT)
        return sm_csr_from_dense(t->data, m, k, 1, (ptrdiff_t)m, out);
    if (row->order != SM_ORDER_HWIO) return sm_csr_from_dense(t->data, m, k, (ptrdiff_t)k, 1, out);
    float *w = sm_alloc(t->count, sizeof *w);
    if (!w) return sm_fail(SM_E_NOMEM, "%s: no memory to pack it", t->name);
    array_place(&array, t->data, w);
    const sm_status status = sm_csr_from_dense(w, m, k, (ptrdiff_t)k, 1, out);
    sm_free(w);
    return status;
}

static sm_status pack(const sm_csr *csr, size_t format, size_t *bytes) {
    const sm_plan_options options = {
        .size = sizeof options, .format_mask = UINT32_C(1) << format, .budget_s = -1};
    sm_plan *plan;
    SM_TRY(sm_plan_create(csr, &options, &plan));
    sm_plan_info info;
    sm_plan_get_info(plan, &info);
    sm_plan_free(plan);
    const double nonzeros = (double)csr->nnz * sizeof(float);
    *bytes = (double)info.bytes.values > MOST_FILL * nonzeros
                 ? 0
                 : info.bytes.values + info.bytes.indices + info.bytes.pointers;
    return SM_OK;
}

sm_status sm_prune_pack(sm_prune_row *row) {
    sm_csr csr;
    if (row->tensor->count == 0) return SM_OK;
    SM_TRY(to_csr(row, &csr));
    sm_status status = SM_OK;
    for (size_t f = 0; f < sm_format_count() && f < SM_PRUNE_FORMATS && status == SM_OK; f++)
        if (strcmp(sm_format_name(f), "dense") != 0) status = pack(&csr, f, &row->formats[f]);
    sm_csr_free(&csr);
    return status;
}
