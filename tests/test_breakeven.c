/* Break-evens against curves that were computed by hand. */
#include "breakeven_cells.h"
#include "harness.h"
#include "records/table.h"

#include <stdio.h>
#include <unistd.h>

static void assert_crossing(sm_crossing found, sm_crossing_kind kind, double sparsity) {
    assert_int_equal(found.kind, kind);
    assert_near(sparsity, found.sparsity);
}

static void crossings(void **state) {
    (void)state;
    const double s[] = {0.2, 0.4, 0.6, 0.8};
    /* log 1/2 and log 2 are equally far from 0: the middle of 0.4 and 0.6 */
    const double middle[] = {0.25, 0.5, 2, 4};
    assert_crossing(sm_crossing_find(s, middle, 4), SM_CROSSING_AT, 0.5);
    /* log 1/2 : log 8 = 1 : 3, a quarter of the way */
    const double quarter[] = {0.25, 0.5, 8, 9};
    assert_crossing(sm_crossing_find(s, quarter, 4), SM_CROSSING_AT, 0.45);
    /* A win that does not last does not count. */
    const double dip[] = {2, 3, 0.5, 2};
    assert_crossing(sm_crossing_find(s, dip, 4), SM_CROSSING_AT, 0.7);
    const double exact[] = {0.5, 1, 1, 2};
    assert_crossing(sm_crossing_find(s, exact, 4), SM_CROSSING_AT, 0.4);
    const double always[] = {1, 2, 3, 4};
    assert_crossing(sm_crossing_find(s, always, 4), SM_CROSSING_BELOW, 0.2);
    const double never[] = {2, 2, 2, 0.99};
    assert_crossing(sm_crossing_find(s, never, 4), SM_CROSSING_NEVER, 0.8);
    assert_crossing(sm_crossing_find(s, always, 1), SM_CROSSING_BELOW, 0.2);
    const double hole[] = {0.5, NAN, 3, 4};
    assert_int_equal(sm_crossing_find(s, hole, 4).kind, SM_CROSSING_UNKNOWN);
    assert_int_equal(sm_crossing_find(s, hole, 0).kind, SM_CROSSING_UNKNOWN);
}

static void curve_with_interval(void **state) {
    (void)state;
    add("a", "panel", 0.7, 4);
    add("a", "panel", 0.5, 2); /* not in the order of sparsity */
    add("a", "panel", 0.3, 0.5);
    sm_breakeven b;
    assert_int_equal(sm_breakeven_compute(&set, &b), SM_OK);
    const sm_curve *curve = curve_of(&b, "a", "panel");
    assert_int_equal(curve->count, 3);
    assert_crossing(curve->crossing, SM_CROSSING_AT, 0.4);
    /* both ends scaled by c: t = -log(c/2) / log 4 */
    assert_crossing(curve->from_high, SM_CROSSING_AT, 0.3 + 0.2 * log(2 / 1.04) / log(4));
    assert_crossing(curve->from_low, SM_CROSSING_AT, 0.3 + 0.2 * log(2 * 1.04) / log(4));
    assert_verdict(curve, "sparse wins from 40 % on (39 % to 41 %)");
    assert_near(4, sm_curve_near(curve, 0.7)->speedup);
    assert_near(0.45, sm_curve_near(curve, 0.7)->bytes_share);
    assert_near(2, sm_curve_near(curve, 0.52)->speedup);
    assert_null(sm_curve_near(curve, 0.53));
    assert_null(sm_curve_near(curve, 0.9));
    /* one series: its best is itself and not shown twice */
    assert_true(curve_of(&b, "a", "best")->redundant);
    sm_breakeven_free(&b);
}

