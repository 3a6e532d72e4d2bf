/* What `sparsemark sensitivity` says. */
#ifndef SENSITIVITY_REPORT_H
#define SENSITIVITY_REPORT_H

#include "sensitivity/sweep.h"
#include <jansson.h>

/* The table, what was left as it is and why, the claims. */
sm_status sweep_print(const sweep *s);

/* Writes path whole or not at all. */
sm_status sweep_write(const sweep *s, const char *path);

#endif
