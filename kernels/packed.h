/* What packers write and kernels read. Internal to the library. */
#ifndef SM_PACKED_H
#define SM_PACKED_H

#include "sizes.h"
#include <sparsemark/kernel.h>
#include <sparsemark/matrix.h>
#include <sparsemark/plan.h>
#include <stddef.h>
#include <stdint.h>

/* How X and Y go between the caller's layout and the kernels' (strip.c): in baseline x86-64, with
 * AVX2, with AVX2 and lines asked for before they are stored, or transposed with AVX-512. */
typedef enum sm_strips {
    SM_STRIPS_BASE,
    SM_STRIPS_AVX2,
    SM_STRIPS_ASKING,
    SM_STRIPS_AVX512
} sm_strips;

/* When a kernel asks for the lines of Y that it is going to store: while it multiplies the panel
 * before; late, while it multiplies theirs, if it is one that takes long for a panel; or not at
 * all. Kernels of `sell` are made for one of these, see spmm/sell_steps.h. */
typedef enum sm_ask_y { SM_Y_EARLY, SM_Y_LATE, SM_Y_NEVER } sm_ask_y;

/* How a kernel asks for what it reads next of a W that comes from memory: not, for the beginnings
 * of pages, or for every line, which those do that have strips of X packed. Some of those for few
 * columns ask for lines wherever W is. */
typedef enum sm_ask_w { SM_W_NEVER, SM_W_PAGES, SM_W_LINES } sm_ask_w;

/* Rows of a block, which some formats count in 16 bits. */
enum { SM_MAX_BLOCK_ROWS = 1 << 16 };

/* Weights packed for one kernel. W is cut into parts of rows of about equal cost, for threads,
 * these into row blocks of at most mc rows, and columns into K tiles of kt; every cut of rows is a
 * multiple of mr, so that panels, and with them sums, do not depend on the cuts; but for sell
 * and nm, which sort the rows of a block. A segment is one (row block, K tile); they follow each
 * other as block 0 tile 0, block 0 tile 1, ... What the three streams hold is the format's business
 * (formats/<format>.c). */
typedef struct sm_packed {
    const sm_kernel *kernel;
    size_t rows, cols, nnz;
    size_t kt, mc;
    size_t blocks, tiles, parts;
    size_t *block_row;  /* blocks + 1: first row of a block */
    size_t *part_block; /* parts + 1: first block of a part */
    int in_place;       /* its kernel reads X where it lies, see sm_trait */
    int by_columns;     /* see sm_by_columns() */
    size_t ask_from;    /* see sm_asks() */
    sm_ask_y ask_y;
    sm_ask_w ask_w;
    int intel; /* it is for a core of Intel's */
    sm_strips strips;
    size_t index_bits;
    size_t *head_at, *index_at, *value_at; /* blocks * tiles + 1: first element of a segment */
    uint16_t *head16;
    uint32_t *head32;
    uint16_t *index16;
    uint32_t *index32;
    float *value;
    sm_bytes bytes;
} sm_packed;

/* One call of a micro-kernel. */
typedef struct sm_tile {
    size_t block, tile; /* segment of W */
    const float *x;     /* strip of X from this K tile's first row; (k, j) is x[k * x_rs + j] */
    ptrdiff_t x_rs;     /* nr, and the strip at 64 bytes, but for kernels that read in place */
    float *acc;         /* partial sums of the block, rows x nr; 64-byte aligned */
    float *y;           /* block's first row of Y; element (r, j) is y[r * y_rs + j] */
    ptrdiff_t y_rs;
    /* By columns, these are what a column is from the next, and nothing is aligned: (k, j) is
     * x[j * x_cs + k], (r, j) is acc[j * acc_cs + r] and y[j * y_cs + r]; SM_BEHIND elements behind
     * a column of X may be read, behind the last row of all they are zero. */
    ptrdiff_t x_cs, acc_cs, y_cs;
    const float *ahead; /* of the caller's X what is used next: so many runs of it, so far */
    ptrdiff_t ahead_rs; /* apart and so long, may be asked for during this call; not read */
    size_t ahead_runs, ahead_run;
    size_t n;          /* columns of Y to store, 1..nr */
    const float *bias; /* of the block's rows, or NULL */
    float lo, hi;
    int clamp; /* lo or hi is a bound */
    sm_ask_y ask_y;
    int asks;        /* for runs of X or for pages of W */
    int first, last; /* first K tile starts from bias and never reads acc; last stores Y */
} sm_tile;

