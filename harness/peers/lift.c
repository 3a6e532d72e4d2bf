/* Libraries older than a CPU do not know it and fall back to kernels of a narrower level: a poor
 * opponent. Where what they chose is such a fallback, and the machine can do more, they are asked
 * for more through a variable, which OpenBLAS reads when it is loaded and BLIS when it first
 * multiplies. */
#include "peers/family.h"
#include <sparsemark/isa.h>
#include <stdlib.h>
#include <string.h>

/* BLIS 0.9 counts its kernel families: 0 is skx, 3 haswell. */
static const peer_lift lifts[] = {
    {&peer_openblas, "Prescott", "avx512", "OPENBLAS_CORETYPE", "SkylakeX", "SkylakeX"},
    {&peer_openblas, "Prescott", "avx2", "OPENBLAS_CORETYPE", "Haswell", "Haswell"},
    {&peer_openblas_pypi, "Prescott", "avx512", "OPENBLAS_CORETYPE", "SkylakeX", "SkylakeX"},
    {&peer_openblas_pypi, "Prescott", "avx2", "OPENBLAS_CORETYPE", "Haswell", "Haswell"},
    {&peer_blis, "haswell", "avx512", "BLIS_ARCH_TYPE", "0", "skx"},
    {&peer_blis, "generic", "avx512", "BLIS_ARCH_TYPE", "0", "skx"},
    {&peer_blis, "generic", "avx2", "BLIS_ARCH_TYPE", "3", "haswell"},
};

static int usable(const char *isa) {
    size_t level;
    return sm_isa_find(isa, &level) == SM_OK && (sm_isa_mask() >> level & 1);
}

const peer_lift *peer_find_lift(const peer_family *family, const char *core) {
    for (size_t i = 0; i < sizeof lifts / sizeof lifts[0]; i++) {
        const peer_lift *l = &lifts[i];
        if (l->family == family && strcmp(l->core, core) == 0 && usable(l->isa))
            return getenv(l->variable) == NULL ? l : NULL; /* a ceiling's word, or a user's */
    }
    return NULL;
}

int peer_lift_begin(const peer_lift *lift) {
    return lift == NULL ? 0 : setenv(lift->variable, lift->value, 1);
}

void peer_lift_end(const peer_lift *lift) {
    if (lift != NULL) (void)unsetenv(lift->variable);
}
