/* Rules from text, and the decision for every tensor: skips come first, then what a tensor is, then
 * the first rule that matches its name. Nothing is computed from weights here. */
#include "prune/rules.h"
#include "prune/channels.h"
#include "prune/names.h"
#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sm_status sm_prune_sparsity_parse(const char *option, const char *text, double *out) {
    char *end;
    *out = strtod(text, &end);
    if (!strchr(".0123456789", text[0]) || strpbrk(text, "xX") || end == text || *end ||
        !(*out >= 0 && *out < 1))
        return sm_fail(SM_E_ARG, "%s '%s': expected a share of zeros from 0 to below 1", option,
                       text);
    return SM_OK;
}

/* pattern is cut at its '@'. */
static sm_status parse_pattern(const char *text, char *pattern, sm_prune_rule *out) {
    char why[512];
    const int nm = strncmp(pattern, "nm:", 3) == 0;
    char *at = nm ? NULL : strrchr(pattern, '@');
    if (at) {
        *at = '\0';
        char option[256];
        snprintf(option, sizeof option, "--rule '%.200s': sparsity", text);
        SM_TRY(sm_prune_sparsity_parse(option, at + 1, &out->sparsity));
    }
    if (sm_pattern_parse(pattern, &out->pattern) == SM_OK) return SM_OK;
    snprintf(why, sizeof why, "%s", sm_message());
    return sm_fail(SM_E_ARG, "--rule '%s': %s%s", text, why,
                   nm && strchr(pattern, '@') ? "; nm has a sparsity of its own, 1 - N/M" : "");
}

sm_status sm_prune_rule_parse(const char *text, sm_prune_rule *out) {
    *out = (sm_prune_rule){.text = text, .sparsity = (double)NAN};
    const char *equals = strrchr(text, '=');
    if (!equals || equals == text || equals[1] == '\0')
        return sm_fail(SM_E_ARG, "--rule '%s': expected GLOB=PATTERN or GLOB=PATTERN@SPARSITY",
                       text);
    char *pattern = strdup(equals + 1);
    out->glob = strndup(text, (size_t)(equals - text));
    const sm_status status = pattern && out->glob
                                 ? parse_pattern(text, pattern, out)
                                 : sm_fail(SM_E_NOMEM, "--rule '%s': no memory for it", text);
    free(pattern);
    return status;
}

void sm_prune_leave(sm_prune_row *row, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(row->reason, sizeof row->reason, format, args);
    va_end(args);
    row->asked = row->reached = (double)NAN;
    sm_prune_rule *rule = row->rule;
    if (rule && (!rule->left || rule->left->tensor->rank < row->tensor->rank)) rule->left = row;
}

/* Whether the tensor's module has running statistics: PyTorch calls its scale a weight. */
static int in_batchnorm(const sm_prune_row *row, const sm_prune_row *rows, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (sm_name_read(rows[i].tensor->name).role == SM_ROLE_STATISTIC &&
            sm_name_same_module(rows[i].tensor->name, row->tensor->name))
            return 1;
    return 0;
}

/* What no rule can change. */
static int leave_as_it_is(sm_prune_row *row, const sm_prune_row *rows, size_t count) {
    const sm_tensor *t = row->tensor;
    const sm_role role = sm_name_read(t->name).role;
    if (t->rank < 2 && role == SM_ROLE_STATISTIC)
        sm_prune_leave(row, "BatchNorm statistic");
    else if (t->rank < 2 && in_batchnorm(row, rows, count))
        sm_prune_leave(row, "BatchNorm scale or shift");
    else if (t->rank < 2 && role == SM_ROLE_NORM)
        sm_prune_leave(row, "normalization scale or shift");
    else if (t->rank < 2 && role == SM_ROLE_BIAS)
        sm_prune_leave(row, "bias");
    else if (t->rank < 2)
        sm_prune_leave(row, "rank %zu", t->rank);
    else if (strcmp(t->type, "F32") != 0)
        sm_prune_leave(row, "type %s: only F32 is pruned", t->type);
    else if (t->count == 0)
        sm_prune_leave(row, "no elements");
    return row->reason[0] != '\0';
}

