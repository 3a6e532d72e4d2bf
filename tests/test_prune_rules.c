/* Which rule takes which tensor, the reasons of the others, and every lie in a rule. */
#include "prune/names.h"
#include "prune/rules.h"
#include "prune_rows.h"
#include <math.h>

static void parsed(const char *text, const char *glob, const char *pattern, double sparsity) {
    sm_prune_rule rule;
    assert_int_equal(sm_prune_rule_parse(text, &rule), SM_OK);
    assert_string_equal(rule.glob, glob);
    assert_string_equal(sm_pattern_name(&rule.pattern).s, pattern);
    if (isnan(sparsity))
        assert_true(isnan(rule.sparsity));
    else
        assert_true(rule.sparsity == sparsity);
    free(rule.glob);
}

static void rules_are_read(void **state) {
    (void)state;
    parsed("conv1*=unstructured@0.5", "conv1*", "unstructured", 0.5);
    parsed("conv1*=unstructured", "conv1*", "unstructured", NAN);
    parsed("a=b=rows@0", "a=b", "rows", 0);
    parsed("*=nm:2:4", "*", "nm:2:4", NAN);
    parsed("*=nm:2:4@8", "*", "nm:2:4@8", NAN);
    parsed("x@1=block:4x1@.25", "x@1", "block:4x1", 0.25);
}

static void refused(const char *text, const char *part) {
    sm_prune_rule rule;
    assert_int_equal(sm_prune_rule_parse(text, &rule), SM_E_ARG);
    assert_non_null(strstr(sm_message(), text));
    assert_non_null(strstr(sm_message(), part));
    free(rule.glob);
}

static void lies_are_refused(void **state) {
    (void)state;
    refused("conv1", "GLOB=PATTERN");
    refused("=rows", "GLOB=PATTERN");
    refused("conv1=", "GLOB=PATTERN");
    refused("conv1=row", "unstructured");
    refused("conv1=unstructured@", "below 1");
    refused("conv1=unstructured@1", "below 1");
    refused("conv1=unstructured@0x0", "below 1");
    refused("conv1=unstructured@-0", "below 1");
    refused("conv1=unstructured@nan", "below 1");
    refused("conv1=unstructured@0.5@0.5", "unstructured@0.5@0.5");
    refused("conv1=nm:2:4@0.5", "1 - N/M");
    refused("conv1=nm:2:4@8@0.5", "1 - N/M");
}

