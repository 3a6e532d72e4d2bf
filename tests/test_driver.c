/* The order in which the driver calls kernels, and what of X it asks for before it packs
 * it. */
#include "core.h"
#include "driver.h"
#include "plan_problem.h"
#include <string.h>

enum { M = 40, K = 90, N = 29, KT = 32, MC = 16 };

static int third(size_t r, size_t c) {
    return (r * 31 + c * 17) % 3 == 0;
}

/* What the calls of a kernel could ask for, one after the other. */
static const float *asked[1000];
static size_t asked_count, run_lengths[1000], calls, blocks[1000]; /* of each call */
static size_t first_asking;                                        /* block; SIZE_MAX: none */
static sm_ask_y asking_y;                                          /* of the last call */
static const float *first_x;                                       /* of the first */

static void note_ahead(const sm_packed *w, const sm_tile *t) {
    (void)w;
    assert_in_range(calls, 0, sizeof blocks / sizeof *blocks - 1);
    if (calls == 0) first_x = t->x;
    blocks[calls++] = t->block;
    asking_y = t->ask_y;
    if (t->ahead_runs > 0) first_asking = sm_min_size(first_asking, t->block);
    for (size_t i = 0; i < t->ahead_runs; i++) {
        assert_in_range(asked_count, 0, sizeof asked / sizeof *asked - 1);
        run_lengths[asked_count] = t->ahead_run;
        asked[asked_count++] = t->ahead + (ptrdiff_t)i * t->ahead_rs;
    }
}

static void run(const sm_packed *w, const sm_args *args, size_t threads) {
    void *workspace = sm_alloc(sm_driver_workspace(w, args->n, threads), 1);
    assert_non_null(workspace);
    sm_driver_run(w, args, threads, NULL, NULL, workspace);
    sm_free(workspace);
}

static void run_noting(const sm_packed *w, const sm_args *args, size_t threads) {
    sm_packed noting = *w;
    sm_kernel k = *w->kernel;
    k.run = note_ahead;
    noting.kernel = &k;
    asked_count = calls = 0;
    first_asking = SIZE_MAX;
    run(&noting, args, threads);
}

/* Every row but those of what a thread packs first, in the order of packing. */
static void assert_all_in_order(const sm_packed *w, const sm_args *a, size_t first_rows) {
    const size_t nr = w->kernel->nr;
    size_t at = 0;
    for (size_t n0 = 0; n0 < a->n; n0 += nr)
        for (size_t k = n0 == 0 ? first_rows : 0; k < K; k++) {
            assert_int_equal(run_lengths[at], sm_min_size(nr, a->n - n0));
            assert_ptr_equal(asked[at++], a->x + (ptrdiff_t)k * a->x_rs + (ptrdiff_t)n0);
        }
    assert_int_equal(at, asked_count);
}

static void test_rows_are_asked_for_once_and_in_order(void **state) {
    (void)state;
    const sm_kernel *k = sm_kernel_find("spmm_sell_f32_scalar_quad_4x8");
    problem p;
    sm_packed w;
    make_problem(M, K, N, 0, third, &p);
    assert_int_equal(sm_pack(&p.w, k, KT, M, 1, &w), SM_OK);
    w.ask_from = 0;
    run_noting(&w, &p.args, 1); /* all rows wait: X is packed a K tile at a time */
    assert_all_in_order(&w, &p.args, KT);
    w.ask_from = (M + K) * N * sizeof(float);
    run_noting(&w, &p.args, 1);
    assert_all_in_order(&w, &p.args, KT);
    w.ask_from++;
    run_noting(&w, &p.args, 1);
    assert_int_equal(asked_count, 0);
    assert_true(calls > 0);
    sm_packed_free(&w);
    assert_int_equal(sm_pack(&p.w, k, KT, MC, 1, &w), SM_OK);
    w.ask_from = 0;
    run_noting(&w, &p.args, 1); /* they do not: a strip of X is packed as a whole */
    assert_all_in_order(&w, &p.args, K);
    assert_true(w.blocks > 1);
    assert_int_equal(first_asking, w.blocks - 1);
    sm_packed_free(&w);
    free_problem(&p);
}

/* X is asked for on Intel's cores only, where a K tile fits L1; X that is read as it lies must be
 * larger, without Y, and its rows read some times. */
