/* Order statistics of samples, through GSL. */
#ifndef STATS_H
#define STATS_H

#include <stddef.h>

/* Quantile q of count > 0 values (linear between neighbours); values are not changed. */
double sm_quantile(const double *values, size_t count, double q);

/* Distribution-free 95 % interval of the median from order statistics (binomial). Fewer than six
 * values cannot give 95 %: the interval is then their whole range. */
void sm_median_interval(const double *values, size_t count, double *low, double *high);

#endif
