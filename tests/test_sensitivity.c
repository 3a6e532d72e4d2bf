/* Intervals of lost answers, and what they decide. */
#include "plan_problem.h"

#include "sensitivity/claims.h"
#include <math.h>

static void near(double value, double expected) {
    if (!(fabs(value - expected) < 1e-6)) fail_msg("%.9f: expected %.9f", value, expected);
}

/* Differences of (b + 1) / (n + 2) and (c + 1) / (n + 2), by hand. */
static void paired_intervals(void **state) {
    (void)state;
    interval i = interval_paired(0, 0, 98);
    near(i.value, 0);
    near(i.high, 1.959964 * sqrt(0.02 / 100));
    near(i.low, -i.high);
    i = interval_paired(19, 9, 98);
    near(i.value, 10.0 / 98);
    near(i.low, 0.1 - 1.959964 * sqrt((0.3 - 0.01) / 100));
    near(i.high, 0.1 + 1.959964 * sqrt((0.3 - 0.01) / 100));
    assert_true(interval_paired(1, 0, 1).high <= 1 && interval_paired(0, 1, 1).low >= -1);
}

static void intervals_between_layers(void **state) {
    (void)state;
    const uint16_t a[] = {0, 1, 2, 4}, b[] = {4, 4, 4, 4};
    interval i;
    /* Differences 1, 3/4, 1/2, 0: mean 9/16, variance of a sample 35/192. */
    assert_int_equal(interval_between(a, b, 4, 4, &i), SM_OK);
    near(i.value, 9.0 / 16);
    near(i.low, 9.0 / 16 - 1.959964 * sqrt(35.0 / 192 / 4));
    near(i.high, 9.0 / 16 + 1.959964 * sqrt(35.0 / 192 / 4));
    assert_int_equal(interval_between(b, a, 4, 4, &i), SM_OK);
    near(i.value, -9.0 / 16);
    assert_int_equal(interval_between(a, b, 1, 4, &i), SM_OK);
    near(i.value, 1);
    near(i.low, -1);
    near(i.high, 1);
}

static const interval above = {2, 1, 3}, below = {-2, -3, -1}, astride = {0.5, -1, 2};

static verdict judged(const interval *items, size_t count, size_t expected) {
    size_t decisive = SIZE_MAX;
    const verdict v = verdict_above(items, count, &decisive);
    assert_int_equal(decisive, expected);
    return v;
}

static void all_must_be_above(void **state) {
    (void)state;
    const interval least = {1, 0.5, 1.5}, worst = {-3, -3.5, -2.5};
    assert_int_equal(judged(NULL, 0, 0), UNJUDGED);
    assert_int_equal(judged((interval[]){above, least}, 2, 1), HOLDS);
    assert_int_equal(judged((interval[]){above, astride, above}, 3, 1), UNDECIDED);
    assert_int_equal(judged((interval[]){astride, below, worst}, 3, 2), REFUTED);
}

static void none_may_exceed(void **state) {
    (void)state;
    size_t decisive;
    const interval small[] = {{-1, -2, 0}, {0.5, 0, 1}};
    assert_int_equal(verdict_within(small, 0, 1, &decisive), UNJUDGED);
    assert_int_equal(verdict_within(small, 2, 1, &decisive), HOLDS);
    assert_int_equal(decisive, 1);
    assert_int_equal(verdict_within(small, 2, 0.9, &decisive), UNDECIDED);
    const interval large[] = {{0.5, 0, 1}, above, {3, 2, 4}};
    assert_int_equal(verdict_within(large, 3, 1.5, &decisive), REFUTED);
    assert_int_equal(decisive, 2);
}

static void verdicts_have_names(void **state) {
    (void)state;
    assert_string_equal(verdict_name(UNJUDGED), "not judged");
    assert_string_equal(verdict_name(HOLDS), "holds");
    assert_string_equal(verdict_name(UNDECIDED), "undecided");
    assert_string_equal(verdict_name(REFUTED), "does not hold");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paired_intervals), cmocka_unit_test(intervals_between_layers),
        cmocka_unit_test(all_must_be_above), cmocka_unit_test(none_may_exceed),
        cmocka_unit_test(verdicts_have_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
