/* Environment variables by which an old OpenBLAS is told to be another CPU's. */
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

const char *sm_peer_steered(void) {
    return steered;
}
