/* SpMM, compressed sparse rows, one row at a time: the kernel that most libraries have.
 * W: formats/csr.c, X: packed strip of NR columns, Y: 1 x NR tile in registers.
 * Limit: load ports; (v + 1) / v loads per FMA for v vectors in the strip, and v FMA chains. */
#include "isa/body.h"

_Static_assert(MR == 1, "one row at a time");

SM_INLINE void multiply(const sm_packed *w, const sm_tile *t, const size_t nv) {
    const size_t segment = t->block * w->tiles + t->tile;
    const size_t rows = sm_block_rows(w, t->block);
    const uint32_t *count = w->head32 + w->head_at[segment];
    const uint32_t *index = w->index32 + w->index_at[segment];
    const float *value = w->value + w->value_at[segment];
    for (size_t r = 0; r < rows; r++) {
        vec acc[MR][NV];
        tile_begin(acc, t, r, 1, nv);
        for (size_t i = 0; i < count[r]; i++) {
            const float *xk = t->x + (size_t)index[i] * NR;
            const vec v = vec_bcast(value + i);
            SM_FOR (j, nv) acc[0][j] = vec_fma(v, vec_load(xk + j * VL), acc[0][j]);
        }
        index += count[r];
        value += count[r];
        tile_end(acc, t, r, 1, nv);
    }
}

void SM_SYMBOL(const sm_packed *w, const sm_tile *t) {
    NARROW(multiply, w, t);
}
