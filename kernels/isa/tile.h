/* For bodies with a register tile of rows by columns (spmm): strips of X, what is asked for ahead,
 * the tile's start and end. */
#ifndef SM_TILE_H
#define SM_TILE_H

#include "isa/body.h"

_Static_assert(SM_NR % VL == 0, "nr must be a whole number of vectors");
#define NV (SM_NR / VL)
/* Of a packed strip only columns up to a multiple of 16 are set; a body without vectors reads all.
 */
_Static_assert(VL > 1 || SM_NR <= 16 || SM_MR == 1, "columns that are not set would be read");

/* The part of X that a call multiplies: the row of a column of the K tile begins unit bytes times
 * what is stored of the column, its offset or its number, behind x. */
typedef struct strip {
    const char *x;
    ptrdiff_t unit;
    size_t rest; /* columns in its last vector; not looked at where it is whole */
    int whole;   /* a constant */
    int asks;    /* see ask_lines(); a constant */
} strip;

SM_INLINE strip packed_strip(const sm_tile *t, const int asks) {
    return (strip){.x = (const char *)t->x, .unit = SM_INDEX_UNIT, .whole = 1, .asks = asks};
}

/* As the caller has it: of the last of nv vectors no column from t->n on is read. */
SM_INLINE strip unpacked_strip(const sm_tile *t, const size_t nv, const int whole) {
    return (strip){.x = (const char *)t->x,
                   .unit = t->x_rs * (ptrdiff_t)sizeof(float),
                   .rest = t->n - (nv - 1) * VL,
                   .whole = whole};
}

SM_INLINE const float *row_of(const strip *s, size_t offset) {
    return (const float *)(s->x + (ptrdiff_t)offset * s->unit);
}

/* The same as a pointer of its own, for rows that FMAs take from memory: the compiler would fold
 * the sum into every address, and an FMA whose operand in memory has an index register takes two
 * issue slots on Intel's cores instead of one. */
SM_INLINE const float *pointer_to(const strip *s, size_t offset) {
    const float *row = row_of(s, offset);
    __asm__("" : "+r"(row));
    return row;
}

/* Asks for a line of the values of W that are read later, 4 KiB. For a loop that reads at most a
 * line a step; where it reads less, it asks for a line again, which costs less than to tell whether
 * a new one begins. */
SM_INLINE void ask_values(const strip *s, const float *value) {
    if (s->asks) ask_weights(value, 1);
}

/* The same, and for a line of the indices, 2 KiB. */
SM_INLINE void ask_lines(const strip *s, const uint16_t *index, const float *value) {
    ask_values(s, value);
    if (s->asks) __builtin_prefetch(index + WEIGHTS_AHEAD);
}

/* Vector j of nv of a row. */
SM_INLINE vec vector_of(const strip *s, const float *row, const size_t j, const size_t nv) {
    return s->whole || j + 1 < nv ? vec_loadu(row + j * VL) : vec_load_tail(row + j * VL, s->rest);
}

/* The last strip of X may hold few columns: a body computes the first nv vectors of a row only, a
 * constant in each of its copies. NARROW(body, w, t) calls the copy that t->n columns need. */
#define NARROW_TO(body, w, t, nv)                                                                  \
    case nv:                                                                                       \
        if (nv < NV && VL > 1) {                                                                   \
            body(w, t, nv);                                                                        \
            return;                                                                                \
        }                                                                                          \
        break;
#define NARROW(body, w, t)                                                                         \
    do {                                                                                           \
        switch (((t)->n + VL - 1) / VL) {                                                          \
            NARROW_TO(body, w, t, 1)                                                               \
            NARROW_TO(body, w, t, 2)                                                               \
            NARROW_TO(body, w, t, 3)                                                               \
            NARROW_TO(body, w, t, 4)                                                               \
            NARROW_TO(body, w, t, 5)                                                               \
            NARROW_TO(body, w, t, 6)                                                               \
            NARROW_TO(body, w, t, 7)                                                               \
        default:                                                                                   \
            break;                                                                                 \
        }                                                                                          \
        body(w, t, NV);                                                                            \
    } while (0)

/* What a kernel's file ends with: its traits and its entry, for packed strips or for X as it lies.
 * multiply(w, t, strip, nv) is its body. */
#define KERNEL_OF_PACKED_X(multiply, traits)                                                       \
    TRAITS(traits)                                                                                 \
    SM_INLINE void narrow(const sm_packed *w, const sm_tile *t, const size_t nv) {                 \
        const strip s = packed_strip(t, 0);                                                        \
        multiply(w, t, &s, nv);                                                                    \
    }                                                                                              \
    SM_INLINE void asking(const sm_packed *w, const sm_tile *t, const size_t nv) {                 \
        const strip s = packed_strip(t, 1);                                                        \
        multiply(w, t, &s, nv);                                                                    \
    }                                                                                              \
    void SM_SYMBOL(const sm_packed *w, const sm_tile *t) {                                         \
        if (VL > 1 && w->ask_w == SM_W_LINES)                                                      \
            NARROW(asking, w, t);                                                                  \
        else                                                                                       \
            NARROW(narrow, w, t);                                                                  \
    }
