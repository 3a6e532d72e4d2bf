/* Masks by our own rules: convolutions, thresholds that are given, and what does not fit. */
#include "prune/prune.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { OUT = 9, IN = 10, HEIGHT = 3, WIDTH = 2, COUNT = OUT * IN * HEIGHT * WIDTH };

static sm_prune_options options_of(const char *pattern, double sparsity, sm_weights_order order) {
    sm_prune_options o = {.size = sizeof o, .sparsity = sparsity, .order = order};
    assert_int_equal(sm_pattern_parse(pattern, &o.pattern), SM_OK);
    return o;
}

/* OIHW: what K = inputs, height, width is as a matrix lies there; HWIO: turned. */
static size_t hwio(size_t i) {
    const size_t window = HEIGHT * WIDTH, o = i / (IN * window), c = i / window % IN;
    return (i % window * IN + c) * OUT + o;
}

static void convolutions_are_their_matrix(void **state) {
    (void)state;
    static const char *const patterns[] = {"unstructured", "rows", "block:3x4", "block:4x1"};
    static const size_t matrix[] = {OUT, IN * HEIGHT * WIDTH}, oihw[] = {OUT, IN, HEIGHT, WIDTH},
                        turned_shape[] = {HEIGHT, WIDTH, IN, OUT};
    float w[COUNT], turned[COUNT];
    sm_fill_normal(w, COUNT, 3);
    for (size_t i = 0; i < COUNT; i++) turned[hwio(i)] = w[i];
    for (size_t p = 0; p < sizeof patterns / sizeof *patterns; p++) {
        uint8_t expected[COUNT], mask[COUNT];
        sm_prune_result result, same;
        sm_prune_options o = options_of(patterns[p], 0.6, SM_ORDER_OUT_IN);
        assert_int_equal(sm_prune_mask(w, matrix, 2, &o, expected, &result), SM_OK);
        assert_true(result.kept > 0 && result.kept < COUNT);
        o.order = SM_ORDER_OIHW;
        assert_int_equal(sm_prune_mask(w, oihw, 4, &o, mask, &same), SM_OK);
        assert_memory_equal(mask, expected, sizeof mask);
        assert_true(same.threshold == result.threshold && same.kept == result.kept);
        o.order = SM_ORDER_HWIO;
        assert_int_equal(sm_prune_mask(turned, turned_shape, 4, &o, mask, &same), SM_OK);
        for (size_t i = 0; i < COUNT; i++) assert_int_equal(mask[hwio(i)], expected[i]);
    }
}

/* The inputs at one place of the window are a row of their own. */
static void nm_of_a_convolution_runs_over_inputs(void **state) {
    (void)state;
    static const size_t oihw[] = {OUT, IN, HEIGHT, WIDTH};
    static const size_t turned_shape[] = {HEIGHT, WIDTH, IN, OUT}, place[] = {OUT, IN};
    static const char *const patterns[] = {"nm:2:4", "nm:1:4@4", "nm:3:8@2"};
    float w[COUNT], turned[COUNT], one[OUT * IN];
    sm_fill_normal(w, COUNT, 4);
    for (size_t i = 0; i < COUNT; i++) turned[hwio(i)] = w[i];
    for (size_t p = 0; p < sizeof patterns / sizeof *patterns; p++) {
        uint8_t mask[COUNT], turned_mask[COUNT], expected[OUT * IN];
        sm_prune_result result;
        sm_prune_options o = options_of(patterns[p], 0, SM_ORDER_OIHW);
        assert_int_equal(sm_prune_mask(w, oihw, 4, &o, mask, &result), SM_OK);
        assert_true(isnan(result.threshold));
        o.order = SM_ORDER_HWIO;
        assert_int_equal(sm_prune_mask(turned, turned_shape, 4, &o, turned_mask, &result), SM_OK);
        o.order = SM_ORDER_OUT_IN;
        for (size_t s = 0; s < HEIGHT * WIDTH; s++) {
            for (size_t i = 0; i < OUT * IN; i++) one[i] = w[i * HEIGHT * WIDTH + s];
            assert_int_equal(sm_prune_mask(one, place, 2, &o, expected, &result), SM_OK);
            for (size_t i = 0; i < OUT * IN; i++) {
                assert_int_equal(mask[i * HEIGHT * WIDTH + s], expected[i]);
                assert_int_equal(turned_mask[hwio(i * HEIGHT * WIDTH + s)], expected[i]);
            }
        }
    }
}

