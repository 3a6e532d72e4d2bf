/* Between the caller's operands and strips, in 512-bit registers, for levels that have them. */
#ifndef SM_STRIP_AVX512_H
#define SM_STRIP_AVX512_H

#include <stddef.h>

/* As sm_transpose_avx2(), which does the parts of blocks, with nothing asked for; but where the
 * rows of src are far apart sixteen of them are open. */
void sm_transpose_avx512(const float *src, size_t src_rs, float *dst, size_t dst_rs, size_t rows,
                         size_t cols, int dst_far);

#endif