static void test_when_x_is_asked_for(void **state) {
    (void)state;
    sm_packed w = {.kernel = sm_kernel_find("spmm_sell_f32_scalar_quad_4x8"),
                   .rows = 64,
                   .cols = 64,
                   .nnz = 8 * 64,
                   .kt = 16};
    assert_int_equal(sm_core_ask_y(0), SM_Y_EARLY);
    assert_int_equal(sm_core_ask_y(1), SM_Y_LATE);
    assert_int_equal(sm_core_ask_from(&w, 0), SIZE_MAX);
    const size_t packed = sm_core_ask_from(&w, 1);
    w.in_place = 1;
    const size_t in_place = sm_core_ask_from(&w, 1);
    assert_in_range(in_place, packed + 1, SIZE_MAX - 1);
    w.nnz = 64;
    assert_int_equal(sm_core_ask_from(&w, 1), SIZE_MAX);
    /* A row of X is read once for all rows of a panel, and by dense kernels whatever W is. */
    w.kernel = sm_kernel_find("spmm_dense_f32_scalar_tile_4x8");
    assert_int_equal(sm_core_ask_from(&w, 1), in_place);
    w.kernel = sm_kernel_find("spmm_bsr_f32_scalar_column_4x8");
    w.nnz = 11 * 64;
    assert_int_equal(sm_core_ask_from(&w, 1), SIZE_MAX);
    w.nnz = 12 * 64;
    assert_int_equal(sm_core_ask_from(&w, 1), in_place);
    w.ask_from = (64 + 64) * N * sizeof(float);
    assert_false(sm_asks(&w, 2 * N - 1));
    assert_true(sm_asks(&w, 2 * N));
    w.in_place = 0;
    assert_int_equal(sm_core_ask_from(&w, 1), packed);
    assert_false(sm_asks(&w, N - 1));
    assert_true(sm_asks(&w, N));
    w.kt = 1 << 20;
    assert_int_equal(sm_core_ask_from(&w, 1), SIZE_MAX);
}

/* W is asked for where it is a large part of L3: pages on Intel's cores, else lines. */
static void test_when_w_is_asked_for(void **state) {
    (void)state;
    const double l3 = (double)sm_l3_bytes();
    assert_int_equal(sm_core_ask_w(l3 / 2, 1), SM_W_NEVER);
    assert_int_equal(sm_core_ask_w(l3 / 2 + 1, 1), SM_W_PAGES);
    assert_int_equal(sm_core_ask_w(l3 / 4, 0), SM_W_NEVER);
    assert_int_equal(sm_core_ask_w(l3 / 4 + 1, 0), SM_W_LINES);
    problem p;
    sm_packed w;
    make_problem(M, K, N, 0, third, &p);
    assert_int_equal(sm_pack(&p.w, sm_kernel_find("spmm_dense_f32_scalar_tile_4x8"), KT, M, 1, &w),
                     SM_OK);
    assert_int_equal(w.ask_w, SM_W_NEVER);
    assert_int_equal(w.intel, sm_core_of_intel());
    sm_packed_free(&w);
    free_problem(&p);
}

/* Of two threads each begins with a K tile that nobody asks for, in each strip of its own. */
static void test_threads_ask_for_their_own(void **state) {
    (void)state;
    problem p;
    sm_packed w;
    make_problem(M, K, 4 * 8, 0, third, &p);
    assert_int_equal(sm_pack(&p.w, sm_kernel_find("spmm_sell_f32_scalar_quad_4x8"), KT, M, 1, &w),
                     SM_OK);
    w.ask_from = 0;
    run_noting(&w, &p.args, 2);
    assert_int_equal(asked_count, 4 * K - 2 * KT);
    sm_packed_free(&w);
    free_problem(&p);
}

/* Token-major X is packed from runs of its columns, as long as a K tile. */
static void test_columns_of_token_major_x_are_asked_for(void **state) {
    (void)state;
    problem p;
    sm_packed w;
    make_problem(M, K, N, 1, third, &p);
    assert_int_equal(sm_pack(&p.w, sm_kernel_find("spmm_sell_f32_scalar_quad_4x8"), KT, M, 1, &w),
                     SM_OK);
    w.ask_from = 0;
    run_noting(&w, &p.args, 1);
    size_t at = 0;
    for (size_t n0 = 0; n0 < N; n0 += 8)
        for (size_t k0 = n0 == 0 ? KT : 0; k0 < K; k0 += KT)
            for (size_t j = n0; j < sm_min_size(n0 + 8, N); j++, at++) {
                assert_ptr_equal(asked[at], p.args.x + (ptrdiff_t)j * p.args.x_cs + (ptrdiff_t)k0);
                assert_int_equal(run_lengths[at], sm_min_size(KT, K - k0));
            }
    assert_int_equal(asked_count, at);
    sm_packed_free(&w);
    free_problem(&p);
}

/* Small blocks of rows go through all strips one after the other where X is read as it lies, and
 * each strip through all blocks where it is packed. */
