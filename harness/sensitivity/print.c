/* A sweep as a table on stdout, and the claims in words below it. */
#include "records/table.h"
#include "sensitivity/judge.h"
#include "sensitivity/report.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void add_cell(sm_table *table, const sweep *s, const sweep_cell *c) {
    sm_table_add(table, "%s", sm_pattern_name(&s->o->axes.pattern[c->pattern]).s);
    sm_table_add(table, "%g %%", 100 * c->sparsity);
    sm_table_add(table, "%s", sweep_layer_name(s, c->layer));
    sm_table_add(table, "%.1f %%", 100 * c->zeros);
    sm_table_add(table, "%.2f %%", 100.0 * (double)c->right / (double)s->dense.images);
    sm_table_add(table, "%.2f", 100 * c->lost.value);
    sm_table_add(table, "[%.2f, %.2f]", 100 * c->lost.low, 100 * c->lost.high);
    sm_table_add(table, "%zu", c->changed);
}

static sm_status print_cells(const sweep *s) {
    static const sm_column columns[] = {
        {"pattern", 0, 0},  {"sparsity", 1, 0},    {"layer", 0, 0},         {"zeros", 1, 0},
        {"accuracy", 1, 0}, {"points lost", 1, 0}, {"95 % interval", 1, 0}, {"changed", 1, 0}};
    sm_table table = {.columns = columns, .column_count = sizeof columns / sizeof columns[0]};
    for (size_t i = 0; i < s->count; i++) add_cell(&table, s, &s->cells[i]);
    if (sm_table_finish(&table, stdout) != 0)
        return sm_fail(SM_E_NOMEM, "sensitivity: no memory for the table");
    return SM_OK;
}

static void print_left_alone(const sweep *s) {
    for (size_t p = 0; p < s->o->axes.pattern_count; p++)
        for (size_t i = 0; i < NET_LAYERS; i++)
            if (s->chosen[i] && s->why[p][i][0])
                (void)printf("%s, %s: left as it is: %s\n",
                             sm_pattern_name(&s->o->axes.pattern[p]).s, sweep_layer_name(s, i),
                             s->why[p][i]);
}

/* "holds", "does not hold", or how many of so many patterns. */
static void print_headline(const char *claim, const size_t counts[REFUTED + 1]) {
    const size_t judged = counts[HOLDS] + counts[UNDECIDED] + counts[REFUTED];
    verdict all = UNJUDGED;
    for (verdict v = HOLDS; v <= REFUTED; v++)
        if (counts[v] == judged) all = v;
    (void)printf("\n%s: ", claim);
    if (all != UNJUDGED || judged == 0) {
        (void)printf("%s\n", verdict_name(judged ? all : UNJUDGED));
        return;
    }
    (void)printf("holds for %zu of %zu patterns", counts[HOLDS], judged);
    if (counts[UNDECIDED]) (void)printf(", undecided for %zu", counts[UNDECIDED]);
    (void)putchar('\n');
}

static void print_judgement(const sweep *s, size_t pattern, const judgement *j) {
    const char *gap = "";
    (void)printf("  %s: %s: ", sm_pattern_name(&s->o->axes.pattern[pattern]).s,
                 verdict_name(j->verdict));
    for (size_t i = 0; i < NET_LAYERS; i++) {
        if (isnan(j->lost[i])) continue;
        (void)printf("%s%s %.2f", gap, sweep_layer_name(s, i), 100 * j->lost[i]);
        if (!isnan(j->at[i])) (void)printf(" at %g %%", 100 * j->at[i]);
        gap = ", ";
    }
    if (j->verdict != UNJUDGED)
        (void)printf("; %s: %.2f [%.2f, %.2f]", j->decisive, 100 * j->value.value,
                     100 * j->value.low, 100 * j->value.high);
    else
        (void)printf("%snothing to compare", *gap ? "; " : "");
    (void)putchar('\n');
}

static sm_status print_claim(const sweep *s, size_t claim) {
    judgement found[MAX_AXIS];
    size_t counts[REFUTED + 1] = {0};
    for (size_t p = 0; p < s->o->axes.pattern_count; p++) {
        SM_TRY(judge(s, claim, p, &found[p]));
        counts[found[p].verdict]++;
    }
    print_headline(judge_claims[claim], counts);
    for (size_t p = 0; p < s->o->axes.pattern_count; p++) print_judgement(s, p, &found[p]);
    return SM_OK;
}

sm_status sweep_print(const sweep *s) {
    model_print_network(s->o->weights, &s->subject.net, &s->dense);
    SM_TRY(print_cells(s));
    print_left_alone(s);
    (void)printf(
        "\nPoints lost by each layer alone: the mean over the sparsities of a pattern, for "
        "the last claim the most;\nthen the difference or loss that decides, with its 95 %% "
        "interval\n");
    for (size_t i = 0; i < JUDGE_CLAIMS; i++) SM_TRY(print_claim(s, i));
    return SM_OK;
}