static void verdicts(void **state) {
    (void)state;
    add("never", "csr", 0.5, 0.3);
    add("never", "csr", 0.9, 0.8);
    add("always", "csr", 0.1, 1.2);
    add("always", "csr", 0.9, 8);
    add("noisy", "csr", 0.1, 0.9)->speedup_ci_high = 1.1;
    add("noisy", "csr", 0.9, 1.2)->speedup_ci_low = 0.8;
    add("edge", "csr", 0.8, 0.9);
    add("edge", "csr", 0.9, 0.98);
    add("bare", "csr", 0.8, 0.5)->speedup_ci_low = NAN;
    add("bare", "csr", 0.9, 2);
    add("early", "csr", 0.0, 1.01);
    add("early", "csr", 0.1, 1.1);
    sm_breakeven b;
    assert_int_equal(sm_breakeven_compute(&set, &b), SM_OK);
    assert_verdict(curve_of(&b, "never", "csr"), "never wins up to 90 %");
    assert_verdict(curve_of(&b, "always", "csr"),
                   "sparse wins at every sparsity measured, from 10 % on");
    assert_verdict(curve_of(&b, "noisy", "csr"),
                   "too noisy to say: interval 10 % or less to never");
    assert_verdict(curve_of(&b, "edge", "csr"), "never wins up to 90 % (88 % to never)");
    assert_verdict(curve_of(&b, "bare", "csr"), "sparse wins from 85 % on (no interval)");
    assert_verdict(curve_of(&b, "early", "csr"),
                   "sparse wins at every sparsity measured, from 0 % on (0 % or less to 3 %)");
    sm_breakeven_free(&b);
}

static void duplicates_are_averaged(void **state) {
    (void)state;
    add("a", "panel", 0.5, 2);
    add("a", "panel", 0.501, 8);
    add("a", "panel", 0.51, 3);
    sm_breakeven b;
    assert_int_equal(sm_breakeven_compute(&set, &b), SM_OK);
    const sm_curve *curve = curve_of(&b, "a", "panel");
    assert_int_equal(curve->count, 2);
    assert_int_equal(curve->points[0].cells, 2);
    assert_near(4, curve->points[0].speedup);
    assert_near(0.5005, curve->points[0].sparsity);
    sm_breakeven_free(&b);
}

/* Of several kernels of a format the fastest of its group counts; best looks across formats. */
static void fastest_of_a_group(void **state) {
    (void)state;
    add("a", "panel", 0.5, 2);
    add("a", "panel", 0.5, 3);
    add("a", "csr", 0.5, 1.5);
    set_text(&add("a", "csr", 0.5, 9)->peer, "mkl-sparse");
    add("a", "dense", 0.5, 1);
    one_group(0);
    add("a", "csr", 0.95, 7);
    add("a", "panel", 0.95, 6);
    one_group(5);
    sm_breakeven b;
    assert_int_equal(sm_breakeven_compute(&set, &b), SM_OK);
    assert_int_equal(b.curve_count, 4);
    assert_near(3, curve_of(&b, "a", "panel")->points[0].speedup);
    assert_near(9, curve_of(&b, "a", "mkl-sparse")->points[0].speedup);
    const sm_curve *best = curve_of(&b, "a", "best");
    assert_int_equal(best->count, 2);
    assert_near(3, best->points[0].speedup);
    assert_near(7, best->points[1].speedup);
    assert_false(best->redundant);
    assert_ptr_equal(best, &b.curves[0]);
    sm_breakeven_free(&b);
}

/* The level was chosen anew at each sparsity: a series then says how little of it was timed. */
static void partial_series(void **state) {
    (void)state;
    set_text(&add("a", "csr", 0.5, 0.5)->isa, "avx512");
    add("a", "csr", 0.7, 0.6);
    add("a", "csr", 0.9, 2);
    sm_breakeven b;
    assert_int_equal(sm_breakeven_compute(&set, &b), SM_OK);
    assert_int_equal(b.curve_count, 3);
    assert_true(b.curves[0].best);
    assert_verdict(&b.curves[0], "sparse wins from 78 % on (78 % to 79 %)");
    assert_verdict(&b.curves[1], "never wins up to 50 % [at 1 of 3 sparsities]");
    assert_verdict(&b.curves[2], "sparse wins from 78 % on (78 % to 79 %) [at 2 of 3 sparsities]");
    sm_breakeven_free(&b);
}

