/* The built-in layer shapes, made from layers.inc. */
#include "input/input.h"

#define SM_LAYER(name, m, k, n) {name, m, k, n},
static const sm_layer layers[] = {
#include "input/layers.inc"
};
#undef SM_LAYER

size_t sm_layer_count(void) {
    return sizeof layers / sizeof *layers;
}

const sm_layer *sm_layer_at(size_t i) {
    return i < sm_layer_count() ? &layers[i] : NULL;
}
