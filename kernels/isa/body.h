/* What every kernel body includes, most by lanes.h (spmv) or tile.h (spmm): vectors, packed weights
 * and how those are asked for. CMake defines SM_MR, SM_NR, SM_SYMBOL and SM_VEC_H for each line of
 * kernels.inc. */
#ifndef SM_BODY_H
#define SM_BODY_H

#include "packed.h"
#include "registry.h"
#include SM_VEC_H

/* A loop of known length that is to be unrolled, so that arrays of vectors become registers. */
#define SM_FOR(i, count) SM_UNROLL for (size_t i = 0; i < (count); i++)

#define SM_INLINE static inline __attribute__((always_inline))

#define MR SM_MR
#define NR SM_NR

sm_kernel_fn SM_SYMBOL;

/* See sm_trait; once in each body. */
#define TRAITS_NAME_(symbol) symbol##_traits
#define TRAITS_NAME(symbol) TRAITS_NAME_(symbol)
#define TRAITS(set)                                                                                \
    extern const unsigned TRAITS_NAME(SM_SYMBOL);                                                  \
    const unsigned TRAITS_NAME(SM_SYMBOL) = (set);

/* For a vector that several FMAs take: gcc would make it an operand in memory of each, and load it
 * as often. */
SM_INLINE vec in_register(vec v) {
#if !defined SM_EMULATE && VL > 1
    __asm__("" : "+v"(v));
#endif
    return v;
}

/* Asks for so many cache lines of a stream of W that is read 4 KiB later: hardware stops at the
 * end of a page, and is late where streams differ in pace. */
enum { WEIGHTS_AHEAD = 1024, LINE = 16 };
SM_INLINE void ask_weights(const void *stream, size_t lines) {
    SM_FOR (q, lines) __builtin_prefetch((const float *)stream + WEIGHTS_AHEAD + q * LINE);
}

/* Where a stream of W goes on that comes from memory: hardware fetches ahead of it to the end of a
 * page and there begins anew, so the first lines of pages are asked for: of those that lie so far
 * behind the ones that begin in [from, to), which is read next or was read last. */
enum { PAGES_AHEAD = 4, LINES_OF_A_PAGE = 8 };
SM_INLINE void ask_pages(const sm_packed *w, const void *from, const void *to) {
    if (w->ask_w != SM_W_PAGES) return;
    for (uintptr_t page = sm_round_up((uintptr_t)from, SM_PAGE); page < (uintptr_t)to;
         page += SM_PAGE)
        SM_FOR (i, LINES_OF_A_PAGE)
            __builtin_prefetch((const float *)(page + PAGES_AHEAD * SM_PAGE) + i * LINE, 0, 2);
}

/* Rows of the panel that starts at row r0 of a block with `rows` rows. */
SM_INLINE size_t panel_rows(size_t rows, size_t r0) {
    return rows - r0 < (size_t)MR ? rows - r0 : (size_t)MR;
}

/* Element r of column j (spmv): starts from what the earlier K tiles left, and ends in Y or in the
 * partial sums. */
SM_INLINE float row_begin(const sm_tile *t, size_t r, size_t j) {
    if (!t->first) return t->acc[(ptrdiff_t)j * t->acc_cs + (ptrdiff_t)r];
    return t->bias ? t->bias[r] : 0.0f;
}

SM_INLINE void row_end(float sum, const sm_tile *t, size_t r, size_t j) {
    if (!t->last)
        t->acc[(ptrdiff_t)j * t->acc_cs + (ptrdiff_t)r] = sum;
    else
        t->y[(ptrdiff_t)j * t->y_cs + (ptrdiff_t)r] = sum < t->lo   ? t->lo
                                                      : sum > t->hi ? t->hi
                                                                    : sum;
}

#endif
