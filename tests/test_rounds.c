/* Rounds of samples: in which order they are taken, and what made ones say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "measure/rounds.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ARMS = 3 };

typedef struct arm {
    int id, *log;
    size_t *logged;
} arm;

static void nothing(void *arg) {
    (void)arg;
}

static double made_ns(void *arg, int64_t iterations) {
    const arm *a = arg;
    (void)iterations;
    a->log[(*a->logged)++] = a->id;
    return 100.0 * (a->id + 1);
}

/* Every other round goes backwards, and each arm is as often first, second and last. */
static void test_order(void **state) {
    (void)state;
    int log[ARMS * MAX_ROUNDS] = {0}, at[ARMS][ARMS] = {{0}};
    size_t logged = 0, rounds;
    arm arms[ARMS];
    sm_candidate candidates[ARMS], *list[ARMS];
    sm_watch *watch;
    assert_int_equal(sm_watch_create(&watch), SM_OK);
    for (int i = 0; i < ARMS; i++) {
        arms[i] = (arm){i, log, &logged};
        candidates[i] = (sm_candidate){.name = "arm",
                                       .other = nothing,
                                       .other_timer = made_ns,
                                       .other_arg = &arms[i],
                                       .watch = watch};
        list[i] = &candidates[i];
    }
    assert_int_equal(sm_rounds_run(list, ARMS, 0, 0.5, 0, &rounds), SM_OK);
    assert_int_equal(rounds, MIN_ROUNDS);
    assert_int_equal(logged, ARMS * rounds);
    for (size_t r = 0; r < 2 * ARMS; r++)
        for (size_t i = 0; i < ARMS; i++) at[log[r * ARMS + i]][i]++;
    for (size_t i = 0; i < ARMS * ARMS; i++) assert_int_equal(at[i / ARMS][i % ARMS], 2);
    for (size_t i = 0; i < logged; i++)
        if (i % ARMS > 0)
            assert_int_equal(log[i], (log[i - 1] + (i / ARMS % 2 ? ARMS - 1 : 1)) % ARMS);
    for (int i = 0; i < ARMS; i++) {
        assert_true(fabs(candidates[i].ns[rounds - 1] - 100.0 * (i + 1)) < 1e-3);
        sm_candidate_free(&candidates[i]);
    }
    sm_watch_free(watch);
}

enum { SAMPLES = 9 };

/* Samples of 1 to 9 units; those whose bits are set in `tainted` are not clean. */
static void make(sm_candidate *c, double unit, unsigned tainted) {
    *c = (sm_candidate){.ns = malloc(SAMPLES * sizeof *c->ns),
                        .taints = malloc(SAMPLES * sizeof *c->taints)};
    assert_true(c->ns && c->taints);
    for (size_t i = 0; i < SAMPLES; i++) {
        c->ns[i] = unit * (double)(i + 1);
        c->taints[i] = tainted >> i & 1 ? TAINT_STEAL : 0;
    }
}

static void expect(const sm_estimate *e, size_t used, int noisy, double median, double p25) {
    assert_int_equal(e->used, used);
    assert_int_equal(e->noisy, noisy);
    assert_true(e->median == median && e->p25 == p25);
    assert_true(e->low <= median && median <= e->high);
}

static void test_clean_samples(void **state) {
    (void)state;
    sm_candidate c;
    make(&c, 10, 0);
    sm_estimate e = sm_rounds_time(&c, SAMPLES);
    expect(&e, 9, 0, 50, 30);
    c.taints[0] = c.taints[1] = c.taints[2] = c.taints[3] = TAINT_PROBE;
    e = sm_rounds_time(&c, SAMPLES);
    expect(&e, 5, 0, 70, 60);
    c.taints[4] = TAINT_MIGRATED;
    e = sm_rounds_time(&c, SAMPLES);
    expect(&e, 9, 1, 50, 30);
    sm_candidate_free(&c);
}

/* A ratio is clean where both samples of its round are. */
static void test_ratios(void **state) {
    (void)state;
    sm_candidate dense, c;
    make(&dense, 30, 1u << 8);
    make(&c, 10, 1u << 0);
    dense.ns[8] = 9000;
    c.ns[0] = 0.01;
    sm_estimate e = sm_rounds_ratio(&dense, &c, SAMPLES);
    expect(&e, 7, 0, 3, 3);
    assert_true(e.low == 3 && e.high == 3);
    dense.taints[7] = dense.taints[6] = c.taints[1] = TAINT_SWITCHED;
    e = sm_rounds_ratio(&dense, &c, SAMPLES);
    expect(&e, 9, 1, 3, 3);
    assert_true(e.high > 3);
    sm_candidate_free(&dense);
    sm_candidate_free(&c);
}

static void test_converged(void **state) {
    (void)state;
    sm_estimate e = {.median = 2, .low = 1.9, .high = 2.1};
    assert_true(sm_estimate_converged(&e, 0.0501));
    assert_false(sm_estimate_converged(&e, 0.0499));
    e.noisy = 1;
    assert_false(sm_estimate_converged(&e, 0.0501));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_clean_samples),
        cmocka_unit_test(test_ratios),
        cmocka_unit_test(test_converged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
