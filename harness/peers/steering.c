/* Environment variables that tell other libraries which CPU they are on: those that are unset, for
 * they slow OpenBLAS down, and those that hold libraries to a level. */
#include "peers/peer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char steered[512];

size_t sm_peer_unset_steering(void) {
    static const char *const names[] = {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"};
    size_t count = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value == NULL) continue;
        const size_t used = strlen(steered);
        (void)snprintf(steered + used, sizeof steered - used, "%s%s=%s", used ? " " : "", names[i],
                       value);
        (void)unsetenv(names[i]);
        count++;
    }
    return count;
}

sm_status sm_peer_hold(const char *isa) {
    /* BLIS counts its kernel families: 3 is haswell. */
    static const char *const settings[][2] = {{"ONEDNN_MAX_CPU_ISA", "AVX2"},
                                              {"OPENBLAS_CORETYPE", "Haswell"},
                                              {"BLIS_ARCH_TYPE", "3"},
                                              {"MKL_ENABLE_INSTRUCTIONS", "AVX2"},
                                              {"AOCL_ENABLE_INSTRUCTIONS", "AVX2"}};
    if (strcmp(isa, "avx2") != 0)
        return sm_fail(SM_E_ARG, "--ceiling %s: expected avx2: other libraries know no other", isa);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (setenv(settings[i][0], settings[i][1], 1) != 0)
            return sm_fail(SM_E_NOMEM, "no memory to set %s", settings[i][0]);
    return SM_OK;
}

const char *sm_peer_steered(void) {
    return steered;
}