#define KERNEL_OF_UNPACKED_X(multiply, traits)                                                     \
    TRAITS(SM_IN_PLACE | (traits))                                                                 \
    SM_INLINE void columns(const sm_packed *w, const sm_tile *t, const size_t nv,                  \
                           const int whole) {                                                      \
        const strip s = unpacked_strip(t, nv, whole);                                              \
        multiply(w, t, &s, nv);                                                                    \
    }                                                                                              \
    SM_INLINE void narrow(const sm_packed *w, const sm_tile *t, const size_t nv) {                 \
        columns(w, t, nv, 0);                                                                      \
    }                                                                                              \
    void SM_SYMBOL(const sm_packed *w, const sm_tile *t) {                                         \
        if (t->n == NR)                                                                            \
            columns(w, t, NV, 1);                                                                  \
        else if (VL == 1)                                                                          \
            columns(w, t, t->n, 1);                                                                \
        else                                                                                       \
            NARROW(narrow, w, t);                                                                  \
    }

/* MR rows of a block that are multiplied together: those from r0 on or, where row is not NULL, as
 * the compiler knows, those with the numbers at row. Numbers of `rows` and more are no row's. */
typedef struct tile_rows {
    const uint16_t *row;
    size_t r0;
    size_t rows; /* of the block */
} tile_rows;

SM_INLINE tile_rows rows_from(size_t r0, size_t rows) {
    return (tile_rows){.r0 = r0, .rows = rows};
}

/* Of rows that are sorted. */
SM_INLINE tile_rows rows_listed(const uint16_t row[MR], size_t rows) {
    return (tile_rows){.row = row, .rows = rows};
}

SM_INLINE size_t row_number(const tile_rows *p, size_t r) {
    return p->row ? p->row[r] : p->r0 + r;
}

/* Whether row r, and whether every row is one of the block's. */
SM_INLINE int is_row(const tile_rows *p, size_t r) {
    return p->row ? p->row[r] < p->rows : r < p->rows - p->r0;
}
SM_INLINE int all_are_rows(const tile_rows *p) {
    return p->row ? p->rows % MR == 0 : p->rows - p->r0 >= MR;
}

/* Partial sums of row r. */
SM_INLINE float *sums_of(const sm_tile *t, const tile_rows *p, size_t r) {
    float *sums = t->acc + row_number(p, r) * NR;
    __asm__("" : "+r"(sums));
    return sums;
}

/* Row r of Y, where `before` is the row before, but for the first row that is looked at. */
SM_INLINE float *row_of_y(const sm_tile *t, const tile_rows *p, size_t r, const size_t first,
                          float *before) {
    return r > first && !p->row ? before + t->y_rs : t->y + (ptrdiff_t)row_number(p, r) * t->y_rs;
}

/* Asks for rows [first, end) of a panel: rows of Y mostly lie too far apart for the hardware to
 * foresee the stores. Addresses are kept from the compiler, which would compute them all before it
 * uses the first and keep what finds no register in vectors: then the next panel waits for FMAs. */
SM_INLINE void ask_y(const sm_tile *t, const tile_rows *p, const size_t first, const size_t end,
                     const size_t nv) {
    const int whole_lines = ((uintptr_t)t->y | (uintptr_t)t->y_rs * sizeof(float)) % 64 == 0;
    float *y = NULL;
    SM_FOR (r, MR) {
        if (r < first || r >= end) continue;
        y = row_of_y(t, p, r, first, y);
        __asm__("" : "+r"(y));
        for (size_t j = 0; j < nv * VL; j += LINE) __builtin_prefetch(y + j, 1);
        if (!whole_lines) __builtin_prefetch(y + nv * VL - 1, 1);
    }
}

/* The same for the rows of the panel that starts at row r0. */
SM_INLINE void ask_panel(const sm_tile *t, size_t r0, const size_t nv) {
    const tile_rows p = rows_from(r0, r0 + MR);
    if (t->last && t->ask_y != SM_Y_NEVER) ask_y(t, &p, 0, MR, nv);
}

/* X that is used later, asked for a few runs a panel while the core multiplies: to L2, for L1 is
 * full of what is multiplied now. */
SM_INLINE void ask_ahead(const sm_tile *t, size_t i, size_t panels) {
    const size_t each = sm_ceil_div(t->ahead_runs, panels);
    const size_t end = sm_min_size((i + 1) * each, t->ahead_runs);
    for (size_t run = i * each; run < end; run++)
        for (size_t j = 0; j < t->ahead_run; j += LINE)
            __builtin_prefetch(t->ahead + (ptrdiff_t)run * t->ahead_rs + j, 0, 2);
}

