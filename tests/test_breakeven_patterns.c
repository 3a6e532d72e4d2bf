/* Break-evens of several patterns: none mixes with another, and N:M stands at 1 - N/M. */
#include "breakeven_cells.h"

/* At 50 % all of them, and no two of them the same way. */
static void patterns_do_not_mix(void **state) {
    (void)state;
    static const char *const patterns[] = {"unstructured", "block:4x1", "block:1x4", "nm:2:4",
                                           "nm:4:8",       "nm:2:4@8",  "rows",      "unheard-of"};
    enum { PATTERNS = sizeof patterns / sizeof *patterns };
    for (size_t i = 0; i < PATTERNS; i++) {
        set_text(&add("a", "csr", 0.5, (double)i + 2)->pattern, patterns[i]);
        set_text(&add("b", "csr", 0.5, (double)i + 2)->pattern, patterns[i]);
    }
    sm_breakeven b;
    assert_int_equal(sm_breakeven_compute(&set, &b), SM_OK);
    assert_int_equal(b.curve_count, 2 * 2 * PATTERNS);
    assert_int_equal(b.mean_count, 2 * PATTERNS);
    for (size_t i = 0; i < b.curve_count; i++) {
        assert_int_equal(b.curves[i].count, 1);
        assert_near(b.curves[i].cell->speedup_dense, b.curves[i].points[0].speedup);
        assert_int_equal(b.curves[i].fixed, !strncmp(b.curves[i].cell->pattern, "nm:", 3));
    }
    for (size_t i = 0; i < b.mean_count; i++) {
        assert_int_equal(b.means[i].points, 2);
        assert_near(b.means[i].worst, b.means[i].speedup);
    }
    sm_breakeven_free(&b);
}

/* A last group that is not full keeps more than its share: with 25 columns 2:4 reaches 48 %. */
static void n_of_m_stands_at_its_own_sparsity(void **state) {
    (void)state;
    set_text(&add("a", "csr", 0.48, 2)->pattern, "nm:2:4");
    set_text(&add("b", "csr", 0.5, 8)->pattern, "nm:2:4");
    set_text(&add("a", "csr", 0.48, 2)->pattern, "rows");
    set_text(&add("b", "csr", 0.5, 8)->pattern, "rows");
    sm_breakeven b;
    assert_int_equal(sm_breakeven_compute(&set, &b), SM_OK);
    size_t fixed = 0, open = 0;
    for (size_t i = 0; i < b.mean_count; i++) {
        const sm_mean *mean = &b.means[i];
        if (mean->redundant) continue;
        if (mean->curve->fixed) {
            assert_near(0.5, mean->sparsity);
            assert_near(4, mean->speedup);
            assert_int_equal(mean->points, 2);
            assert_near(0.5, mean->curve->points[0].sparsity);
        }
        fixed += (size_t)mean->curve->fixed;
        open += (size_t)!mean->curve->fixed;
    }
    assert_int_equal(fixed, 1);
    assert_int_equal(open, 2);
    sm_breakeven_free(&b);
}

static void verdicts_on_n_of_m(void **state) {
    (void)state;
    set_text(&add("wins", "csr", 0.74, 2)->pattern, "nm:1:4");
    set_text(&add("loses", "csr", 0.5, 0.5)->pattern, "nm:2:4@8");
    set_text(&add("close", "csr", 0.25, 0.98)->pattern, "nm:3:4");
    sm_cell *bare = add("bare", "csr", 0.5, 1.5);
    set_text(&bare->pattern, "nm:2:4");
    bare->speedup_ci_low = bare->speedup_ci_high = NAN;
    sm_breakeven b;
    assert_int_equal(sm_breakeven_compute(&set, &b), SM_OK);
    assert_verdict(curve_of(&b, "wins", "csr"),
                   "sparse wins at its own 75 %: 2.00x (1.92x to 2.08x)");
    assert_verdict(curve_of(&b, "loses", "csr"),
                   "sparse loses at its own 50 %: 0.50x (0.48x to 0.52x)");
    assert_verdict(curve_of(&b, "close", "csr"),
                   "too close to say at its own 25 %: 0.98x (0.94x to 1.02x)");
    assert_verdict(curve_of(&b, "bare", "csr"), "sparse wins at its own 50 %: 1.50x (no interval)");
    sm_breakeven_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(patterns_do_not_mix, reset, clear),
        cmocka_unit_test_setup_teardown(n_of_m_stands_at_its_own_sparsity, reset, clear),
        cmocka_unit_test_setup_teardown(verdicts_on_n_of_m, reset, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
