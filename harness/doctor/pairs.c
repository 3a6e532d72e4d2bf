/* What pairs of samples of equal work say about noise. Pure. */
#include "doctor/doctor.h"
#include "measure/rounds.h"
#include "measure/stats.h"
#include <math.h>
#include <stdlib.h>

/* 95 % of a normal distribution lie within 1.96 standard deviations; a median's standard error is
 * sqrt(pi / 2) times a mean's; 1.4826 MAD estimate a standard deviation. */
static const double Z_95 = 1.96, MEDIAN_ERROR = 1.2533, MAD_TO_SIGMA = 1.4826;

double sm_pairs_floor(double scatter, double pairs) {
    return Z_95 * MEDIAN_ERROR * MAD_TO_SIGMA * scatter / sqrt(fmax(pairs, 1));
}

double sm_pairs_rounds(double scatter, double quiet_share, double precision) {
    const double root = sm_pairs_floor(scatter, 1) / precision;
    return fmax(MIN_ROUNDS, ceil(root * root / quiet_share));
}

static double deviation(const double *values, size_t count, double median) {
    double *far = malloc((count + 1) * sizeof *far);
    if (!far) abort(); /* a few kilobytes */
    for (size_t i = 0; i < count; i++) far[i] = fabs(values[i] - median);
    const double result = sm_quantile(far, count, 0.5);
    free(far);
    return result;
}

sm_pairs sm_pairs_of(const double *first, const double *second, const int64_t *taint,
                     size_t count) {
    sm_pairs p = {.count = count};
    for (size_t i = 0; i < count; i++) p.quiet += taint[i] == 0;
    p.noisy = p.quiet < MIN_CLEAN;
    double low, high, *ratios = calloc(count + 1, sizeof *ratios);
    if (!ratios) abort(); /* a few kilobytes */
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        if (p.noisy || taint[i] == 0) ratios[used++] = first[i] / second[i];
    p.ratio = sm_quantile(ratios, used, 0.5);
    sm_median_interval(ratios, used, &low, &high);
    p.floor = (high - low) / 2 / p.ratio;
    p.scatter = deviation(ratios, used, p.ratio) / p.ratio;
    free(ratios);
    return p;
}
