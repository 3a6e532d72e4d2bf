/* SpMM, compressed sparse rows, one row at a time: the kernel that most libraries have.
 * W: formats/csr.c, X: as it lies, columns next to each other, Y: 1 x NR tile in registers.
 * Limit: load ports, (v + 1) / v loads per FMA for v vectors in the strip, and v FMA chains, where
 * X is in L1; where it is not, the cache that holds it: each nonzero reads a row of the strip
 * there. It pays where rows of X are used so seldom that packing them for L1 would cost more: few
 * rows, or 95 % and more zeros. */
#include "isa/tile.h"

_Static_assert(MR == 1, "one row at a time");

SM_INLINE void multiply(const sm_packed *w, const sm_tile *t, const strip *s, const size_t nv) {
    const size_t segment = t->block * w->tiles + t->tile;
    const size_t rows = sm_block_rows(w, t->block);
    const uint32_t *count = w->head32 + w->head_at[segment];
    const uint32_t *index = w->index32 + w->index_at[segment];
    const float *value = w->value + w->value_at[segment];
    for (size_t r = 0; r < rows; r++) {
        const tile_rows p = rows_from(r, rows);
        ask_panel(t, r + 1, nv);
        vec acc[MR][NV];
        tile_begin(acc, t, &p, nv);
        for (size_t i = 0; i < count[r]; i++)
            tile_column(acc, ALL_ROWS, value + i, s, pointer_to(s, index[i]), nv);
        index += count[r];
        value += count[r];
        tile_end(acc, t, p, nv);
    }
}

KERNEL_OF_UNPACKED_X(multiply, SM_PLAIN)
