/* SpMV, compressed sparse rows: gathers X by column index.
 * W: formats/csr.c, X: one column, Y: one element a row.
 * Limit: the weight stream (8 bytes a nonzero) when W comes from memory, the gather when cached. */
#include "isa/body.h"

_Static_assert(MR == 1 && NR == 1, "one row, one column");

TRAITS(SM_PLAIN)

void SM_SYMBOL(const sm_packed *w, const sm_tile *t) {
    enum { CHAINS = 4 }; /* gathers are slow enough for four chains to hide the FMA latency */
    const size_t segment = t->block * w->tiles + t->tile;
    const size_t rows = sm_block_rows(w, t->block);
    const uint32_t *count = w->head32 + w->head_at[segment];
    const uint32_t *index = w->index32 + w->index_at[segment];
    const float *value = w->value + w->value_at[segment];
    for (size_t r = 0; r < rows; index += count[r], value += count[r], r++) {
        vec acc[CHAINS];
        SM_FOR (q, CHAINS) acc[q] = vec_set1(0.0f);
        size_t i = 0;
        for (; i + CHAINS * VL <= count[r]; i += CHAINS * VL) {
            ask_weights(value + i, CHAINS * VL / LINE);
            ask_weights(index + i, CHAINS * VL / LINE);
            SM_FOR (q, CHAINS)
                acc[q] = vec_fma(vec_loadu(value + i + q * VL),
                                 vec_gather(t->x, index + i + q * VL), acc[q]);
        }
        for (; i + VL <= count[r]; i += VL)
            acc[0] = vec_fma(vec_loadu(value + i), vec_gather(t->x, index + i), acc[0]);
        float sum = row_begin(t, r, 0);
        for (; i < count[r]; i++) sum += value[i] * t->x[index[i]];
        SM_FOR (q, CHAINS) sum += vec_sum(acc[q]);
        row_end(sum, t, r, 0);
    }
}
