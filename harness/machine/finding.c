/* Findings: conditions that matter for timing, in words. */
#include "machine/machine.h"
#include <stdarg.h>

void sm_finding_say(sm_finding *f, sm_verdict verdict, const char *effect, const char *advice,
                    const char *format, ...) {
    const int fine = verdict == SM_VERDICT_OK;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(f->value, sizeof f->value, format, args);
    va_end(args);
    f->verdict = verdict;
    f->effect = fine ? "" : effect;
    f->advice = fine ? "" : advice;
}

const char *sm_verdict_name(sm_verdict verdict) {
    static const char *const names[] = {"ok", "note", "bad"};
    return names[verdict];
}

json_t *sm_findings_json(const sm_findings *findings) {
    json_t *list = json_array();
    for (size_t i = 0; i < findings->count; i++) {
        const sm_finding *f = &findings->items[i];
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", f->name, "value",
                                              f->value, "verdict", sm_verdict_name(f->verdict),
                                              "effect", f->effect, "advice", f->advice));
    }
    return list;
}
