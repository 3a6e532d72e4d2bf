/* How a plan times what it considers, and that what it chose is what runs. */
#include "candidates.h"
#include "choose.h"
#include "core.h"
#include "plan_problem.h"
#include "trial.h"

static size_t avx512(void) {
    size_t level;
    assert_int_equal(sm_isa_find("avx512", &level), SM_OK);
    return level;
}

static int four_of_five(size_t r, size_t c) {
    return value_of(r * 1009 + c) > -0.3f;
}

static int half(size_t r, size_t c) {
    return value_of(r * 1009 + c) > 0;
}

/* Whatever was timed to choose, and packed for it: asked for by name the same comes out. */
static void test_what_was_chosen_is_what_runs(void **state) {
    (void)state;
    enum { ROWS = 333, COLS = 1024, N = 200 };
    for (size_t i = 0; i < 8; i++) {
        problem p;
        make_problem(ROWS, COLS, N, i & 1, i & 2 ? scattered : four_of_five, &p);
        sm_plan_options o = {.size = sizeof o, .n = N, .threads = i & 4 ? 3 : 1};
        o.layout = i & 1 ? SM_TOKEN_MAJOR : SM_FEATURE_MAJOR;
        sm_plan *plan;
        assert_int_equal(sm_plan_create(&p.w, &o, &plan), SM_OK);
        sm_plan_info chosen, named;
        sm_plan_get_info(plan, &chosen);
        run_plan(plan, &p);
        sm_plan_free(plan);
        assert_true(error_of(&p) <= 1);
        assert_true(chosen.pack_s > 0 && chosen.expected_s > 0);
        float *y = sm_alloc((size_t)ROWS * N, sizeof *y);
        assert_non_null(y);
        memcpy(y, p.y, (size_t)ROWS * N * sizeof *y);
        o.kernel = chosen.kernel->name;
        o.kt = chosen.kt;
        o.mc = chosen.mc;
        assert_int_equal(sm_plan_create(&p.w, &o, &plan), SM_OK);
        sm_plan_get_info(plan, &named);
        run_plan(plan, &p);
        sm_plan_free(plan);
        assert_memory_equal(y, p.y, (size_t)ROWS * N * sizeof *y);
        assert_memory_equal(&chosen.bytes, &named.bytes, sizeof named.bytes);
        sm_free(y);
        free_problem(&p);
    }
}

/* Of several candidates that are about as fast some are timed on whole calls, and the plan takes
 * over what was packed for that. */
static void test_finals(void **state) {
    (void)state;
    problem p;
    size_t finals = 0;
    make_problem(333, 1024, 1, 0, scattered, &p);
    for (size_t n = 100; n <= 200; n += 20) {
        const sm_plan_options o = {
            .n = n, .threads = 1, .isa_mask = sm_isa_mask(), .format_mask = ~0u, .budget_s = 1};
        sm_choice choice;
        assert_int_equal(sm_choose(&p.w, &o, &choice), SM_OK);
        if (!choice.packed.kernel) continue;
        finals++;
        assert_ptr_equal(choice.packed.kernel, choice.kernel);
        assert_int_equal(choice.packed.rows, p.w.rows);
        assert_int_equal(choice.packed.nnz, p.w.nnz);
        assert_true(choice.pack_s > 0 && choice.pack_s < choice.choose_s);
        sm_packed_free(&choice.packed);
    }
    assert_true(finals > 0);
    free_problem(&p);
}

/* So are they with one column where not all of W stays in L2, of which a small sample says little;
 * the vectors are as long as they can be. */
