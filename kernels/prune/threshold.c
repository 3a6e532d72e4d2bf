/* The k-th largest |score|, found by selection on the digits of the bit pattern. The bits of a
 * non-negative float order like its value, so a histogram of the leading digit tells which digit
 * the threshold has; three passes fix all 31 bits. Linear in the worst case, no copy of the scores,
 * exact with ties. Limit: memory in the first pass; neighbours that fall into one bin wait for each
 * other, hence histograms by turns. */
#include "prune/threshold.h"
#include <sparsemark/prune.h>

enum { BINS = 1 << 11, TURNS = 4 };

typedef struct digit {
    unsigned shift, bits;
} digit;

/* Counts the digit of those whose higher digits are those of found. */
static void count_piece(const float *restrict w, size_t count, digit d, uint32_t found,
                        size_t (*restrict histogram)[BINS]) {
    const uint32_t mask = (UINT32_C(1) << d.bits) - 1;
    const unsigned above = d.shift + d.bits;
    for (size_t i = 0; i < count; i++) {
        const uint32_t m = sm_magnitude_bits(w[i]);
        if (m >> above == found >> above) histogram[i % TURNS][(m >> d.shift) & mask]++;
    }
}

static uint32_t kth_largest(const sm_scores *scores, size_t k) {
    static const digit digits[] = {{20, 11}, {10, 10}, {0, 10}};
    uint32_t found = 0;
    for (size_t d = 0; d < sizeof digits / sizeof *digits; d++) {
        size_t histogram[TURNS][BINS] = {{0}};
        for (size_t p = 0; p < scores->pieces; p++)
            count_piece(scores->at[p], scores->count[p], digits[d], found, histogram);
        for (size_t b = 0; b < BINS; b++)
            for (size_t t = 1; t < TURNS; t++) histogram[0][b] += histogram[t][b];
        uint32_t bin = (UINT32_C(1) << digits[d].bits) - 1;
        while (histogram[0][bin] < k) k -= histogram[0][bin--];
        found |= bin << digits[d].shift;
    }
    return found;
}

/* In float on purpose, the sparsity too: this is how networks are pruned in training, and in double
 * the count differs (25 weights at 0.9 keep 3, not 2). */
static size_t keep_count(size_t count, float sparsity) {
    const float density = 1.0f - sparsity;
    const float k = rintf((float)count * density);
    if (k < 1.0f) return 1;
    return k < (float)count ? (size_t)k : count;
}

sm_status sm_sparsity_check(double sparsity) {
    if (sparsity >= 0.0 && sparsity <= 1.0) return SM_OK;
    return sm_fail(SM_E_ARG, "sparsity: expected 0 to 1, got %g", sparsity);
}

uint32_t sm_threshold_bits(const sm_scores *scores, double sparsity, int tfmot) {
    size_t count = 0;
    for (size_t p = 0; p < scores->pieces; p++) count += scores->count[p];
    if (count == 0 || sparsity == 1.0) return SM_KEEP_NONE;
    /* Beyond 2^24 float rounds a count, so that TFMOT loses a weight even at 0. */
    const size_t k = keep_count(count, (float)sparsity);
    return kth_largest(scores, sparsity == 0.0 && !tfmot ? count : k);
}

/* NaNs are what has larger bits than infinity; a block of numbers needs no branch an element. */
size_t sm_first_nan(const float *score, size_t count) {
    enum { BLOCK = 4096, INFINITE = 0x7f800000 };
    for (size_t first = 0; first < count; first += BLOCK) {
        const size_t end = count - first < BLOCK ? count : first + BLOCK;
        int found = 0;
        for (size_t i = first; i < end; i++)
            found |= (int32_t)sm_magnitude_bits(score[i]) > INFINITE;
        if (!found) continue;
        for (size_t i = first; i < end; i++)
            if (isnan(score[i])) return i;
    }
    return count;
}

sm_status sm_prune_threshold(const float *const *scores, const size_t *counts, size_t tensors,
                             double sparsity, float *threshold) {
    *threshold = INFINITY;
    SM_TRY(sm_sparsity_check(sparsity));
    for (size_t t = 0; t < tensors; t++) {
        const size_t at = sm_first_nan(scores[t], counts[t]);
        if (at < counts[t])
            return sm_fail(SM_E_FORMAT, "scores %zu: element %zu: expected a number, got NaN", t,
                           at);
    }
    const sm_scores all = {scores, counts, tensors};
    *threshold = sm_threshold_value(sm_threshold_bits(&all, sparsity, 0));
    return SM_OK;
}
