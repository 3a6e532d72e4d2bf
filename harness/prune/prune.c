/* One matrix pruned by magnitude, by any pattern. */
#include "prune/prune.h"

sm_status sm_prune(const sm_pattern *pattern, double sparsity, float *w, size_t rows, size_t cols) {
    const sm_prune_options options = {
        .size = sizeof options, .pattern = *pattern, .sparsity = sparsity};
    const size_t shape[] = {rows, cols}, count = rows * cols;
    sm_prune_result result;
    uint8_t *mask = sm_alloc(count, sizeof *mask);
    if (!mask)
        return sm_fail(SM_E_NOMEM, "no memory for the mask of %zu x %zu weights", rows, cols);
    const sm_status status = sm_prune_mask(w, shape, 2, &options, mask, &result);
    if (status == SM_OK) sm_prune_apply(mask, count, w);
    sm_free(mask);
    return status;
}
