/* The message of each thread. */
#include <sparsemark/status.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[512];

const char *sm_message(void) {
    return message;
}

sm_status(sm_fail)(sm_status status, const char *format, ...) {
    char text[sizeof message] = ""; /* an argument may be the message before */
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\r') *c = '?';
    memcpy(message, text, sizeof message);
    return status;
}