static void names_are_taken_apart(void **state) {
    (void)state;
    static const struct {
        const char *name, *module;
        sm_role role;
    } cases[] = {
        {"conv1.weight", "conv1", SM_ROLE_WEIGHT},
        {"conv1/kernel:0", "conv1", SM_ROLE_WEIGHT},
        {"a.b.bias", "a.b", SM_ROLE_BIAS},
        {"conv1_bias", "conv1", SM_ROLE_BIAS},
        {"bn.moving_variance", "bn", SM_ROLE_STATISTIC},
        {"bn/gamma:0", "bn", SM_ROLE_NORM},
        {"weight", "weight", SM_ROLE_OTHER},
        {"overweight", "overweight", SM_ROLE_OTHER},
        {"x:y", "x:y", SM_ROLE_OTHER},
        {"lstm.weight_ih_l0", "lstm.weight_ih_l0", SM_ROLE_OTHER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const sm_name name = sm_name_read(cases[i].name);
        assert_int_equal(name.module, strlen(cases[i].module));
        assert_int_equal(name.role, cases[i].role);
        assert_true(sm_name_says(cases[i].module, cases[i].name));
        assert_true(sm_name_says(cases[i].name, cases[i].name));
    }
    assert_true(sm_name_same_module("a.weight", "a.bias"));
    assert_false(sm_name_same_module("a1.weight", "a.bias"));
    assert_false(sm_name_says("conv", "conv1.weight"));
}

static void stems_leave_numbers_out(void **state) {
    (void)state;
    static const struct {
        const char *name, *stem;
        size_t numbers;
    } cases[] = {
        {"conv1.weight", "conv#", 1},
        {"conv12.weight", "conv#", 1},
        {"conv2d/kernel:0", "conv2d", 0},
        {"conv2d_11/kernel:0", "conv2d", 0},
        {"features.10.weight", "features.#", 1},
        {"layer1.0.conv2.weight", "layer#.#.conv#", 3},
        {"3.weight", "#", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t numbers;
        assert_string_equal(sm_name_stem(cases[i].name, &numbers).s, cases[i].stem);
        assert_int_equal(numbers, cases[i].numbers);
    }
}

static void every_tensor_has_rule_or_reason(void **state) {
    (void)state;
    fixture f;
    char first[] = "conv*", second[] = "*";
    sm_prune_rule rules[] = {
        {.text = "first", .glob = first, .pattern = {SM_PATTERN_NM, 0, 0, 2, 4, 1}},
        {.text = "second", .glob = second, .sparsity = 0.5}};
    sm_prune_skip skips[] = {{.glob = "head*"}};
    begin(&f);
    f.request.rules = rules;
    f.request.rule_count = 2;
    f.request.skips = skips;
    f.request.skip_count = 1;
    static const struct {
        const char *name, *type;
        size_t shape[4];
        int rule; /* -1: none */
        const char *reason;
    } cases[] = {
        {"conv1.weight", "F32", {8, 1, 3, 3}, 0, "one input channel"},
        {"conv2.weight", "F32", {8, 8, 3, 3}, 0, ""},
        {"conv3.weight", "F32", {8, 2, 1, 1}, 0, "2 inputs: nm:2:4 keeps all"},
        {"conv2.bias", "F32", {8}, 0, "bias"},
        {"conv4.weight", "F32", {8, 8, 3}, 0, "rank 3: nm:2:4 takes 2 and 4"},
        {"bn.weight", "F32", {8}, 1, "BatchNorm scale or shift"},
        {"bn.bias", "F32", {8}, 1, "BatchNorm scale or shift"},
        {"bn.running_var", "F32", {8}, 1, "BatchNorm statistic"},
        {"bn.num_batches_tracked", "I64", {0}, 1, "BatchNorm statistic"},
        {"norm.gamma", "F32", {8}, 1, "normalization scale or shift"},
        {"scale", "F32", {8}, 1, "rank 1"},
        {"fc.weight", "F16", {8, 8}, 1, "type F16: only F32 is pruned"},
        {"deep", "F32", {2, 3, 4}, 1, ""},
        {"head.weight", "F32", {8, 8}, -1, "skipped: head*"},
    };
    const size_t count = sizeof cases / sizeof *cases;
    for (size_t i = 0; i < count; i++)
        add(&f, cases[i].name, cases[i].type, cases[i].shape[0], cases[i].shape[1],
            cases[i].shape[2], cases[i].shape[3]);
    sm_prune_decide(&f.request, f.rows, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(f.rows[i].reason, cases[i].reason);
        assert_ptr_equal(f.rows[i].rule, cases[i].rule < 0 ? NULL : &rules[cases[i].rule]);
    }
    assert_int_equal(sm_prune_check_used(&f.request, f.rows, count), SM_OK);
    assert_int_equal(rules[0].matched, 5);
    assert_int_equal(rules[1].matched, count);
    assert_int_equal(skips[0].matched, 1);
}

static void what_does_nothing_is_named(void **state) {
    (void)state;
    fixture f;
    char glob[] = "conv*", none[] = "x*";
    sm_prune_rule rules[] = {{.text = "A", .glob = glob}, {.text = "B", .glob = glob}};
    begin(&f);
    f.request.rules = rules;
    f.request.rule_count = 2;
    add(&f, "conv1.weight", "F32", 4, 4, 0, 0);
    sm_prune_decide(&f.request, f.rows, 1);
    assert_int_equal(sm_prune_check_used(&f.request, f.rows, 1), SM_E_ARG);
    assert_non_null(strstr(sm_message(), "--rule 'B'"));
    assert_non_null(strstr(sm_message(), "before it"));
    rules[1].glob = none;
    rules[1].matched = rules[1].taken = 0;
    sm_prune_decide(&f.request, f.rows, 1);
    assert_int_equal(sm_prune_check_used(&f.request, f.rows, 1), SM_E_ARG);
    assert_non_null(strstr(sm_message(), "matches no tensor of model"));
    f.request.rule_count = 1;
    assert_int_equal(sm_prune_check_used(&f.request, f.rows, 1), SM_OK);
    sm_prune_leave(&f.rows[0], "because");
    assert_int_equal(sm_prune_check_used(&f.request, f.rows, 1), SM_E_ARG);
    assert_non_null(strstr(sm_message(), "prunes nothing: conv1.weight: because"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_read),
        cmocka_unit_test(lies_are_refused),
        cmocka_unit_test(names_are_taken_apart),
        cmocka_unit_test(stems_leave_numbers_out),
        cmocka_unit_test(every_tensor_has_rule_or_reason),
        cmocka_unit_test(what_does_nothing_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