/* Hardware fetches ahead of a stream to the end of so many bytes. Of a W whose pages are asked
 * for a panel had better be about as much. */
enum { SM_PAGE = 4096 };

/* Bytes of everything that is stored. */
static inline size_t sm_packed_bytes(const sm_packed *w) {
    return w->bytes.values + w->bytes.indices + w->bytes.pointers;
}

/* Whether a call with n columns asks for X that is used later: where X, and Y with it if
 * strips of X are packed, is as large as ask_from bytes. */
static inline int sm_asks(const sm_packed *w, size_t n) {
    return (w->cols + (w->in_place ? 0 : w->rows)) * n * sizeof(float) >= w->ask_from;
}

/* From a column to the next where they lie one behind the other: whole cache lines, and one more,
 * so that columns do not share the sets of a cache and whole vectors can be read at their ends,
 * which of X are zeros. */
enum { SM_BEHIND = 16 };
static inline size_t sm_column_pitch(size_t elements) {
    return sm_round_up(elements, SM_BEHIND) + SM_BEHIND;
}

/* Rows of row block b, columns of K tile t. */
static inline size_t sm_block_rows(const sm_packed *w, size_t b) {
    return w->block_row[b + 1] - w->block_row[b];
}
static inline size_t sm_tile_cols(const sm_packed *w, size_t t) {
    return sm_min_size(w->kt, w->cols - t * w->kt);
}

/* Bytes that a 16-bit offset into a strip counts: its address then needs no multiplication. */
enum { SM_INDEX_UNIT = 2 * sizeof(float) };

/* Column k of a K tile is stored in 16 bits as k times this: the offset of its row in a strip, or
 * its number where X is read as it lies, or column by column. */
static inline size_t sm_column_unit(const sm_packed *w) {
    const size_t nr = w->kernel->nr;
    return w->in_place || w->by_columns ? 1 : nr * sizeof(float) / SM_INDEX_UNIT;
}

/* So many 16-bit offsets behind the last may be loaded, not used: a stream of a format that says so
 * ends in as many zeros. */
enum { SM_OFFSETS_AHEAD = 16 };

/* Words of a head of `sell` before its rows, see formats/sell.c. */
enum { SM_SELL_COUNTS = 2 };

/* Slots of the format nm: 16-bit words of index, and where the nibble of a row is in the words
 * behind the first. Rows take turns between the 32-bit words, so that a kernel of 16 lanes repeats
 * 64 bits and shifts each lane by a constant. */
typedef struct sm_nibble {
    size_t word, shift;
} sm_nibble;
static inline size_t sm_slot_words(size_t mr) {
    return 1 + mr / 4;
}
static inline sm_nibble sm_nibble_of(size_t mr, size_t row) {
    const size_t dwords = mr / 8, bit = 32 * (row % dwords) + 4 * (row / dwords);
    return (sm_nibble){bit / 16, bit % 16};
}

/* Set in a panel's count of slots where its rows do not follow each other: their numbers within the
 * block, 16 bits each, then are behind its slots' index. */
#define SM_ROWS_GIVEN ((uint32_t)1 << 31)

/* Packs csr for kernel; mc, SM_MAX_BLOCK_ROWS at most, is rounded up to a multiple of mr. kt, mc
 * and parts are > 0. */
sm_status sm_pack(const sm_csr *csr, const sm_kernel *kernel, size_t kt, size_t mc, size_t parts,
                  sm_packed *out);
void sm_packed_free(sm_packed *packed);
sm_status sm_unpack(const sm_packed *packed, sm_csr *out);

#endif