static void test_finals_of_one_column(void **state) {
    (void)state;
    enum { COLS = 1024 };
    int (*const masks[])(size_t, size_t) = {scattered, half, four_of_five};
    const size_t l2 = sm_l2_bytes();
    size_t finals = 0;
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        problem p;
        make_problem(2 * l2 / sizeof(float) / COLS, COLS, 1, 0, masks[i], &p);
        assert_true(sm_spans_l2(&p.w, 1));
        assert_false(sm_spans_l2(&p.w, 2));
        sm_plan_options o = {.n = 1, .threads = 1, .isa_mask = sm_isa_mask(), .budget_s = 1};
        o.format_mask = ~0u;
        sm_csr one, two;
        assert_int_equal(sm_trial_slice(&p.w, &o, &one), SM_OK);
        o.n = 2;
        assert_int_equal(sm_trial_slice(&p.w, &o, &two), SM_OK);
        o.n = 1;
        assert_true(one.rows < two.rows);
        sm_choice choice;
        assert_int_equal(sm_choose(&p.w, &o, &choice), SM_OK);
        assert_true(sm_lanes(choice.kernel) == (sm_isa_mask() >> avx512() & 1 ? 16 : 8));
        finals += choice.packed.kernel != NULL;
        assert_true(!choice.packed.kernel || choice.packed.rows == p.w.rows);
        sm_packed_free(&choice.packed);
        sm_csr_free(&one);
        sm_csr_free(&two);
        free_problem(&p);
    }
    assert_true(finals > 0);
}

/* Where a sample is all of W nobody packs it again. */
static void test_all_of_w_is_packed_once(void **state) {
    (void)state;
    problem p;
    make_problem(64, 128, 1, 0, scattered, &p);
    for (size_t n = 4; n <= 400; n *= 10) {
        const sm_plan_options o = {
            .n = n, .threads = 1, .isa_mask = sm_isa_mask(), .format_mask = ~0u, .budget_s = 0.05};
        sm_choice choice;
        assert_int_equal(sm_choose(&p.w, &o, &choice), SM_OK);
        assert_ptr_equal(choice.packed.kernel, choice.kernel);
        assert_int_equal(choice.packed.nnz, p.w.nnz);
        sm_packed_free(&choice.packed);
    }
    free_problem(&p);
}

/* A sample is some rows and columns, and a call is told from it; all rows are a call. */
static void test_trials(void **state) {
    (void)state;
    problem p;
    make_problem(600, 1024, 1, 0, scattered, &p);
    for (size_t i = 0; i < 4; i++) {
        const sm_plan_options o = {.n = 203, .layout = i & 1 ? SM_TOKEN_MAJOR : SM_FEATURE_MAJOR};
        sm_csr slice;
        assert_int_equal(sm_trial_slice(&p.w, &o, &slice), SM_OK);
        assert_in_range(slice.rows, 64, 599);
        const sm_kernel *k = sm_kernel_find("spmm_sell_f32_scalar_quad_4x8");
        assert_non_null(k);
        sm_trial t = {.opt = &o, .w = &p.w, .of_rows = 1};
        if (i & 2)
            t = (sm_trial){
                .opt = &o, .w = &slice, .of_rows = 600.0 / (double)slice.rows, .strips = 2};
        assert_int_equal(sm_trial_begin(&t, k->mr, k->nr), SM_OK);
        assert_int_equal(sm_trial_columns(&t, k->nr), i & 2 ? 16 : 203);
        sm_packed packed;
        assert_int_equal(sm_pack(t.w, k, 100, t.w->rows, 1, &packed), SM_OK);
        sm_times times = {0};
        double call_s = 0;
        for (size_t turn = 0; turn < 3; turn++) {
            sm_trial_run(&t, &packed, &times);
            call_s = sm_trial_call_s(&t, k, &times);
        }
        assert_true(times.run_s > 0);
        const size_t bytes = t.w->rows * t.ld * sizeof *t.y;
        float *whole = sm_alloc(bytes, 1);
        assert_non_null(whole);
        memcpy(whole, t.y, bytes);
        assert_int_equal(times.pack_s > 0, (i & 2) != 0);
        if (i & 2) { /* packing that was disturbed makes the rest of a run look short */
            sm_times disturbed = times;
            disturbed.pack_s = times.run_s * 0.99;
            t.pack_s = times.run_s / 16 / 100;
            assert_true(sm_trial_call_s(&t, k, &disturbed) > call_s / 2);
            assert_true(sm_trial_call_s(&t, k, &disturbed) > 4 * times.run_s);
        }
        if (i & 2)
            assert_true(call_s > times.run_s);
        else
            assert_true(call_s == times.run_s);
        times = (sm_times){.run_s = 1, .cuts = i & 2 ? 2 : SM_TRIAL_CUTS};
        if (!(i & 2)) memset(t.y, 0xff, bytes);
        sm_trial_run(&t, &packed, &times);
        assert_true(times.run_s < 1 && times.cut_s[times.cuts - 1] > 0);
        assert_memory_equal(t.y, whole, bytes);
        sm_free(whole);
        sm_packed_free(&packed);
        sm_trial_end(&t);
        sm_csr_free(&slice);
    }
    free_problem(&p);
}

