/* The probe's loop for this machine: 256-bit, because wider vectors lower the clock of some CPUs.
 */
#include "roof/loops.h"
#include "roof/roof.h"

enum { PASSES = 2000 }; /* of 6 to 9 cycles each */

static sm_roof_loop *widest(void) {
    sm_roof_loop *found = NULL;
    char reason[128];
    sm_cpuid cpuid;
    sm_cpuid_read(&cpuid);
    for (size_t i = 0; i < sm_roof_line_count(); i++) {
        const sm_roof_line *line = sm_roof_line_at(i);
        if (line->kind == SM_ROOF_probe && sm_roof_usable(&cpuid, line, reason, sizeof reason))
            found = line->run;
    }
    return found;
}

void sm_roof_probe(void) {
    static _Alignas(64) float zeros[SM_ROOF_PROBE_BYTES / sizeof(float)];
    /* Racing first calls find the same loop. */
    static sm_roof_loop *_Atomic loop;
    if (loop == NULL) loop = widest();
    (void)loop(zeros, sizeof zeros, PASSES);
}
