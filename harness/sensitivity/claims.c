/* What guides to pruning say of layers: intervals of losses, and whether they decide. */
#include "sensitivity/claims.h"
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <stdlib.h>

/* Of a standard normal: 95 % lie within. */
static double z_95(void) {
    return gsl_cdf_ugaussian_Pinv(0.975);
}

interval interval_paired(size_t worse, size_t better, size_t images) {
    const double n = (double)images, b = (double)worse, c = (double)better;
    const double p = (b + 1) / (n + 2), q = (c + 1) / (n + 2);
    const double half = z_95() * sqrt((p + q - (p - q) * (p - q)) / (n + 2));
    return (interval){(b - c) / n, fmax(p - q - half, -1), fmin(p - q + half, 1)};
}

sm_status interval_between(const uint16_t *hits_a, const uint16_t *hits_b, size_t images,
                           size_t settings, interval *out) {
    double *difference = calloc(images, sizeof *difference);
    if (!difference) return sm_fail(SM_E_NOMEM, "no memory for the losses of %zu images", images);
    for (size_t i = 0; i < images; i++)
        difference[i] = ((double)hits_b[i] - (double)hits_a[i]) / (double)settings;
    const double mean = gsl_stats_mean(difference, 1, images);
    const double error = gsl_stats_sd_m(difference, 1, images, mean) / sqrt((double)images);
    const double half = images < 2 ? 2 : z_95() * error; /* one image alone says nothing */
    free(difference);
    *out = (interval){mean, fmax(mean - half, -1), fmin(mean + half, 1)};
    return SM_OK;
}

const char *verdict_name(verdict v) {
    static const char *const names[] = {"not judged", "holds", "undecided", "does not hold"};
    return names[v];
}

verdict verdict_above(const interval *d, size_t count, size_t *decisive) {
    size_t low = 0, high = 0;
    *decisive = 0;
    if (count == 0) return UNJUDGED;
    for (size_t i = 1; i < count; i++) {
        if (d[i].low < d[low].low) low = i;
        if (d[i].high < d[high].high) high = i;
    }
    *decisive = d[high].high < 0 ? high : low;
    return d[high].high < 0 ? REFUTED : d[low].low > 0 ? HOLDS : UNDECIDED;
}

verdict verdict_within(const interval *losses, size_t count, double most, size_t *decisive) {
    size_t low = 0, high = 0;
    *decisive = 0;
    if (count == 0) return UNJUDGED;
    for (size_t i = 1; i < count; i++) {
        if (losses[i].low > losses[low].low) low = i;
        if (losses[i].high > losses[high].high) high = i;
    }
    *decisive = losses[low].low > most ? low : high;
    return losses[low].low > most ? REFUTED : losses[high].high <= most ? HOLDS : UNDECIDED;
}
