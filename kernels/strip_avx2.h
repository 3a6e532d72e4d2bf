/* Between the caller's operands and strips, in 256-bit registers, for levels that have them. */
#ifndef SM_STRIP_AVX2_H
#define SM_STRIP_AVX2_H

#include <stddef.h>

/* dst[i * dst_rs + j] = src[j * src_rs + i] for i < rows, j < cols. dst_far says which side has its
 * rows far apart, perhaps a multiple of 4 KiB, so that they share a set of the first cache: of it
 * eight rows are open at a time, and runs of lines of them. ask: lines of dst are asked for before
 * they are stored. */
void sm_transpose_avx2(const float *src, size_t src_rs, float *dst, size_t dst_rs, size_t rows,
                       size_t cols, int dst_far, int ask);

/* dst[i * dst_rs + j] = src[i * src_rs + j], and zero from cols to end, a multiple of 8 and no more
 * than 15 columns farther. Rows are of 4 to 512 bytes. ask: as above. */
void sm_copy_avx2(const float *src, size_t src_rs, float *dst, size_t dst_rs, size_t rows,
                  size_t cols, size_t end, int ask);

#endif
