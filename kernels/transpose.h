/* Transposes between token-major operands and strips: dst[i * dst_rs + j] = src[j * src_rs + i] for
 * i < rows, j < cols. */
#ifndef SM_TRANSPOSE_H
#define SM_TRANSPOSE_H

#include <stddef.h>

/* For levels of 256-bit vectors and more. dst_far says which side has its rows far apart, perhaps a
 * multiple of 4 KiB, so that they share a set of the first cache: of it eight rows are open at a
 * time, and whole lines of them. */
void sm_transpose_avx2(const float *src, size_t src_rs, float *dst, size_t dst_rs, size_t rows,
                       size_t cols, int dst_far);

void sm_copy_avx2(const float *src, size_t src_rs, float *dst, size_t dst_rs, size_t rows,
                  size_t cols);

#endif
