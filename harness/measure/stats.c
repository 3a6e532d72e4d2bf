/* Order statistics of samples, through GSL. */
#include "measure/stats.h"
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics.h>
#include <stdlib.h>
#include <string.h>

static double *sorted_copy(const double *values, size_t count) {
    double *copy = malloc(count * sizeof *copy);
    if (!copy) abort(); /* a few hundred bytes */
    memcpy(copy, values, count * sizeof *copy);
    gsl_sort(copy, 1, count);
    return copy;
}

double sm_quantile(const double *values, size_t count, double q) {
    double *copy = sorted_copy(values, count);
    const double result = gsl_stats_quantile_from_sorted_data(copy, 1, count, q);
    free(copy);
    return result;
}

void sm_median_interval(const double *values, size_t count, double *low, double *high) {
    double *copy = sorted_copy(values, count);
    size_t rank = 0; /* x(rank) .. x(count - 1 - rank) still covers the median at 95 % */
    while (2 * (rank + 1) < count &&
           gsl_cdf_binomial_P((unsigned)rank, 0.5, (unsigned)count) <= 0.025)
        rank++;
    if (rank > 0) rank--;
    *low = copy[rank];
    *high = copy[count - 1 - rank];
    free(copy);
}