static void what_is_left_out_and_what_is_marked(void **state) {
    (void)state;
    set_text(&add("a", "csr", 0.5, 100)->taints, "noisy wrong");
    add("a", "csr", 0.6, NAN);
    set_text(&add("a", "csr", 0.7, 2)->taints, "weak-baseline !precision");
    set_text(&add("a", "csr", 0.9, 4)->taints, "weak-baseline");
    set_text(&add("b", "csr", 0.9, 4)->taints, "wrongly-named");
    sm_breakeven b;
    assert_int_equal(sm_breakeven_compute(&set, &b), SM_OK);
    assert_int_equal(b.wrong, 1);
    assert_int_equal(b.no_dense, 1);
    const sm_curve *curve = curve_of(&b, "a", "csr");
    assert_int_equal(curve->count, 2);
    assert_string_equal(curve->marks, "!precision weak-baseline");
    assert_int_equal(curve_of(&b, "b", "csr")->count, 1);
    sm_breakeven_free(&b);
}

static void conditions_do_not_mix(void **state) {
    (void)state;
    add("a", "csr", 0.5, 1);
    set_text(&add("a", "csr", 0.5, 2)->provenance, "pruned-network:x");
    set_text(&add("a", "csr", 0.5, 3)->isa, "avx512");
    set_text(&add("a", "csr", 0.5, 4)->layout, "token");
    set_text(&add("a", "csr", 0.5, 5)->pattern, "nm:2:4");
    set_text(&add("a", "csr", 0.5, 6)->cache, "cold-weights");
    add("a", "csr", 0.5, 7)->n = 1;
    add("a", "csr", 0.5, 8)->threads = 2;
    add("a", "csr", 0.5, 9)->m = 64;
    add("a", "csr", 0.5, 10);
    run_of[set.count - 1] = 1;
    sm_breakeven b;
    assert_int_equal(sm_breakeven_compute(&set, &b), SM_OK);
    size_t own = 0;
    for (size_t i = 0; i < b.curve_count; i++) {
        if (b.curves[i].best) continue;
        assert_int_equal(b.curves[i].count, 1);
        assert_near((double)++own, b.curves[i].points[0].speedup); /* the file's order */
    }
    assert_int_equal(own, 10);
    sm_breakeven_free(&b);
}

static void json_says_the_same(void **state) {
    (void)state;
    add("a", "panel", 0.3, 0.5);
    set_text(&add("a", "panel", 0.5, 2)->taints, "noisy weak-baseline");
    sm_breakeven b;
    assert_int_equal(sm_breakeven_compute(&set, &b), SM_OK);
    json_t *json = sm_breakeven_json(&set, &b);
    assert_non_null(json);
    const json_t *curves = json_object_get(json, "curves");
    assert_int_equal(json_array_size(curves), 1);
    json_t *curve = json_array_get(curves, 0);
    const char *run_id, *layer, *state_name, *verdict, *mark;
    double sparsity, at_50;
    json_t *at_90;
    assert_int_equal(json_unpack(curve, "{s:s, s:s, s:{s:s, s:f}, s:f, s:o, s:s, s:[s, *]}",
                                 "run_id", &run_id, "layer", &layer, "break_even", "state",
                                 &state_name, "sparsity", &sparsity, "speedup_50", &at_50,
                                 "speedup_90", &at_90, "verdict", &verdict, "marks", &mark),
                     0);
    assert_string_equal(run_id, "r1");
    assert_string_equal(layer, "a");
    assert_string_equal(state_name, "at");
    assert_near(0.4, sparsity);
    assert_near(2, at_50);
    assert_true(json_is_null(at_90));
    assert_string_equal(verdict, "sparse wins from 40 % on (39 % to 41 %)");
    assert_string_equal(mark, "noisy");
    assert_int_equal(json_array_size(json_object_get(curve, "marks")), 2);
    assert_int_equal(json_array_size(json_object_get(curve, "points")), 2);
    assert_int_equal(json_array_size(json_object_get(json, "means")),
                     1); /* not of a weak opponent */
    assert_int_equal(json_integer_value(json_object_get(json, "left_out_of_means")), 1);
    json_decref(json);
    sm_breakeven_free(&b);
}