/* L2 is filled before each run of a sample where a call with few columns finds W behind it, and
 * such a run is not cut: it would be the first cut only. */
static void test_weights_behind_l2(void **state) {
    (void)state;
    const sm_kernel *k = sm_kernel_find("spmv_csr_f32_scalar_gather_1x1");
    assert_non_null(k);
    problem p;
    make_problem(64, 128, 1, 0, scattered, &p);
    const struct {
        size_t n;
        double of_rows;
        int cold, behind;
    } cases[] = {{2, 1e6, 0, 1}, {2, 1, 0, 0}, {2, 1e6, 1, 0}, {100, 1e6, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const sm_plan_options o = {.n = cases[i].n};
        sm_trial t = {
            .opt = &o, .w = &p.w, .of_rows = cases[i].of_rows, .strips = 2, .cold = cases[i].cold};
        assert_int_equal(sm_trial_begin(&t, k->mr, k->nr), SM_OK);
        assert_int_equal(t.others_count * sizeof(float), cases[i].behind ? 2 * sm_l2_bytes() : 0);
        sm_packed packed;
        assert_int_equal(sm_pack(&p.w, k, 128, 64, 1, &packed), SM_OK);
        sm_times times = {.run_s = 1};
        sm_trial_run(&t, &packed, &times);
        assert_int_equal(times.cuts, cases[i].cold || cases[i].behind ? 1 : 2);
        /* The second column of such a run would find W near. */
        if (cases[i].n == 2)
            assert_int_equal(sm_trial_columns(&t, 1), cases[i].cold || cases[i].behind ? 1 : 2);
        assert_int_equal(sm_trial_columns(&t, 8), cases[i].n == 2 ? 2 : 16);
        assert_true(times.run_s > 0 && times.run_s < 1);
        sm_packed_free(&packed);
        sm_trial_end(&t);
    }
    free_problem(&p);
}

/* Each pass over a W that is away takes about as long, whatever columns it has; near, columns do.
 */
static void test_passes_over_weights(void **state) {
    (void)state;
    problem p;
    make_problem(64, 128, 1, 0, scattered, &p);
    const sm_kernel few = {.name = "few", .op = "spmv", .format = "nm", .mr = 8, .nr = 4};
    const struct {
        size_t n;
        int cold;
        double timed; /* how many times as long as what is timed a call takes */
    } cases[] = {{1, 1, 1}, {4, 1, 1}, {5, 1, 2}, {8, 1, 2}, {5, 0, 1}, {32, 0, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const sm_plan_options o = {.n = cases[i].n};
        const sm_trial t = {.opt = &o, .w = &p.w, .of_rows = 3, .strips = 2, .cold = cases[i].cold};
        const sm_times times = {.run_s = 1};
        assert_true(sm_trial_call_s(&t, &few, &times) == 3 * cases[i].timed);
    }
    free_problem(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes_over_weights),
        cmocka_unit_test(test_what_was_chosen_is_what_runs),
        cmocka_unit_test(test_finals),
        cmocka_unit_test(test_finals_of_one_column),
        cmocka_unit_test(test_all_of_w_is_packed_once),
        cmocka_unit_test(test_trials),
        cmocka_unit_test(test_weights_behind_l2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
