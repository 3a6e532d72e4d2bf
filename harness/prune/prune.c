/* One matrix, any pattern. */
#include "prune/prune.h"

sm_status sm_prune(const sm_pattern *pattern, double sparsity, float *w, size_t rows, size_t cols) {
    switch (pattern->kind) {
    case SM_PATTERN_BLOCK:
        return sm_prune_block(w, rows, cols, pattern->r, pattern->c, SM_POOL_AVG, sparsity);
    case SM_PATTERN_NM:
        sm_prune_nm(w, rows, cols, pattern->n, pattern->m, pattern->v);
        return SM_OK;
    case SM_PATTERN_ROWS:
        return sm_prune_rows(w, rows, cols, sparsity);
    case SM_PATTERN_UNSTRUCTURED:
        break;
    }
    return sm_prune_magnitude(w, rows * cols, sparsity);
}