static void table_says_constants_once(void **state) {
    (void)state;
    static const sm_column columns[] = {{"layer", 0, 0}, {"n", 1, 1}, {"isa", 0, 1}, {"x", 1, 0}};
    sm_table table = {.columns = columns, .column_count = 4};
    const char *const rows[] = {"long-name", "512", "avx2", "1.5", "b", "512", "", "12"};
    for (size_t i = 0; i < 8; i++) sm_table_add(&table, "%s", rows[i]);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(sm_table_finish(&table, out), 0);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, "all rows: n 512\n"
                              "layer      isa     x\n"
                              "long-name  avx2  1.5\n"
                              "b          -      12\n");
    free(text);
}

/* Writes the set as a file of one-cell groups and returns the subcommand's exit code. */
static int run_command(const char *option) {
    char path[] = "/tmp/sparsemark-breakeven-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    sm_record_file *file = NULL;
    assert_int_equal(sm_records_open(path, 1, 0, &file), SM_OK);
    json_t *run = json_pack("{s:{s:s}}", "cpu", "brand", "Test CPU");
    assert_int_equal(sm_records_write_run(file, run), SM_OK);
    json_decref(run);
    for (size_t i = 0; i < set.count; i++)
        assert_int_equal(sm_records_write_group(file, &cells[i], 1), SM_OK);
    assert_int_equal(sm_records_close(file), SM_OK);
    char name[] = "breakeven", flag[16];
    snprintf(flag, sizeof flag, "%s", option ? option : "");
    char *argv[] = {name, path, option ? flag : NULL, NULL};
    const int code = cmd_breakeven(option ? 3 : 2, argv);
    assert_int_equal(unlink(path), 0);
    return code;
}

static void the_command(void **state) {
    (void)state;
    assert_int_equal(run_command(NULL), EXIT_CODE_USAGE); /* no cells */
    add("a", "dense", 0.5, 1);
    assert_int_equal(run_command(NULL), EXIT_CODE_USAGE); /* only dense */
    add("a", "panel", 0.5, 2);
    assert_int_equal(run_command(NULL), EXIT_CODE_OK);
    assert_int_equal(run_command("--json"), EXIT_CODE_OK);
    assert_int_equal(run_command("--help"), EXIT_CODE_OK);
    assert_int_equal(run_command("--jsn"), EXIT_CODE_USAGE);
    assert_int_equal(run_command("second"), EXIT_CODE_USAGE);
    char name[] = "breakeven", missing[] = "/nonexistent";
    char *argv[] = {name, missing, NULL};
    assert_int_equal(cmd_breakeven(2, argv), EXIT_CODE_USAGE);
    assert_int_equal(cmd_breakeven(1, argv), EXIT_CODE_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crossings),
        cmocka_unit_test_setup_teardown(curve_with_interval, reset, clear),
        cmocka_unit_test_setup_teardown(verdicts, reset, clear),
        cmocka_unit_test_setup_teardown(duplicates_are_averaged, reset, clear),
        cmocka_unit_test_setup_teardown(fastest_of_a_group, reset, clear),
        cmocka_unit_test_setup_teardown(partial_series, reset, clear),
        cmocka_unit_test_setup_teardown(what_is_left_out_and_what_is_marked, reset, clear),
        cmocka_unit_test_setup_teardown(conditions_do_not_mix, reset, clear),
        cmocka_unit_test_setup_teardown(json_says_the_same, reset, clear),
        cmocka_unit_test(table_says_constants_once),
        cmocka_unit_test_setup_teardown(the_command, reset, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
