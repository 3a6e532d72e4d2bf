/* Which rule takes which tensor, and why others are left alone. */
#ifndef PRUNE_RULES_H
#define PRUNE_RULES_H

#include "prune/job.h"

/* 'GLOB=PATTERN[@SPARSITY]'; the last '=' divides, so a glob may hold one. An nm pattern has its
 * own sparsity, and its '@' is nm:N:M@V's. Owns glob: free it. SM_E_ARG naming the option. */
sm_status sm_prune_rule_parse(const char *text, sm_prune_rule *out);

/* [0, 1); SM_E_ARG naming the option. */
sm_status sm_prune_sparsity_parse(const char *option, const char *text, double *out);

/* Sets rule or reason of every row, and counts what rules and skips matched. */
void sm_prune_decide(const sm_prune_request *request, sm_prune_row *rows, size_t count);

/* Leaves a row alone after all. */
void sm_prune_leave(sm_prune_row *row, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* SM_E_ARG naming the rule or skip that does nothing. */
sm_status sm_prune_check_used(const sm_prune_request *request, const sm_prune_row *rows,
                              size_t count);

#endif
