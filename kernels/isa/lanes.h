/* For bodies whose lanes are rows, and which multiply a few columns of X (spmv). */
#ifndef SM_LANES_H
#define SM_LANES_H

#include "isa/body.h"

_Static_assert(NR <= 8 && MR % VL == 0, "few columns, whole vectors of rows");

/* The first rows of a panel one by one: a function of its own, for a body has many copies. */
static __attribute__((noinline, unused)) void some_lanes_end(const float lane[MR], const sm_tile *t,
                                                             size_t r0, size_t valid, size_t j) {
    for (size_t r = 0; r < valid; r++) row_end(row_begin(t, r0 + r, j) + lane[r], t, r0 + r, j);
}

/* The same of a panel whose rows are given by their numbers. */
static __attribute__((noinline, unused)) void given_lanes_end(const float lane[MR],
                                                              const sm_tile *t,
                                                              const uint16_t row[MR], size_t valid,
                                                              size_t j) {
    float *y = t->y + (ptrdiff_t)j * t->y_cs, end[MR];
    if (valid < MR || !t->first || !t->last || t->bias) {
        for (size_t r = 0; r < valid; r++) row_end(row_begin(t, row[r], j) + lane[r], t, row[r], j);
        return;
    }
    const vec lo = vec_set1(t->lo), hi = vec_set1(t->hi);
    SM_FOR (i, MR / VL)
        vec_storeu(end + i * VL, vec_min(hi, vec_max(lo, vec_loadu(lane + i * VL))));
    SM_FOR (r, MR) y[row[r]] = end[r];
}

/* Ends MR rows of column j where lanes are rows: sum holds MR / VL vectors. */
SM_INLINE void lanes_end(const vec *sum, const sm_tile *t, size_t r0, size_t rows, size_t j) {
    const size_t valid = panel_rows(rows, r0);
    if (valid == MR && t->last) {
        const float *acc = t->acc + (ptrdiff_t)j * t->acc_cs + r0;
        const float *begin = !t->first ? acc : t->bias ? t->bias + r0 : NULL;
        const vec lo = vec_set1(t->lo), hi = vec_set1(t->hi);
        float *y = t->y + (ptrdiff_t)j * t->y_cs + r0;
        SM_FOR (i, MR / VL) {
            const vec from = begin ? vec_loadu(begin + i * VL) : vec_set1(0.0f);
            vec_storeu(y + i * VL, vec_min(hi, vec_max(lo, vec_add(from, sum[i]))));
        }
        return;
    }
    float lane[MR];
    SM_FOR (i, MR / VL) vec_storeu(lane + i * VL, sum[i]);
    some_lanes_end(lane, t, r0, valid, j);
}

/* FMAs of a column are in so many chains, that they need not wait for each other: its sums, in the
 * first of them. */
enum { LV = MR / VL };
SM_INLINE void chains_add(vec acc[][NR][LV], const size_t chains, const size_t c) {
    for (size_t q = 1; q < chains; q++)
        SM_FOR (j, LV) acc[0][c][j] = vec_add(acc[0][c][j], acc[q][c][j]);
}

/* Calls the copy of body(w, t, n) for the t->n columns that there are, n a constant in each. */
#define COLUMNS_COPY(body, w, t, n)                                                                \
    case n:                                                                                        \
        if (n <= NR) body(w, t, n);                                                                \
        break;
#define COLUMNS(body, w, t)                                                                        \
    switch ((t)->n) {                                                                              \
        COLUMNS_COPY(body, w, t, 1)                                                                \
        COLUMNS_COPY(body, w, t, 2)                                                                \
        COLUMNS_COPY(body, w, t, 3)                                                                \
        COLUMNS_COPY(body, w, t, 4)                                                                \
        COLUMNS_COPY(body, w, t, 5)                                                                \
        COLUMNS_COPY(body, w, t, 6)                                                                \
        COLUMNS_COPY(body, w, t, 7)                                                                \
        COLUMNS_COPY(body, w, t, 8)                                                                \
    default:                                                                                       \
        break;                                                                                     \
    }

/* What the file of a kernel for few columns ends with; columns(w, t, n) is its body. */
#define KERNEL_OF_FEW_COLUMNS(columns, traits)                                                     \
    TRAITS(traits)                                                                                 \
    void SM_SYMBOL(const sm_packed *w, const sm_tile *t) {                                         \
        COLUMNS(columns, w, t)                                                                     \
    }

#endif