static void one_threshold_over_many_tensors(void **state) {
    (void)state;
    enum { ALL = 5000 };
    static const size_t counts[] = {1, 0, 700, 4000, 299};
    float w[ALL];
    const float *parts[5], *at = w;
    sm_fill_normal(w, ALL, 8);
    for (size_t i = 0; i < 5; at += counts[i++]) parts[i] = at;
    for (int d = 0; d <= 10; d++) {
        uint8_t all[ALL], each[ALL];
        sm_prune_result result;
        float threshold;
        const size_t shape[] = {ALL};
        sm_prune_options o = options_of("unstructured", d / 10.0, SM_ORDER_OUT_IN);
        assert_int_equal(sm_prune_mask(w, shape, 1, &o, all, &result), SM_OK);
        assert_int_equal(result.kept, ALL / 10 * (10 - d));
        assert_int_equal(sm_prune_threshold(parts, counts, 5, o.sparsity, &threshold), SM_OK);
        assert_true(threshold == result.threshold && isinf(threshold) == (d == 10));
        o.threshold = &threshold;
        o.sparsity = (double)NAN;
        for (size_t i = 0; i < 5; i++)
            assert_int_equal(
                sm_prune_mask(parts[i], &counts[i], 1, &o, each + (parts[i] - w), &result), SM_OK);
        assert_memory_equal(each, all, sizeof all);
    }
    float threshold;
    uint8_t none[ALL];
    sm_prune_result result;
    sm_prune_options o = options_of("unstructured", (double)NAN, SM_ORDER_OUT_IN);
    w[1 + 699] = INFINITY; /* the threshold that keeps none, this neither */
    o.threshold = &threshold;
    assert_int_equal(sm_prune_threshold(parts, counts, 5, 1, &threshold), SM_OK);
    assert_int_equal(sm_prune_mask(parts[2], &counts[2], 1, &o, none, &result), SM_OK);
    assert_int_equal(result.kept, 0);
    w[1 + 699] = NAN;
    assert_int_equal(sm_prune_threshold(parts, counts, 5, 0.5, &threshold), SM_E_FORMAT);
    assert_string_equal(sm_message(), "scores 2: element 699: expected a number, got NaN");
    assert_int_equal(sm_prune_threshold(parts, counts, 1, 1.5, &threshold), SM_E_ARG);
}

static void not_a_number_is_named(void **state) {
    (void)state;
    static float w[3 * 4 * 5 * 1000];
    static uint8_t mask[3 * 4 * 5 * 1000];
    static const size_t shape[] = {3, 4, 5, 1000};
    sm_prune_result result;
    const sm_prune_options o = options_of("unstructured", 0.5, SM_ORDER_OIHW);
    w[((2 * 4 + 1) * 5 + 3) * 1000 + 999] = -NAN;
    assert_int_equal(sm_prune_mask(w, shape, 4, &o, mask, &result), SM_E_FORMAT);
    assert_string_equal(sm_message(), "scores: element [2,1,3,999]: expected a number, got NaN");
    for (size_t i = 0; i < sizeof mask; i++) assert_int_equal(mask[i], 1);
}

static void assert_refused(const sm_prune_options *o, const size_t *shape, size_t rank,
                           sm_status status, const char *said) {
    static const float w[1024] = {1.0f};
    uint8_t mask[1024];
    sm_prune_result result;
    assert_int_equal(sm_prune_mask(w, shape, rank, o, mask, &result), status);
    if (!strstr(sm_message(), said)) fail_msg("said \"%s\"", sm_message());
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    static const size_t shape[] = {4, 8, 2, 2, 1, 1, 1, 1, 1}, wide[] = {SIZE_MAX / 2, 3};
    const float threshold = 1.0f, negative = -1.0f;
    sm_prune_options o = options_of("block:2x2", 0.5, SM_ORDER_OUT_IN);
    assert_refused(&o, shape, 4, SM_E_ARG, "weights of rank 4 in order out-in: expected rank 2");
    o.order = SM_ORDER_HWIO;
    assert_refused(&o, shape, 2, SM_E_ARG, "weights of rank 2 in order hwio: expected rank 4");
    o.order = (sm_weights_order)4;
    assert_refused(&o, shape, 2, SM_E_ARG, "sm_prune_options.order is 4");
    o.threshold = &threshold;
    assert_refused(&o, shape, 2, SM_E_ARG, "a threshold for block:2x2: expected unstructured");
    o = options_of("unstructured", 0.5, SM_ORDER_OUT_IN);
    assert_refused(&o, shape, 0, SM_E_ARG, "weights of rank 0: expected 1 to 8");
    assert_refused(&o, shape, 9, SM_E_ARG, "weights of rank 9: expected 1 to 8");
    assert_refused(&o, wide, 2, SM_E_LIMIT, "more weights than 64 bits count");
    o.threshold = &negative;
    assert_refused(&o, shape, 2, SM_E_ARG, "threshold: expected 0 or more, got -1");
    o = (sm_prune_options){.sparsity = 0.5};
    assert_refused(&o, shape, 2, SM_E_ARG, "sm_prune_options.size is 0");
    o.size = sizeof o;
    o.pattern = (sm_pattern){.kind = (sm_pattern_kind)7};
    assert_refused(&o, shape, 2, SM_E_ARG, "pattern.kind is 7: expected 0 to 3");
    o.pattern = (sm_pattern){.kind = SM_PATTERN_BLOCK, .r = 2};
    assert_refused(&o, shape, 2, SM_E_ARG, "block:2x0: expected at least 1 x 1");
    o.pattern = (sm_pattern){.kind = SM_PATTERN_NM, .n = 2, .m = 17, .v = 1};
    assert_refused(&o, shape, 2, SM_E_ARG, "expected 1 <= N <= M <= 16");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_are_their_matrix),
        cmocka_unit_test(nm_of_a_convolution_runs_over_inputs),
        cmocka_unit_test(one_threshold_over_many_tensors),
        cmocka_unit_test(not_a_number_is_named),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