/* Where the pattern does not fit the tensor. */
static void check_fit(const sm_prune_request *request, sm_prune_row *row) {
    const sm_pattern *p = &row->rule->pattern;
    const size_t rank = row->tensor->rank;
    const int one_by_one = p->kind == SM_PATTERN_BLOCK && p->r == 1 && p->c == 1;
    if (p->kind == SM_PATTERN_UNSTRUCTURED || one_by_one) return;
    if (rank != 2 && rank != 4) {
        sm_prune_leave(row, "rank %zu: %s takes 2 and 4", rank, sm_pattern_name(p).s);
    } else if (p->kind == SM_PATTERN_BLOCK && request->tfmot && rank != 2) {
        sm_prune_leave(row, "rank %zu: TFMOT's blocks take 2", rank);
    } else if (p->kind == SM_PATTERN_NM) {
        const size_t k = sm_layer_inputs(row);
        if (k == 1)
            sm_prune_leave(row, "one input channel");
        else if (k <= p->n && p->n < p->m)
            sm_prune_leave(row, "%zu inputs: %s keeps all", k, sm_pattern_name(p).s);
    }
}

static int skipped(const sm_prune_request *request, sm_prune_row *row) {
    for (size_t i = 0; i < request->skip_count; i++) {
        if (fnmatch(request->skips[i].glob, row->tensor->name, 0) != 0) continue;
        request->skips[i].matched++;
        if (row->reason[0] == '\0') sm_prune_leave(row, "skipped: %s", request->skips[i].glob);
    }
    return row->reason[0] != '\0';
}

static sm_prune_rule *rule_for(const sm_prune_request *request, const char *name) {
    sm_prune_rule *first = NULL;
    for (size_t i = 0; i < request->rule_count; i++) {
        sm_prune_rule *rule = &request->rules[i];
        if (rule->glob && fnmatch(rule->glob, name, 0) != 0) continue;
        rule->matched++;
        if (!first) first = rule;
    }
    return first;
}

void sm_prune_decide(const sm_prune_request *request, sm_prune_row *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        sm_prune_row *row = &rows[i];
        sm_prune_rule *rule = rule_for(request, row->tensor->name);
        if (skipped(request, row)) continue;
        if (rule) rule->taken++;
        row->rule = rule;
        if (leave_as_it_is(row, rows, count)) continue;
        if (!rule)
            sm_prune_leave(row, "matched no rule");
        else
            check_fit(request, row);
    }
}

static int prunes(const sm_prune_rule *rule, const sm_prune_row *rows, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (rows[i].rule == rule && rows[i].reason[0] == '\0') return 1;
    return 0;
}

static sm_status useless(const sm_prune_request *request, const sm_prune_rule *rule) {
    if (!rule->glob)
        return sm_fail(SM_E_ARG, "%s: nothing to prune by %s%s%s%s%s", request->input,
                       sm_pattern_name(&rule->pattern).s, rule->left ? ": " : "",
                       rule->left ? rule->left->tensor->name : "", rule->left ? ": " : "",
                       rule->left ? rule->left->reason : "");
    if (rule->matched == 0)
        return sm_fail(SM_E_ARG, "--rule '%s': matches no tensor of %s", rule->text,
                       request->input);
    if (rule->taken == 0)
        return sm_fail(SM_E_ARG,
                       "--rule '%s': all that it matches is skipped or taken by a rule before it "
                       "(the first that matches counts)",
                       rule->text);
    return sm_fail(SM_E_ARG, "--rule '%s': prunes nothing: %s: %s", rule->text,
                   rule->left->tensor->name, rule->left->reason);
}

sm_status sm_prune_check_used(const sm_prune_request *request, const sm_prune_row *rows,
                              size_t count) {
    for (size_t i = 0; i < request->skip_count; i++)
        if (request->skips[i].matched == 0)
            return sm_fail(SM_E_ARG, "--skip '%s': matches no tensor of %s", request->skips[i].glob,
                           request->input);
    for (size_t i = 0; i < request->rule_count; i++)
        if (!prunes(&request->rules[i], rows, count)) return useless(request, &request->rules[i]);
    return SM_OK;
}