/* What panel i of a call with t->asks asks for but Y: all is told from its number and its streams,
 * in a function of its own and before the tile is in registers. State that waits beside the loops
 * of short panels, to be looked at once a panel, takes up to a tenth of a call. */
static __attribute__((noinline, unused)) void ask_more(const sm_packed *w, const sm_tile *t,
                                                       size_t i, const uint16_t *index,
                                                       size_t indices, const float *value,
                                                       size_t values) {
    ask_ahead(t, i, sm_ceil_div(sm_block_rows(w, t->block), MR));
    if (indices > 0) ask_pages(w, index, index + indices);
    ask_pages(w, value, value + values);
}

/* Loads the accumulators of a panel: bias (or zero) in the first K tile, else the partial sums. */
SM_INLINE void tile_begin(vec acc[MR][NV], const sm_tile *t, const tile_rows *p, const size_t nv) {
    if (!t->first) {
        SM_FOR (r, MR) {
            const float *from = sums_of(t, p, r);
            SM_FOR (j, nv) acc[r][j] = vec_load(from + j * VL);
        }
    } else if (t->bias) {
        SM_FOR (r, MR) {
            const vec b = vec_set1(t->bias[is_row(p, r) ? row_number(p, r) : 0]);
            SM_FOR (j, nv) acc[r][j] = b;
        }
    } else {
        SM_FOR (r, MR)
            SM_FOR (j, nv) acc[r][j] = vec_set1(0.0f);
    }
}

/* How many of the columns of a panel of whole columns come after its rows of Y are asked for, so
 * that the lines arrive just before they are stored; 0: they are not asked for then. */
SM_INLINE size_t columns_after_asking(const sm_tile *t, size_t columns) {
    enum { AFTER = 32 }; /* 20 is as good, 12 and 64 are not */
    return t->ask_y != SM_Y_LATE ? 0 : columns < AFTER ? columns : AFTER;
}

/* Adds one column of W to the tile: value holds the weights of the rows whose bits are set in
 * `rows` (a constant), in order; x is the column's row of X. The shorter of the two stays in
 * registers and the longer passes through. Returns where the next column's values are. */
SM_INLINE const float *tile_column(vec acc[MR][NV], const unsigned rows, const float *value,
                                   const strip *s, const float *x, const size_t nv) {
    if (MR <= NV) {
        vec w[MR];
        SM_FOR (r, MR)
            if (rows >> r & 1) w[r] = vec_bcast(value++);
        SM_FOR (j, nv) {
            const vec load = vector_of(s, x, j, nv);
            const vec xj = rows & (rows - 1) ? in_register(load) : load;
            SM_FOR (r, MR)
                if (rows >> r & 1) acc[r][j] = vec_fma(w[r], xj, acc[r][j]);
        }
    } else {
        vec xj[NV];
        SM_FOR (j, nv) xj[j] = vector_of(s, x, j, nv);
        SM_FOR (r, MR) {
            if (!(rows >> r & 1)) continue;
            const vec w = vec_bcast(value++);
            SM_FOR (j, nv) acc[r][j] = vec_fma(w, xj[j], acc[r][j]);
        }
    }
    return value;
}
enum { ALL_ROWS = (1 << MR) - 1 };

/* Clamps and stores the panel's rows to Y (last K tile), or keeps the partial sums. Rows without
 * bounds are not clamped: with two vector ports that takes as long as an FMA a vector. Numbers of
 * rows are read anew, or they would wait in registers that the loops lack. */
SM_INLINE void tile_end(vec acc[MR][NV], const sm_tile *t, tile_rows p, const size_t nv) {
    if (p.row) __asm__ volatile("" ::: "memory");
    if (!t->last) {
        SM_FOR (r, MR) {
            float *to = sums_of(t, &p, r);
            SM_FOR (j, nv) vec_store(to + j * VL, acc[r][j]);
        }
        return;
    }
    if (t->clamp) {
        const vec lo = vec_set1(t->lo), hi = vec_set1(t->hi);
        SM_FOR (r, MR)
            SM_FOR (j, nv) acc[r][j] = vec_min(hi, vec_max(lo, acc[r][j]));
    }
    float *y = NULL;
    if (t->n == nv * VL && all_are_rows(&p)) {
        SM_FOR (r, MR) {
            y = row_of_y(t, &p, r, 0, y);
            SM_FOR (j, nv) vec_storeu(y + j * VL, acc[r][j]);
        }
        return;
    }
    SM_FOR (r, MR) {
        if (!is_row(&p, r)) continue;
        y = row_of_y(t, &p, r, 0, y);
        if (p.row && t->n == nv * VL) {
            SM_FOR (j, nv) vec_storeu(y + j * VL, acc[r][j]);
            continue;
        }
        SM_FOR (j, nv)
            if (j * VL < t->n) vec_store_tail(y + j * VL, acc[r][j], t->n - j * VL);
    }
}

#endif
