/* Magnitude pruning of one tensor: the threshold is the k-th largest |w|, found by selection on the
 * digits of the bit pattern. The bits of a non-negative float order like its value, so a histogram
 * of the leading digit tells which digit the threshold has; three passes fix all 31 bits. Linear in
 * the worst case, no copy of the tensor, exact with ties. Limit: one read of w a pass. */
#include "prune/prune.h"
#include "prune/threshold.h"
#include <math.h>

static uint32_t kth_largest(const float *w, size_t count, size_t k) {
    static const struct { unsigned shift, bits; } digits[] = {{20, 11}, {10, 10}, {0, 10}};
    uint32_t found = 0;
    for (size_t d = 0; d < sizeof digits / sizeof *digits; d++) {
        const unsigned shift = digits[d].shift, above = shift + digits[d].bits;
        const uint32_t mask = (UINT32_C(1) << digits[d].bits) - 1;
        size_t histogram[1 << 11] = {0};
        for (size_t i = 0; i < count; i++) {
            const uint32_t m = sm_magnitude_bits(w[i]);
            if (m >> above == found >> above) histogram[(m >> shift) & mask]++;
        }
        uint32_t digit = mask;
        while (histogram[digit] < k) k -= histogram[digit--];
        found |= digit << shift;
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

sm_status sm_threshold(const float *score, size_t count, double sparsity, uint32_t *threshold) {
    *threshold = 0; /* keeps all */
    if (!(sparsity >= 0.0 && sparsity <= 1.0))
        return sm_fail(SM_E_ARG, "sparsity: expected 0 to 1, got %g", sparsity);
    if (count == 0 || sparsity == 0.0) return SM_OK;
    *threshold = sparsity == 1.0 ? UINT32_MAX /* above all magnitudes: keeps none */
                                 : kth_largest(score, count, keep_count(count, (float)sparsity));
    return SM_OK;
}

sm_status sm_prune_magnitude(float *w, size_t count, double sparsity) {
    uint32_t threshold;
    SM_TRY(sm_threshold(w, count, sparsity, &threshold));
    for (size_t i = 0; i < count; i++)
        sm_keep(&w[i], sm_magnitude_bits(w[i]) >= threshold ? UINT32_MAX : 0);
    return SM_OK;
}
