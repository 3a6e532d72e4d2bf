/* Strips of a convolution's unfolded image, in 256-bit registers, for levels that have them. */
#ifndef SM_IM2COL_AVX2_H
#define SM_IM2COL_AVX2_H

#include <sparsemark/plan.h>

/* Columns [n0, n0 + n) and rows [k0, k0 + k) of it, strip[i * nr + j], and zeros from n to end.
 * nr, at most 128, and end are multiples of 8, end is no more than 15 columns farther than n. */
void sm_im2col_avx2(const sm_conv_args *c, size_t n0, size_t n, size_t k0, size_t k, size_t nr,
                    size_t end, float *strip);

#endif
