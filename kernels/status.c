/* Status names and the per-thread message. */
#include <sparsemark/status.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char message[512];

const char *sm_status_name(sm_status status) {
    switch (status) {
    case SM_OK:
        return "ok";
    case SM_E_ARG:
        return "bad argument";
    case SM_E_NOMEM:
        return "out of memory";
    case SM_E_IO:
        return "input/output error";
    case SM_E_FORMAT:
        return "bad format";
    case SM_E_ISA:
        return "instruction set not usable";
    case SM_E_LIMIT:
        return "beyond a limit";
    }
    return "unknown status";
}

const char *sm_message(void) {
    return message;
}

sm_status(sm_fail)(sm_status status, const char *format, ...) {
    char text[sizeof message] = ""; /* an argument may be the message before */
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(message, text, sizeof message);
    return status;
}
