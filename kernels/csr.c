/* The canonical matrix: allocation, invariants, dense round trip. */
#include "formats/format.h"
#include <math.h>
#include <sparsemark/matrix.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Large arrays are read as streams, at N = 1 as fast as memory gives: in pages of 4 KiB they wait
 * for page walks (up to a fifth of the time on a Zen 4). Where the system has no huge pages, or
 * keeps them from those who ask, nothing changes. */
void *sm_alloc(size_t count, size_t size) {
    enum { LINE = 64, HUGE_PAGE = 1 << 21 };
    if (size != 0 && count > (SIZE_MAX - HUGE_PAGE) / size) return NULL;
    const size_t bytes = count * size, align = bytes < HUGE_PAGE ? LINE : HUGE_PAGE;
    const size_t rounded = (bytes + align - 1) / align * align;
    void *p = aligned_alloc(align, rounded == 0 ? align : rounded);
    if (p && align == HUGE_PAGE) (void)madvise(p, rounded, MADV_HUGEPAGE);
    return p;
}

void sm_free(void *p) {
    free(p);
}

static sm_status too_large(size_t rows, size_t cols, size_t nnz) {
    return sm_fail(SM_E_LIMIT,
                   "matrix of %zu rows, %zu columns, %zu nonzeros: expected at most %u of each",
                   rows, cols, nnz, UINT32_MAX);
}

sm_status sm_csr_alloc(size_t rows, size_t cols, size_t nnz, sm_csr *out) {
    *out = (sm_csr){0};
    if (rows > UINT32_MAX || cols > UINT32_MAX || nnz > UINT32_MAX)
        return too_large(rows, cols, nnz);
    if ((uint64_t)nnz > (uint64_t)rows * cols)
        return sm_fail(SM_E_LIMIT, "matrix of %zu x %zu: expected at most %llu nonzeros, got %zu",
                       rows, cols, (unsigned long long)rows * cols, nnz);
    sm_csr csr = {.rows = rows, .cols = cols, .nnz = nnz};
    csr.row_ptr = sm_alloc(rows + 1, sizeof *csr.row_ptr);
    csr.col = sm_alloc(nnz, sizeof *csr.col);
    csr.val = sm_alloc(nnz, sizeof *csr.val);
    if (!csr.row_ptr || !csr.col || !csr.val) {
        sm_csr_free(&csr);
        return sm_fail(SM_E_NOMEM, "no memory for a matrix of %zu x %zu with %zu nonzeros", rows,
                       cols, nnz);
    }
    memset(csr.row_ptr, 0, (rows + 1) * sizeof *csr.row_ptr);
    *out = csr;
    return SM_OK;
}

void sm_csr_free(sm_csr *csr) {
    sm_free(csr->row_ptr);
    sm_free(csr->col);
    sm_free(csr->val);
    *csr = (sm_csr){0};
}

int sm_is_zero(float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits << 1 == 0;
}

sm_status sm_csr_check(const sm_csr *csr) {
    if (csr->rows > UINT32_MAX || csr->cols > UINT32_MAX || csr->nnz > UINT32_MAX)
        return too_large(csr->rows, csr->cols, csr->nnz);
    if (!csr->row_ptr || (csr->nnz > 0 && (!csr->col || !csr->val)))
        return sm_fail(SM_E_FORMAT, "an array of the matrix is NULL: expected one of row_ptr, col "
                                    "and val each");
    if (csr->row_ptr[0] != 0)
        return sm_fail(SM_E_FORMAT, "row offset 0: expected 0, got %u", csr->row_ptr[0]);
    for (size_t r = 0; r < csr->rows; r++) {
        const uint32_t begin = csr->row_ptr[r], end = csr->row_ptr[r + 1];
        if (end < begin || end > csr->nnz)
            return sm_fail(SM_E_FORMAT, "row offset %zu: expected %u to %zu, got %u", r + 1, begin,
                           csr->nnz, end);
        for (uint32_t i = begin; i < end; i++) {
            if (csr->col[i] >= csr->cols)
                return sm_fail(SM_E_FORMAT, "row %zu: expected columns below %zu, got %u", r,
                               csr->cols, csr->col[i]);
            if (i > begin && csr->col[i] <= csr->col[i - 1])
                return sm_fail(SM_E_FORMAT, "row %zu: expected increasing columns, got %u after %u",
                               r, csr->col[i], csr->col[i - 1]);
            if (!isfinite(csr->val[i]) || sm_is_zero(csr->val[i]))
                return sm_fail(SM_E_FORMAT,
                               "row %zu, column %u: expected a finite nonzero value, got %g", r,
                               csr->col[i], (double)csr->val[i]);
        }
    }
    if (csr->row_ptr[csr->rows] != csr->nnz)
        return sm_fail(SM_E_FORMAT, "last row offset: expected %zu, got %u", csr->nnz,
                       csr->row_ptr[csr->rows]);
    return SM_OK;
}

sm_status sm_csr_from_dense(const float *w, size_t rows, size_t cols, ptrdiff_t rs, ptrdiff_t cs,
                            sm_csr *out) {
    size_t nnz = 0;
    *out = (sm_csr){0};
    for (size_t r = 0; r < rows; r++) {
        const float *row = w + (ptrdiff_t)r * rs;
        for (size_t c = 0; c < cols; c++) {
            const float v = row[(ptrdiff_t)c * cs];
            if (!isfinite(v))
                return sm_fail(SM_E_FORMAT, "row %zu, column %zu: expected a finite value, got %g",
                               r, c, (double)v);
            nnz += v != 0.0f;
        }
    }
    SM_TRY(sm_csr_alloc(rows, cols, nnz, out));
    uint32_t at = 0;
    for (size_t r = 0; r < rows; r++) {
        const float *row = w + (ptrdiff_t)r * rs;
        for (size_t c = 0; c < cols; c++) {
            const float v = row[(ptrdiff_t)c * cs];
            if (v == 0.0f) continue;
            out->col[at] = (uint32_t)c;
            out->val[at++] = v;
        }
        out->row_ptr[r + 1] = at;
    }
    return SM_OK;
}

void sm_csr_to_dense(const sm_csr *csr, float *w) {
    memset(w, 0, csr->rows * csr->cols * sizeof *w);
    for (size_t r = 0; r < csr->rows; r++)
        for (uint32_t i = csr->row_ptr[r]; i < csr->row_ptr[r + 1]; i++)
            w[r * csr->cols + csr->col[i]] = csr->val[i];
}
