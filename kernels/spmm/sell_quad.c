/* SpMM, four rows in step: rows of about equal length, each with its own columns, take one nonzero
 * each in turn, so that one load fetches four weights and one loop exit is paid for four rows.
 * W: formats/sell.c, X: packed strip of NR columns, Y: 4 x NR tile in registers.
 * Limit: load ports, 1 + 1/(4v) loads per FMA for v vectors in the strip; 4v independent chains, of
 * which a core with two FMA pipes of latency 4 needs eight.
 * Idea: SELL-C-sigma (Kreutzer, Hager, Wellein, Fehske, Bishop, 2014), for many columns of X. */
#include "isa/body.h"

_Static_assert(MR == 4, "four weights a load");
_Static_assert(MR *NV + 2 <= VEC_REGS, "the tile, the weights and one of them must fit");

SM_INLINE void multiply(const sm_packed *w, const sm_tile *t, const size_t nv) {
    enum { UNIT = 8 }; /* sm_index_unit(NR) */
    const size_t segment = t->block * w->tiles + t->tile;
    const size_t rows = sm_block_rows(w, t->block);
    const uint16_t *head = w->head16 + w->head_at[segment];
    const uint16_t *head_end = w->head16 + w->head_at[segment + 1];
    const uint16_t *index = w->index16 + w->index_at[segment];
    const float *value = w->value + w->value_at[segment];
    const char *x = (const char *)t->x;
    for (; head < head_end; head += 1 + MR) {
        const size_t row[MR] = {head[1], head[2], head[3], head[4]};
        vec acc[MR][NV];
        rows_begin(acc, t, row, rows, nv);
        for (const uint16_t *end = index + (size_t)head[0] * MR; index < end;
             index += MR, value += MR) {
            const vec_four four = vec_load_four(value);
            uint64_t offsets;
            __builtin_memcpy(&offsets, index, sizeof offsets);
            SM_FOR (r, MR) {
                const float *xr = (const float *)(x + (size_t)(offsets >> 16 * r & 0xffff) * UNIT);
                const vec weight = vec_pick(four, r);
                SM_FOR (j, nv) acc[r][j] = vec_fma(weight, vec_load(xr + j * VL), acc[r][j]);
            }
        }
        rows_end(acc, t, row, rows, nv);
    }
}

void SM_SYMBOL(const sm_packed *w, const sm_tile *t) {
    NARROW(multiply, w, t);
}
