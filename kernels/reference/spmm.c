/* The oracle. Compiled without contraction so that it rounds as written. The bound of a sum of n
 * products in any order is n units, for every n (Jeannerod, Rump, Improved error bounds for inner
 * products in floating-point arithmetic, 2013). */
#include <float.h>
#include <math.h>
#include <sparsemark/reference.h>

static double clamp(double v, double lo, double hi) {
    return v < lo ? lo : v > hi ? hi : v;
}

void sm_reference(const sm_csr *w, const sm_args *a, const size_t *columns, size_t count, double *y,
                  double *bound) {
    const double unit = FLT_EPSILON / 2.0;
    for (size_t m = 0; m < w->rows; m++) {
        const uint32_t begin = w->row_ptr[m], end = w->row_ptr[m + 1];
        const double bias = a->bias ? (double)a->bias[m] : 0.0;
        const double terms = (double)(end - begin) + 1.0;
        double *sum = y + m * count, *mass = bound + m * count;
        for (size_t i = 0; i < count; i++) {
            sum[i] = bias;
            mass[i] = fabs(bias);
        }
        for (uint32_t e = begin; e < end; e++) {
            const double v = (double)w->val[e];
            const float *x = a->x + (ptrdiff_t)w->col[e] * a->x_rs;
            for (size_t i = 0; i < count; i++) {
                const double p = v * (double)x[(ptrdiff_t)columns[i] * a->x_cs];
                sum[i] += p;
                mass[i] += fabs(p);
            }
        }
        for (size_t i = 0; i < count; i++) {
            sum[i] = clamp(sum[i], (double)a->lo, (double)a->hi);
            mass[i] = terms * unit * mass[i] + (terms - 1.0) * (double)FLT_TRUE_MIN;
        }
    }
}

double sm_reference_error(const sm_csr *w, const sm_args *a, const size_t *columns, size_t count,
                          const double *y, const double *bound) {
    double worst = 0.0;
    for (size_t m = 0; m < w->rows; m++) {
        const float *row = a->y + (ptrdiff_t)m * a->y_rs;
        for (size_t i = 0; i < count; i++) {
            const double got = (double)row[(ptrdiff_t)columns[i] * a->y_cs];
            const double off = fabs(got - y[m * count + i]);
            const double ratio = off == 0.0 ? 0.0 : off / bound[m * count + i];
            if (!(ratio <= worst)) worst = isnan(ratio) ? INFINITY : ratio;
        }
    }
    return worst;
}
