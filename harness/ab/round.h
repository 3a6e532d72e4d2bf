/* What a fresh process is asked to do: look at a library, or time one round. */
#ifndef AB_ROUND_H
#define AB_ROUND_H

#include "ab/library.h"
#include <jansson.h>

/* Both take the question of ab_process_ask() and give its answer, or {"error": text, "code": exit
 * code}. While they work, the file `trace` says on what, for the message should they die. */

/* {"task": "look", "fd"} -> {"abi", "version", "kernels": [{"name", "op", "format", "isa",
 * "usable"}]}. */
json_t *ab_look(const json_t *question, int trace);

/* {"task": "round", "base_fd", "cand_fd", "shuffle", "select", "points", "cells", "control",
 * "options"} -> {"shuffle", "cells": [...]} in the order in which they ran; the control's "cell" is
 * null. An error with EXIT_CODE_WRONG where an arm contradicts the oracle. */
json_t *ab_round(const json_t *question, int trace);

/* Writes one line over the trace. */
void ab_trace(int trace, const char *format, ...) __attribute__((format(printf, 2, 3)));

json_t *ab_error(int code, const char *text);

#endif
