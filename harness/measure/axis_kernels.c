/* --kernels: what is timed beside the dense control. */
#include "measure/axes.h"
#include <string.h>

static sm_status add_kernel(sm_run_options *o, const char *word) {
    const sm_kernel *k = sm_kernel_find(word);
    if (!k)
        return sm_fail(SM_E_ARG,
                       "--kernels '%s': expected best alone, or all, sweep, plan and names from "
                       "'list kernels'",
                       word);
    if (!(sm_isa_mask() >> k->level & 1))
        return sm_fail(SM_E_ISA, "--kernels %s: level %s is not usable on this machine", word,
                       k->isa);
    if (o->kernels_count == MAX_NAMES)
        return sm_fail(SM_E_ARG, "--kernels: expected at most %d names", MAX_NAMES);
    o->kernels[o->kernels_count++] = k->name;
    return SM_OK;
}

sm_status sm_axis_kernels(sm_run_options *o, char *text) {
    o->kernels_count = 0;
    o->kernels_all = o->sweep = o->plan = 0;
    if (strcmp(text, "best") == 0) return SM_OK;
    if (text[strspn(text, ",")] == '\0') return add_kernel(o, text);
    for (char *word = strtok(text, ","); word; word = strtok(NULL, ",")) {
        if (strcmp(word, "all") == 0)
            o->kernels_all = 1;
        else if (strcmp(word, "sweep") == 0)
            o->sweep = 1;
        else if (strcmp(word, "plan") == 0)
            o->plan = 1;
        else
            SM_TRY(add_kernel(o, word));
    }
    return SM_OK;
}

int sm_axes_best(const sm_run_options *o) {
    return !o->kernels_all && !o->sweep && !o->plan && o->kernels_count == 0;
}
