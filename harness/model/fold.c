/* BatchNorm folded into the layer in front of it: at inference both are one affine map. */
#include "model/network.h"
#include <math.h>

static const double EPSILON = 1e-3;

void batch_norm_fold(const batch_norm *bn, size_t out, size_t k, float *w, float *bias) {
    for (size_t m = 0; m < out; m++) {
        const double scale = (double)bn->gamma[m] / sqrt((double)bn->variance[m] + EPSILON);
        for (size_t i = 0; i < k; i++) w[m * k + i] = (float)(scale * (double)w[m * k + i]);
        bias[m] = (float)(((double)bias[m] - (double)bn->mean[m]) * scale + (double)bn->beta[m]);
    }
}
