/* Pruning of whole rows by their L2 norm. Limit: one read of the scores; rows go side by side,
 * since one alone would wait for every addition, and where outputs are the fastest axis they share
 * lines. */
#include "prune/mask.h"
#include "prune/threshold.h"
#include "sizes.h"
#include <sparsemark/matrix.h>

enum { TOGETHER = 8 };

/* Double holds the square of every float. */
static void norm_rows(const sm_mask_job *job, size_t first, size_t rows, float *norm) {
    const sm_weights *w = &job->weights;
    double squares[TOGETHER] = {0};
    sm_row_walk walk = sm_row_start(w, first, 0);
    for (size_t k = 0; k < w->in * w->space; k++, sm_row_next(w, &walk))
        for (size_t i = 0; i < rows; i++) {
            const double v = (double)job->score[walk.at + i * w->out_step];
            squares[i] += v * v;
        }
    for (size_t i = 0; i < rows; i++) norm[i] = (float)sqrt(squares[i]);
}

sm_status sm_mask_rows(const sm_mask_job *job) {
    const sm_weights *w = &job->weights;
    float *norm = sm_alloc(w->out, sizeof *norm);
    if (!norm) return sm_fail(SM_E_NOMEM, "no memory for the norms of %zu rows", w->out);
    for (size_t i = 0; i < w->out; i += TOGETHER)
        norm_rows(job, i, sm_min_size(w->out - i, TOGETHER), norm + i);
    sm_mask_grid(job, &(sm_grid){1, w->in * w->space, w->out, 1}, norm);
    sm_free(norm);
    return SM_OK;
}