static void test_what_is_outermost(void **state) {
    (void)state;
    static const char *const names[] = {"spmm_csr_f32_scalar_row_1x8",
                                        "spmm_sell_f32_scalar_quad_4x8"};
    enum { STRIPS = (N + 7) / 8, TILES = (K + KT - 1) / KT };
    for (int token = 0; token < 2; token++) {
        problem p;
        make_problem(M, K, N, token, third, &p);
        for (size_t packed = 0; packed < 2; packed++) {
            sm_packed w;
            assert_int_equal(sm_pack(&p.w, sm_kernel_find(names[packed]), KT, MC, 1, &w), SM_OK);
            assert_true(w.blocks > 1);
            run_noting(&w, &p.args, 1);
            assert_int_equal(calls, w.blocks * STRIPS * TILES);
            const int rows_first = !packed && !token;
            assert_int_equal(asking_y, rows_first ? SM_Y_NEVER : w.ask_y);
            assert_int_equal(w.ask_y, sm_core_ask_y(sm_core_of_intel()));
            for (size_t i = 0; i < calls; i++)
                assert_int_equal(blocks[i],
                                 rows_first ? i / (STRIPS * TILES) : i / TILES % w.blocks);
            sm_packed_free(&w);
        }
        free_problem(&p);
    }
}

/* X whose rows are a strip wide is read as it lies, but only from the beginning of a line on. */
static void test_x_that_lies_as_packed(void **state) {
    (void)state;
    problem p;
    sm_packed w;
    const sm_kernel *k = sm_kernel_find("spmm_sell_f32_scalar_quad_4x8");
    make_problem(M, K, k->nr, 0, third, &p);
    assert_int_equal(sm_pack(&p.w, k, KT, M, 1, &w), SM_OK);
    assert_false(w.in_place);
    run_noting(&w, &p.args, 1);
    assert_ptr_equal(first_x, p.args.x);
    float *shifted = sm_alloc(K * k->nr + 1, sizeof *shifted);
    assert_non_null(shifted);
    memcpy(shifted + 1, p.x, K * k->nr * sizeof *shifted);
    p.args.x = shifted + 1;
    run_noting(&w, &p.args, 1);
    assert_ptr_not_equal(first_x, p.args.x);
    sm_free(shifted);
    sm_packed_free(&w);
    free_problem(&p);
}

/* Asking for lines, and how X and Y get between the layouts, change no bit of Y. */
static void test_asking_changes_no_bit(void **state) {
    (void)state;
    /* K tiles of more columns than come after asking for Y, and all rows in one block, or kernels
     * that read X as it lies would not ask; then small ones. */
    static const size_t tiles[][2] = {{48, M}, {KT, MC}};
    float *silent = sm_alloc(M * N, sizeof *silent);
    assert_non_null(silent);
    for (size_t c = 0; c < 4; c++) {
        problem p;
        make_problem(M, K, N, c & 1, third, &p);
        for (size_t i = 0; i < sm_kernel_count(); i++) {
            const sm_kernel *k = sm_kernel_at(i);
            if (!(sm_isa_mask() >> k->level & 1)) continue;
            const sm_strips most = sm_lanes(k) == 16 ? SM_STRIPS_AVX512
                                   : k->level > 0    ? SM_STRIPS_ASKING
                                                     : SM_STRIPS_BASE;
            sm_packed w;
            assert_int_equal(sm_pack(&p.w, k, tiles[c / 2][0], tiles[c / 2][1], 1, &w), SM_OK);
            w.ask_from = SIZE_MAX;
            w.ask_w = SM_W_NEVER;
            w.strips = SM_STRIPS_BASE;
            run(&w, &p.args, 1);
            assert_true(error_of(&p) <= 1.0);
            memcpy(silent, p.y, M * N * sizeof *silent);
            w.ask_from = 0;
            for (; w.strips <= most; w.strips++) {
                for (w.ask_y = SM_Y_EARLY; w.ask_y <= SM_Y_NEVER; w.ask_y++) {
                    for (w.ask_w = SM_W_PAGES; w.ask_w <= SM_W_LINES; w.ask_w++) {
                        memset(p.y, 0xff, M * N * sizeof *p.y);
                        run(&w, &p.args, 1);
                        assert_memory_equal(p.y, silent, M * N * sizeof *silent);
                    }
                }
            }
            sm_packed_free(&w);
        }
        free_problem(&p);
    }
    sm_free(silent);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_asked_for_once_and_in_order),
        cmocka_unit_test(test_when_x_is_asked_for),
        cmocka_unit_test(test_when_w_is_asked_for),
        cmocka_unit_test(test_threads_ask_for_their_own),
        cmocka_unit_test(test_columns_of_token_major_x_are_asked_for),
        cmocka_unit_test(test_what_is_outermost),
        cmocka_unit_test(test_x_that_lies_as_packed),
        cmocka_unit_test(test_asking_changes_no_bit),
    };
    return cmocka_run_group_tests_name("driver", tests, NULL, NULL);
}
