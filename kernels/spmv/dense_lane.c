/* Dense matrix times a few columns: the control for N = 1 to 8. Lanes are rows: MR rows of each
 * column of Y in registers, and of few columns several panels side by side.
 * W: formats/dense.c (panels of MR rows, column by column), X and Y: column by column.
 * Limit: the weight stream, 4 bytes a weight, which several streams bring faster from memory than
 * one; in L1 with eight columns the FMA ports. */
#include "isa/lanes.h"

enum {
    ABREAST = 4,                /* panels for one column */
    ASKING = SM_PAGE / (MR * 4) /* columns for each time that pages are asked for */
};
_Static_assert(VL == 1 || NR * LV + LV + 1 <= 2 * VL, "sums, weights and X in registers");

SM_INLINE void panels(const sm_packed *w, const sm_tile *t, const float *value, size_t r0,
                      const size_t count, const size_t n) {
    const size_t cols = sm_tile_cols(w, t->tile), panel = MR * cols;
    vec acc[ABREAST][NR][LV];
    SM_FOR (p, count)
        SM_FOR (c, n)
            SM_FOR (j, LV) acc[p][c][j] = vec_set1(0.0f);
    for (size_t k = 0; k < cols;) {
        const size_t end = sm_min_size(k + ASKING, cols);
        SM_FOR (p, count) {
            const float *const now = value + p * panel;
            ask_pages(w, now, now + (end - k) * MR);
        }
        for (; k < end; k++, value += MR) {
            vec x[NR];
            SM_FOR (c, n) x[c] = vec_bcast(t->x + (ptrdiff_t)c * t->x_cs + k);
            SM_FOR (p, count)
                SM_FOR (j, LV) {
                    const vec load = vec_loadu(value + p * panel + j * VL);
                    const vec v = n > 1 ? in_register(load) : load;
                    SM_FOR (c, n) acc[p][c][j] = vec_fma(x[c], v, acc[p][c][j]);
                }
            if (VL == 8 || n > 1) /* AVX-512 loses by it in L2 with one column */
                SM_FOR (p, count) ask_weights(value + p * panel, MR / LINE);
        }
    }
    SM_FOR (p, count)
        SM_FOR (c, n) lanes_end(acc[p][c], t, r0 + p * MR, sm_block_rows(w, t->block), c);
}

SM_INLINE void columns(const sm_packed *w, const sm_tile *t, const size_t n) {
    const size_t rows = sm_block_rows(w, t->block), cols = sm_tile_cols(w, t->tile);
    const size_t abreast = n < ABREAST ? ABREAST / n : 1;
    const float *value = w->value + w->value_at[t->block * w->tiles + t->tile];
    size_t r0 = 0;
    for (; r0 + (abreast - 1) * MR < rows; r0 += abreast * MR)
        panels(w, t, value + r0 * cols, r0, abreast, n);
    for (; r0 < rows; r0 += MR) panels(w, t, value + r0 * cols, r0, 1, n);
}

KERNEL_OF_FEW_COLUMNS(columns, SM_PLAIN)
