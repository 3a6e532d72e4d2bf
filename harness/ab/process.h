/* Runs a program to its end with a text in and a text out. */
#ifndef AB_PROCESS_H
#define AB_PROCESS_H

#include <jansson.h>
#include <sparsemark/status.h>

/* Runs argv[0] (looked up in PATH) with `question` as JSON on its standard input and reads one JSON
 * value from its standard output. It dies with this process. SM_E_IO where it cannot be started, is
 * killed by a signal, ends with another code than 0 or answers anything else; the message begins
 * with `what` and, after a death, ends with the first line it had written. */
sm_status ab_process_ask(const char *what, char *const argv[], const json_t *question,
                         json_t **answer);

#endif
