/* Claims as comparisons. The first three say of pairs of layers that one loses more than the other,
 * on average over the sparsities; the last that no layer loses more than a little. */
#include "sensitivity/judge.h"
#include <math.h>
#include <stdio.h>

enum { MOST_SENSITIVE, DENSE_LEAST, LATER_EASIER, COSTS_LITTLE };

const char *const judge_claims[JUDGE_CLAIMS] = {
    "the first convolution is the most sensitive layer", "dense layers are the least sensitive",
    "later layers prune easier", "50 to 70 % costs little (at most 1 point)"};

typedef struct pair {
    size_t more, less;
} pair;

enum { PAIRS = NET_LAYERS * NET_LAYERS };

static int is_claimed(const sweep *s, size_t claim, size_t pattern, size_t a, size_t b) {
    const net_layer *layers = s->subject.net.layers;
    if (claim == MOST_SENSITIVE) return a == 0;
    if (claim == DENSE_LEAST) return layers[a].conv && !layers[b].conv;
    for (size_t i = a + 1; i < b; i++)
        if (sweep_takes(s, pattern, i)) return 0; /* neighbours only, of those pruned */
    return 1;
}

static size_t pairs_of(const sweep *s, size_t claim, size_t pattern, pair pairs[PAIRS]) {
    size_t count = 0;
    for (size_t a = 0; a < NET_LAYERS; a++)
        for (size_t b = a + 1; b < NET_LAYERS; b++)
            if (sweep_takes(s, pattern, a) && sweep_takes(s, pattern, b) &&
                is_claimed(s, claim, pattern, a, b))
                pairs[count++] = (pair){a, b};
    return count;
}

/* The mean over the sparsities, of each layer. */
static void mean_losses(const sweep *s, size_t pattern, judgement *j) {
    double settings = (double)s->settings[pattern];
    for (size_t i = 0; i < s->count; i++) {
        const sweep_cell *c = &s->cells[i];
        if (c->pattern != pattern || c->layer == SWEEP_ALL) continue;
        double *lost = &j->lost[c->layer];
        *lost = (isnan(*lost) ? 0 : *lost) + c->lost.value / settings;
    }
}

static sm_status judge_pairs(const sweep *s, size_t claim, size_t pattern, judgement *j) {
    pair pairs[PAIRS];
    interval differences[PAIRS];
    size_t decisive;
    const size_t count = pairs_of(s, claim, pattern, pairs);
    mean_losses(s, pattern, j);
    for (size_t i = 0; i < count; i++)
        SM_TRY(interval_between(sweep_hits(s, pattern, pairs[i].more),
                                sweep_hits(s, pattern, pairs[i].less), s->subject.images,
                                s->settings[pattern], &differences[i]));
    j->verdict = verdict_above(differences, count, &decisive);
    if (j->verdict == UNJUDGED) return SM_OK;
    j->value = differences[decisive];
    (void)snprintf(j->decisive, sizeof j->decisive, "%s - %s",
                   sweep_layer_name(s, pairs[decisive].more),
                   sweep_layer_name(s, pairs[decisive].less));
    return SM_OK;
}

static void judge_little(const sweep *s, size_t pattern, judgement *j) {
    const sweep_cell *cells[MAX_AXIS * NET_LAYERS];
    interval losses[MAX_AXIS * NET_LAYERS];
    size_t count = 0, decisive;
    for (size_t i = 0; i < s->count; i++) {
        const sweep_cell *c = &s->cells[i];
        if (c->pattern != pattern || c->layer == SWEEP_ALL) continue;
        if (c->sparsity < 0.5 - 1e-9 || c->sparsity > 0.7 + 1e-9) continue;
        if (!(c->lost.value <= j->lost[c->layer])) {
            j->lost[c->layer] = c->lost.value;
            j->at[c->layer] = c->sparsity;
        }
        cells[count] = c;
        losses[count++] = c->lost;
    }
    j->verdict = verdict_within(losses, count, JUDGE_LITTLE, &decisive);
    if (j->verdict == UNJUDGED) return;
    j->value = losses[decisive];
    (void)snprintf(j->decisive, sizeof j->decisive, "%s at %g %%",
                   sweep_layer_name(s, cells[decisive]->layer), 100 * cells[decisive]->sparsity);
}

sm_status judge(const sweep *s, size_t claim, size_t pattern, judgement *out) {
    *out = (judgement){.verdict = UNJUDGED};
    for (size_t i = 0; i < NET_LAYERS; i++) out->lost[i] = out->at[i] = (double)NAN;
    if (claim != COSTS_LITTLE) return judge_pairs(s, claim, pattern, out);
    judge_little(s, pattern, out);
    return SM_OK;
}
