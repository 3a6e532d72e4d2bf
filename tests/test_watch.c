/* Waiting for a quiet moment: only with patience, and no longer than that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "measure/clock.h"
#include "measure/watch.h"

static const double PATIENCE_S = 0.02;

static double wait_often(sm_watch *watch) {
    enum { OFTEN = 200 };
    const double start = clock_ns();
    for (int i = 0; i < OFTEN; i++) sm_watch_wait(watch);
    return clock_ns() - start;
}

/* Whatever the machine does meanwhile, all waits together sleep no longer than the patience and one
 * nap; the margin is for what a busy machine takes from probes and naps. */
static void test_patience_ends(void **state) {
    (void)state;
    static const double MARGIN_NS = 5e9;
    sm_watch *watch;
    assert_int_equal(sm_watch_create(&watch), SM_OK);
    sm_watch_patience(watch, PATIENCE_S);
    assert_true(wait_often(watch) < 1e9 * PATIENCE_S + MARGIN_NS);
    sm_watch_free(watch);
}

/* Without patience nothing is probed: a wait takes less than the shortest probe could. */
static void test_without_patience_at_once(void **state) {
    (void)state;
    sm_watch *watch;
    assert_int_equal(sm_watch_create(&watch), SM_OK);
    double shortest = wait_often(watch);
    for (int i = 0; i < 100; i++) {
        const double ns = wait_often(watch);
        if (ns < shortest) shortest = ns;
    }
    assert_true(shortest < 200e3); /* a thousandth of what 200 probes and naps would take */
    sm_watch_patience(watch, 0);
    sm_watch_begin(watch);
    assert_in_range(sm_watch_end(watch), 0, (1 << SM_TAINTS) - 1);
    sm_watch_free(watch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patience_ends),
        cmocka_unit_test(test_without_patience_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
