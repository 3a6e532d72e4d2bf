/* A curve's break-even in words. */
#include "records/breakeven.h"

#include <stdio.h>
#include <string.h>

/* An interval wider than this many percent points answers nothing. */
static const double WIDEST = 20;

static double percent(double share) {
    return 100 * share;
}

/* "31 %", "10 % or less", "never": one end of the interval. */
static void describe_end(const sm_crossing *end, char *buf, size_t size) {
    if (end->kind == SM_CROSSING_NEVER)
        snprintf(buf, size, "never");
    else if (end->kind == SM_CROSSING_BELOW)
        snprintf(buf, size, "%.0f %% or less", percent(end->sparsity));
    else
        snprintf(buf, size, "%.0f %%", percent(end->sparsity));
}

static void describe_interval(const sm_curve *curve, char *buf, size_t size) {
    char low[32], high[32];
    describe_end(&curve->from_high, low, sizeof low);
    describe_end(&curve->from_low, high, sizeof high);
    snprintf(buf, size, "%s to %s", low, high);
}

/* Both ends say the same as the middle. */
static int is_certain(const sm_curve *curve) {
    return curve->from_high.kind == curve->crossing.kind &&
           curve->from_low.kind == curve->crossing.kind && curve->crossing.kind != SM_CROSSING_AT;
}

static void describe(const sm_curve *curve, char *buf, size_t size) {
    const sm_crossing *at = &curve->crossing;
    const double sparsity = percent(at->sparsity);
    char interval[80], note[96] = "";
    if (curve->from_high.kind == SM_CROSSING_UNKNOWN ||
        curve->from_low.kind == SM_CROSSING_UNKNOWN) {
        snprintf(note, sizeof note, " (no interval)");
    } else if (!is_certain(curve)) {
        describe_interval(curve, interval, sizeof interval);
        if (percent(curve->from_low.sparsity - curve->from_high.sparsity) > WIDEST) {
            snprintf(buf, size, "too noisy to say: interval %s", interval);
            return;
        }
        snprintf(note, sizeof note, " (%s)", interval);
    }
    switch (at->kind) {
    case SM_CROSSING_AT:
        snprintf(buf, size, "sparse wins from %.0f %% on%s", sparsity, note);
        break;
    case SM_CROSSING_BELOW:
        snprintf(buf, size, "sparse wins at every sparsity measured, from %.0f %% on%s", sparsity,
                 note);
        break;
    case SM_CROSSING_NEVER:
        snprintf(buf, size, "never wins up to %.0f %%%s", sparsity, note);
        break;
    case SM_CROSSING_UNKNOWN:
        snprintf(buf, size, "nothing to compare");
        break;
    }
}

/* With one point there is no crossing to look for: whether it wins, and by how much. */
static void describe_fixed(const sm_curve *curve, char *buf, size_t size) {
    const sm_curve_point *point = curve->points;
    const int no_interval = curve->from_low.kind == SM_CROSSING_UNKNOWN;
    const char *answer = curve->crossing.kind == SM_CROSSING_BELOW ? "sparse wins" : "sparse loses";
    if (!no_interval && !is_certain(curve)) answer = "too close to say";
    snprintf(buf, size, "%s at its own %.0f %%: %.2fx", answer, percent(point->sparsity),
             point->speedup);
    const size_t used = strlen(buf);
    if (no_interval)
        snprintf(buf + used, size - used, " (no interval)");
    else
        snprintf(buf + used, size - used, " (%.2fx to %.2fx)", point->ci_low, point->ci_high);
}

void sm_curve_verdict(const sm_curve *curve, char *buf, size_t size) {
    if (curve->fixed)
        describe_fixed(curve, buf, size);
    else
        describe(curve, buf, size);
    const size_t used = strlen(buf);
    if (curve->count < curve->measured)
        snprintf(buf + used, size - used, " [at %zu of %zu sparsities]", curve->count,
                 curve->measured);
}
