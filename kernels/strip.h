/* Strips of X and tiles of Y between the caller's layout and the kernels'. Internal to the library.
 */
#ifndef SM_STRIP_H
#define SM_STRIP_H

#include "packed.h"

/* Columns of a packed strip that are set, n of them to those of X and the rest to zero: kernels
 * read whole vectors. */
static inline size_t sm_set_columns(size_t n, size_t nr) {
    enum { LONGEST = 16 };
    return sm_min_size(sm_round_up(n, LONGEST), nr);
}

/* Sets the columns behind the n of X that are set. */
void sm_strip_clear(float *strip, size_t k, size_t n, size_t nr);

/* Packs n <= nr columns of X, all k rows: strip[i * nr + j]; sm_set_columns() of them are set. */
void sm_strip_pack(const float *x, ptrdiff_t x_rs, ptrdiff_t x_cs, size_t k, size_t n, size_t nr,
                   sm_strips how, float *strip);

/* The same by columns: strip[i + j * sm_column_pitch(k)], and zeros from k on. */
void sm_strip_pack_columns(const float *x, ptrdiff_t x_rs, ptrdiff_t x_cs, size_t k, size_t n,
                           sm_strips how, float *strip);

/* The same two with the columns [n0, n0 + n) of the unfolded image, and its rows [k0, k0 + k). */
void sm_im2col_pack(const sm_conv_args *conv, size_t n0, size_t n, size_t k0, size_t k, size_t nr,
                    sm_strips how, float *strip);
void sm_im2col_pack_columns(const sm_conv_args *conv, size_t n0, size_t n, size_t k0, size_t k,
                            float *strip);

/* Stores a tile of Y the other way round: y[m + j * y_cs] = tile[m * nr + j] for m < rows, j < n.
 */
void sm_strip_store(const float *tile, size_t nr, size_t rows, size_t n, sm_strips how, float *y,
                    ptrdiff_t y_cs);

#endif
