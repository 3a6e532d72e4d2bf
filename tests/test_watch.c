/* Waiting for a quiet moment: only while the probe is slow, only with patience, and no longer than
 * that. Includes the source, to make every probe a slow one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "measure/watch.c" /* NOLINT(bugprone-suspicious-include) */

static const double PATIENCE_S = 0.08, NAP_NS = 2e6;

static sm_watch *watch_that_finds(double quiet_ns) {
    sm_watch *watch;
    if (sm_watch_create(&watch) != SM_OK || !watch) abort();
    assert_true(watch->quiet_ns > 0 && isfinite(watch->quiet_ns));
    watch->quiet_ns = quiet_ns;
    return watch;
}

/* One wait takes an eighth of the patience, all together take it whole, and then none waits. What a
 * busy machine adds to a nap has no bound, so that only lower ones are asked for. */
static void test_slow_probes_use_patience_up(void **state) {
    (void)state;
    sm_watch *watch = watch_that_finds(0);
    sm_watch_patience(watch, PATIENCE_S);
    const double start = clock_ns();
    sm_watch_wait(watch);
    const double once = sm_watch_waited_ns(watch);
    assert_true(once >= 1e9 * PATIENCE_S / 8 && once >= NAP_NS);
    assert_true(clock_ns() - start >= once);
    size_t waits = 1;
    for (; sm_watch_waited_ns(watch) < 1e9 * PATIENCE_S; waits++) {
        assert_true(waits < 8);
        sm_watch_wait(watch);
    }
    const double all = sm_watch_waited_ns(watch);
    sm_watch_wait(watch);
    assert_true(sm_watch_waited_ns(watch) == all);
    sm_watch_patience(watch, PATIENCE_S);
    assert_true(sm_watch_waited_ns(watch) == 0);
    sm_watch_free(watch);
}

static void test_quiet_probes_do_not_wait(void **state) {
    (void)state;
    sm_watch *watch = watch_that_finds(1e12);
    sm_watch_patience(watch, PATIENCE_S);
    sm_watch_wait(watch);
    assert_true(sm_watch_waited_ns(watch) == 0);
    sm_watch_free(watch);
}

static void test_without_patience_at_once(void **state) {
    (void)state;
    sm_watch *watch = watch_that_finds(0);
    sm_watch_wait(watch);
    assert_true(sm_watch_waited_ns(watch) == 0);
    /* Such a sample is still marked. */
    sm_watch_begin(watch);
    watch->quiet_ns = 0;
    assert_true(sm_watch_end(watch) & TAINT_PROBE);
    sm_watch_free(watch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_probes_use_patience_up),
        cmocka_unit_test(test_quiet_probes_do_not_wait),
        cmocka_unit_test(test_without_patience_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
