/* What a run warns of: the conditions that are not fine, and variables that steer peers. */
#include "machine/parts.h"
#include "peers/peer.h"
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

typedef struct listener {
    void (*say)(void *arg, const char *text);
    void *arg;
} listener;

static void warn(listener *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void warn(listener *to, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    to->say(to->arg, text);
}

static void about_conditions(listener *to) {
    sm_findings findings;
    sm_machine_findings(&findings);
    for (size_t i = 0; i < findings.count; i++) {
        const sm_finding *f = &findings.items[i];
        if (f->warns && f->verdict != SM_VERDICT_OK)
            warn(to, "%s %s: %s", f->name, f->value, f->effect);
    }
}

static void about_environment(listener *to) {
    for (char **variable = environ; *variable != NULL; variable++)
        if (machine_steers_peers(*variable)) warn(to, "%s steers peers", *variable);
    if (sm_peer_steered()[0] != 0)
        warn(to, "%s was set and has been unset for this process", sm_peer_steered());
}

void sm_machine_warnings(void (*say)(void *arg, const char *text), void *arg) {
    listener to = {say, arg};
    about_conditions(&to);
    about_environment(&to);
}
