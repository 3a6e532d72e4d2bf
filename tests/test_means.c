/* Geometric means over layers: what they join, and what they leave out. */
#include "breakeven_cells.h"

/* The fastest of a format may be one that no mean uses: the next one stands for it. */
static void a_group_without_its_apart(void **state) {
    (void)state;
    set_text(&add("a", "panel", 0.9, 500)->taints, "not-cold");
    add("a", "panel", 0.9, 3);
    add("a", "panel", 0.9, 4);
    one_group(0);
    sm_breakeven b;
    assert_int_equal(sm_breakeven_compute(&set, &b), SM_OK);
    assert_int_equal(b.apart, 1);
    assert_int_equal(b.mean_count, 2); /* of the format and of the best */
    for (size_t i = 0; i < b.mean_count; i++) assert_near(4, b.means[i].speedup);
    sm_breakeven_free(&b);
}

/* Blocks of two layers were cut to 90 %, and left them 91.4 and 89.5 % zero. */
static void means_join_what_was_asked_for_alike(void **state) {
    (void)state;
    add("a", "panel", 0.914, 2)->sparsity_asked = 0.9;
    add("b", "panel", 0.895, 8)->sparsity_asked = 0.9;
    sm_breakeven b;
    assert_int_equal(sm_breakeven_compute(&set, &b), SM_OK);
    assert_int_equal(b.mean_count, 2); /* of the format and of the best */
    for (size_t i = 0; i < b.mean_count; i++) {
        assert_near(0.9, b.means[i].sparsity);
        assert_near(4, b.means[i].speedup);
        assert_int_equal(b.means[i].points, 2);
    }
    assert_near(0.914, curve_of(&b, "a", "panel")->points->sparsity);
    sm_breakeven_free(&b);
}

/* Of a layer of few blocks 40 and 50 % are the same: it counts at both, and at nothing between. */
static void means_of_a_coarse_layer(void **state) {
    (void)state;
    add("a", "panel", 0.5, 2)->sparsity_asked = 0.4;
    add("a", "panel", 0.5, 2)->sparsity_asked = 0.5;
    add("b", "panel", 0.4, 8)->sparsity_asked = 0.4;
    add("b", "panel", 0.5, 8)->sparsity_asked = 0.5;
    add("b", "panel", 0.51, 50)->sparsity_asked = 0.5; /* farther from what was asked for */
    sm_breakeven b;
    assert_int_equal(sm_breakeven_compute(&set, &b), SM_OK);
    assert_int_equal(b.mean_count, 4); /* two, each again as best */
    for (size_t i = 0; i < b.mean_count; i++) {
        assert_near(i % 2 ? 0.5 : 0.4, b.means[i].sparsity);
        assert_near(4, b.means[i].speedup);
        assert_int_equal(b.means[i].points, 2);
    }
    sm_breakeven_free(&b);
}

static void means_over_layers(void **state) {
    (void)state;
    add("a", "panel", 0.7, 2);
    add("b", "panel", 0.7004, 8);
    add("a", "panel", 0.9, 3);
    set_text(&add("b", "panel", 0.8996, 12)->taints, "noisy");
    set_text(&add("c", "panel", 0.9, 100)->provenance, "pruned-network:x");
    set_text(&add("d", "panel", 0.9, 500)->taints, "weak-baseline");
    set_text(&add("e", "panel", 0.9, 500)->taints, "!precision not-cold");
    set_text(&add("f", "panel", 0.9, 500)->taints, "im2col-gemm");
    sm_breakeven b;
    assert_int_equal(sm_breakeven_compute(&set, &b), SM_OK);
    assert_int_equal(b.apart, 3);
    assert_int_equal(b.mean_count, 6); /* three, each again as best */
    size_t seen = 0;
    for (size_t i = 0; i < b.mean_count; i++) {
        const sm_mean *mean = &b.means[i];
        assert_int_equal(mean->redundant, mean->curve->best);
        if (mean->redundant || mean->points == 1) continue;
        seen++;
        const int at_70 = mean->sparsity < 0.8;
        assert_near(at_70 ? 0.7 : 0.9, mean->sparsity);
        assert_near(at_70 ? 4 : 6, mean->speedup);
        assert_near(at_70 ? 2 : 3, mean->worst);
        assert_string_equal(mean->worst_layer, "a");
        assert_int_equal(mean->points, 2);
        assert_int_equal(mean->marked, at_70 ? 0 : 1);
    }
    assert_int_equal(seen, 2);
    sm_breakeven_free(&b);
}

/* Layers whose best formats differ have one mean together, that of the best, and it is shown. */
static void mean_over_formats(void **state) {
    (void)state;
    add("a", "panel", 0.7, 2);
    add("b", "sell", 0.7, 8);
    sm_breakeven b;
    assert_int_equal(sm_breakeven_compute(&set, &b), SM_OK);
    assert_true(curve_of(&b, "a", "best")->redundant);
    assert_true(curve_of(&b, "b", "best")->redundant);
    assert_int_equal(b.mean_count, 3);
    for (size_t i = 0; i < b.mean_count; i++) {
        const sm_mean *mean = &b.means[i];
        assert_false(mean->redundant);
        assert_int_equal(mean->points, mean->curve->best ? 2 : 1);
        if (mean->curve->best) assert_near(4, mean->speedup);
    }
    sm_breakeven_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_group_without_its_apart, reset, clear),
        cmocka_unit_test_setup_teardown(means_join_what_was_asked_for_alike, reset, clear),
        cmocka_unit_test_setup_teardown(means_of_a_coarse_layer, reset, clear),
        cmocka_unit_test_setup_teardown(means_over_layers, reset, clear),
        cmocka_unit_test_setup_teardown(mean_over_formats, reset, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
