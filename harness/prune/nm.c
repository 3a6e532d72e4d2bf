/* N:M pruning: of every M weights along K the N largest stay. A weight's rank in its group is the
 * number of weights that beat it, so there is nothing to sort and no branch to mispredict. Works on
 * tiles of columns that fit L1. Limit: M compares a weight; memory for small M. */
#include "prune/prune.h"
#include "prune/threshold.h"
#include <math.h>

enum { TILE = 1024 };

/* Ties go to the lower index. keep: all ones or 0. */
static inline void keep_group(const int32_t *score, size_t m, size_t n, uint32_t *keep) {
    for (size_t i = 0; i < m; i++) {
        uint32_t rank = 0;
        for (size_t j = 0; j < i; j++) rank += score[j] >= score[i];
        for (size_t j = i + 1; j < m; j++) rank += score[j] > score[i];
        keep[i] = rank < n ? UINT32_MAX : 0;
    }
}

/* A constant m unrolls; most networks have 4. */
static void keep_groups(const int32_t *score, size_t count, size_t m, size_t n, uint32_t *keep) {
    size_t i = 0;
    if (m == 4)
        for (; i + 4 <= count; i += 4) keep_group(score + i, 4, n, keep + i);
    for (; i + m <= count; i += m) keep_group(score + i, m, n, keep + i);
    keep_group(score + i, count - i, n, keep + i);
}

/* Sum of |w| over a strip of rows; the bits of such a sum order like integers. */
static void score_tile(const float *w, size_t height, size_t cols, size_t count, int32_t *score) {
    float sum[TILE];
    for (size_t k = 0; k < count; k++) sum[k] = fabsf(w[k]);
    for (size_t i = 1; i < height; i++)
        for (size_t k = 0; k < count; k++) sum[k] += fabsf(w[i * cols + k]);
    for (size_t k = 0; k < count; k++) score[k] = (int32_t)sm_magnitude_bits(sum[k]);
}

static void apply(const uint32_t *keep, size_t height, size_t cols, size_t count, float *w) {
    for (size_t i = 0; i < height; i++, w += cols)
        for (size_t k = 0; k < count; k++) sm_keep(&w[k], keep[k]);
}

void sm_prune_nm(float *w, size_t rows, size_t cols, size_t n, size_t m, size_t v) {
    int32_t score[TILE];
    uint32_t keep[TILE];
    const size_t tile = TILE / m * m;
    for (size_t i = 0, height; i < rows; i += height) {
        height = rows - i < v ? rows - i : v;
        for (size_t k = 0, count; k < cols; k += count) {
            count = cols - k < tile ? cols - k : tile;
            float *at = w + i * cols + k;
            score_tile(at, height, cols, count, score);
            keep_groups(score, count, m, n, keep);
            apply(keep, height, cols, count, at);
        }
    }
}
