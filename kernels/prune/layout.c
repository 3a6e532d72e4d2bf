/* Weights of any order as the matrix W[M, K]. */
#include "prune/mask.h"

sm_status sm_weights_make(const size_t *shape, size_t rank, sm_weights_order order,
                          sm_weights *out) {
    static const struct {
        const char *name;
        size_t rank;
    } orders[] = {[SM_ORDER_OUT_IN] = {"out-in", 2},
                  [SM_ORDER_IN_OUT] = {"in-out", 2},
                  [SM_ORDER_OIHW] = {"oihw", 4},
                  [SM_ORDER_HWIO] = {"hwio", 4}};
    const size_t *d = shape;
    if ((size_t)order >= sizeof orders / sizeof *orders)
        return sm_fail(SM_E_ARG, "sm_prune_options.order is %d: expected 0 to 3", (int)order);
    if (orders[order].rank != rank)
        return sm_fail(SM_E_ARG, "weights of rank %zu in order %s: expected rank %zu", rank,
                       orders[order].name, orders[order].rank);
    switch (order) {
    case SM_ORDER_OUT_IN:
        *out = (sm_weights){d[0], d[1], 1, d[1], 1, 0};
        break;
    case SM_ORDER_IN_OUT:
        *out = (sm_weights){d[1], d[0], 1, 1, d[1], 0};
        break;
    case SM_ORDER_OIHW:
        *out = (sm_weights){d[0], d[1], d[2] * d[3], d[1] * d[2] * d[3], d[2] * d[3], 1};
        break;
    case SM_ORDER_HWIO:
        *out = (sm_weights){d[3], d[2], d[0] * d[1], 1, d[3], d[2] * d[3]};
        break;
    }
    return SM_OK;
}
