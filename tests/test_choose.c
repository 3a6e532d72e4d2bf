/* Which kernels a plan considers, seen through plans that do not time (the most promising
 * candidate) and through how many candidates a plan that does has timed. */
#include "candidates.h"
#include "core.h"
#include "plan_problem.h"
#include <cpuid.h>

static int alike_in_eights(size_t r, size_t c) {
    return (r / 8 * 7 + c * 5) % 3 == 0;
}
static int scattered(size_t r, size_t c) {
    return value_of(r * 1009 + c) > 0.2f;
}
static int everywhere(size_t r, size_t c) {
    return r + c + 1 > 0;
}
static int nearly_all(size_t r, size_t c) {
    return (r + c) % 10 != 0;
}

static int one_a_row(size_t r, size_t c) {
    return c == r * 7 % 512;
}

static uint32_t formats(const char *first, const char *second) {
    uint32_t mask = 0;
    for (size_t i = 0; sm_format_name(i); i++)
        if (strcmp(sm_format_name(i), first) == 0 || strcmp(sm_format_name(i), second) == 0)
            mask |= 1u << i;
    return mask;
}

static sm_plan_info planned(const problem *p, size_t n, uint32_t format_mask, double budget_s) {
    sm_plan *plan;
    sm_plan_info info;
    const sm_plan_options o = {
        .size = sizeof o, .n = n, .format_mask = format_mask, .budget_s = budget_s};
    if (sm_plan_create(&p->w, &o, &plan) != SM_OK) fail_msg("%s", sm_message());
    sm_plan_get_info(plan, &info);
    sm_plan_free(plan);
    return info;
}

/* What a plan for n columns of X in that layout would time; to be freed. */
static sm_candidate *candidates_in(sm_layout layout, const sm_csr *w, size_t n, size_t *count) {
    sm_candidate *list = sm_alloc(sm_candidates_max(), sizeof *list);
    assert_non_null(list);
    const sm_plan_options o = {
        .n = n, .layout = layout, .isa_mask = sm_isa_mask(), .format_mask = ~0u};
    *count = sm_list_candidates(w, w, &o, list);
    return list;
}
static sm_candidate *candidates_of(const sm_csr *w, size_t n, size_t *count) {
    return candidates_in(SM_FEATURE_MAJOR, w, n, count);
}

static void test_blocks_only_where_rows_are_alike(void **state) {
    (void)state;
    problem p;
    const uint32_t both = formats("panel", "bsr"), all = 0;
    make_problem(64, 128, 1, 0, alike_in_eights, &p);
    assert_string_equal(planned(&p, 64, both, -1).kernel->format, "bsr");
    free_problem(&p);
    /* Larger than the slice that is looked at, which must begin where a panel does. */
    make_problem(600, 1024, 1, 0, alike_in_eights, &p);
    assert_string_equal(planned(&p, 64, both, -1).kernel->format, "bsr");
    free_problem(&p);
    make_problem(64, 128, 1, 0, scattered, &p);
    assert_string_equal(planned(&p, 64, both, -1).kernel->format, "panel");
    /* Where only blocks are allowed they are taken, at whatever fill. */
    assert_string_equal(planned(&p, 64, formats("bsr", ""), -1).kernel->format, "bsr");
    assert_string_not_equal(planned(&p, 64, all, -1).kernel->format, "bsr");
    free_problem(&p);
}

static void test_without_times_density_decides(void **state) {
    (void)state;
    problem p;
    make_problem(64, 128, 1, 0, nearly_all, &p);
    assert_string_equal(planned(&p, 64, 0, -1).kernel->format, "dense");
    assert_string_not_equal(planned(&p, 64, ~formats("dense", ""), -1).kernel->format, "dense");
    free_problem(&p);
    make_problem(64, 128, 1, 0, scattered, &p);
    assert_string_not_equal(planned(&p, 64, 0, -1).kernel->format, "dense");
    free_problem(&p);
}

static void test_columns_decide_the_operation(void **state) {
    (void)state;
    problem p;
    make_problem(64, 128, 1, 0, scattered, &p);
    assert_string_equal(planned(&p, 1, 0, -1).kernel->op, "spmv");
    assert_string_equal(planned(&p, 100, 0, -1).kernel->op, "spmm");
    /* A format without a kernel for many columns still multiplies them, and the other way round. */
    assert_string_equal(planned(&p, 100, formats("nm", ""), -1).kernel->op, "spmv");
    assert_string_equal(planned(&p, 1, formats("panel", ""), -1).kernel->op, "spmm");
    free_problem(&p);
}

/* Should the budget end early, large tiles were tried. */
static void test_large_tiles_come_first(void **state) {
    (void)state;
    problem p;
    make_problem(64, 128, 1, 0, scattered, &p);
    const sm_kernel *chosen = planned(&p, 512, formats("sell", ""), -1).kernel;
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        if (strcmp(k->format, "sell") == 0 && k->level == chosen->level && 512 % k->nr == 0)
            assert_true(k->mr * k->nr <= chosen->mr * chosen->nr);
    }
    free_problem(&p);
}

/* Where X comes from behind L2, K tiles larger than L1 are no candidates of a core that they slow
 * down, if the kernel has smaller ones. */
static void test_tiles_beyond_l1(void **state) {
    (void)state;
    const size_t l1 = sm_l1_bytes();
    problem p;
    make_problem(64, 2048, 1, 0, scattered, &p);
    for (size_t n = 32; n <= 1 << 16; n *= 2048) {
        size_t count, within = 0, beyond = 0;
        sm_candidate *list = candidates_of(&p.w, n, &count);
        for (size_t i = 0; i < count; i++) {
            if (i > 0) assert_true(list[i - 1].dense <= list[i].dense);
            size_t smaller = 0;
            for (size_t j = 0; j < count; j++)
                smaller |= list[j].kernel == list[i].kernel &&
                           list[j].kt * list[j].kernel->nr * sizeof(float) <= l1;
            within += smaller;
            beyond += smaller && list[i].kt * list[i].kernel->nr * sizeof(float) > l1;
        }
        if (within > 0) assert_int_equal(beyond > 0, n == 32 || !sm_core_of_intel());
        sm_free(list);
    }
    free_problem(&p);
}

/* What is timed is a sample, however many columns a call has. */
static void test_many_columns_of_few_rows(void **state) {
    (void)state;
    problem p;
    make_problem(2048, 8, 1, 0, scattered, &p);
    const sm_plan_info info = planned(&p, 1 << 26, 0, 0); /* Y of such a call: 512 GiB */
    assert_in_range(info.candidates, 2, 3 * sm_kernel_count());
    free_problem(&p);
}

static void test_timed_are_those_with_hope(void **state) {
    (void)state;
    problem p;
    size_t one_column = 0;
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        one_column += k->nr == 1 && (sm_isa_mask() >> k->level & 1);
    }
    make_problem(64, 128, 1, 0, scattered, &p);
    /* All K fits one tile, so a kernel is one candidate. */
    assert_in_range(planned(&p, 1, 0, 1).candidates, 2, one_column);
    free_problem(&p);
}

static int of_intel(void) {
    unsigned r[4];
    assert_true(__get_cpuid(0, &r[0], &r[1], &r[2], &r[3]));
    const unsigned vendor[] = {r[1], r[3], r[2]};
    return memcmp(vendor, "GenuineIntel", sizeof vendor) == 0;
}

/* Of the two variants of a tile that multiply the same streams the one for this core is timed. */
static void test_one_variant_a_core(void **state) {
    (void)state;
    problem p;
    make_problem(64, 128, 1, 0, scattered, &p);
    size_t count;
    sm_candidate *list = candidates_of(&p.w, 128, &count);
    size_t quads = 0, pointers = 0, places = 0, whole = 0, place_of[2] = {0};
    for (size_t i = 0; i < count; i++) {
        const int place = sm_reads_in_place(list[i].kernel);
        places += place != 0;
        whole += place && list[i].kt == p.w.cols && list[i].mc == 32;
        quads += strcmp(list[i].kernel->variant, "quad") == 0;
        pointers += strcmp(list[i].kernel->variant, "pointer") == 0;
        place_of[0] += strcmp(list[i].kernel->variant, "place") == 0;
        place_of[1] += strcmp(list[i].kernel->variant, "direct") == 0;
    }
    const int intel = of_intel();
    size_t level;
    assert_int_equal(sm_isa_find("avx2", &level), SM_OK);
    if (sm_isa_mask() >> level & 1) {
        assert_int_equal(place_of[!intel], 0);
        assert_int_equal(sm_isa_find("avx512", &level), SM_OK);
        assert_int_equal(place_of[intel] > 0, sm_isa_mask() >> level & 1);
        assert_int_equal(pointers > 0, intel);
        assert_int_equal(quads > 0, !intel);
        assert_true(places > 0);
        assert_int_equal(whole, intel ? places : 0); /* all of X is in L2 */
    } else {
        assert_int_equal(pointers, 0);
    }
    sm_free(list);
    free_problem(&p);
}

static size_t unpacked_blocks(sm_layout layout, size_t rows) {
    problem p;
    size_t count, found = 0;
    make_problem(rows, 256, 1, 0, alike_in_eights, &p);
    sm_candidate *list = candidates_in(layout, &p.w, 128, &count);
    for (size_t i = 0; i < count; i++) found += strcmp(list[i].kernel->variant, "unpacked") == 0;
    sm_free(list);
    free_problem(&p);
    return found;
}

/* Blocks of few rows may be multiplied with X as it lies, if it has rows. */
static void test_blocks_of_few_rows(void **state) {
    (void)state;
    size_t level;
    assert_int_equal(sm_isa_find("avx2", &level), SM_OK);
    assert_int_equal(unpacked_blocks(SM_FEATURE_MAJOR, 64) > 0, sm_isa_mask() >> level & 1);
    assert_int_equal(unpacked_blocks(SM_FEATURE_MAJOR, 1024), 0);
    assert_int_equal(unpacked_blocks(SM_TOKEN_MAJOR, 64), 0);
}

/* Tiles of one vector are timed where no second can be filled, or where a row has few nonzeros. */
static void test_narrow_tiles(void **state) {
    (void)state;
    problem many, few;
    make_problem(64, 512, 1, 0, scattered, &many);
    make_problem(64, 512, 1, 0, one_a_row, &few);
    for (size_t n = 16; n <= 64; n *= 4) {
        for (size_t i = 0; i < 2; i++) {
            size_t count, narrow = 0;
            sm_candidate *list = candidates_of(i ? &few.w : &many.w, n, &count);
            for (size_t c = 0; c < count; c++)
                narrow += strcmp(list[c].kernel->format, "sell") == 0 &&
                          sm_isa_hand_written(list[c].kernel->isa) &&
                          list[c].kernel->nr == sm_lanes(list[c].kernel);
            size_t level;
            assert_int_equal(sm_isa_find("avx512", &level), SM_OK);
            if (sm_isa_mask() >> level & 1) assert_int_equal(narrow > 0, n == 16 || i == 1);
            sm_free(list);
        }
    }
    free_problem(&many);
    free_problem(&few);
}

/* Hand-written kernels of a format with strips of nr columns, of levels with so many lanes. */
static size_t count_tiles_in(sm_layout layout, const sm_csr *w, size_t n, const char *format,
                             size_t nr, size_t lanes) {
    size_t count, found = 0;
    sm_candidate *list = candidates_in(layout, w, n, &count);
    for (size_t i = 0; i < count; i++) {
        const sm_kernel *k = list[i].kernel;
        found += strcmp(k->format, format) == 0 && k->nr == nr && sm_isa_hand_written(k->isa) &&
                 sm_lanes(k) == lanes && !sm_reads_in_place(k);
    }
    sm_free(list);
    return found;
}

static size_t count_tiles(const sm_csr *w, size_t n, const char *format, size_t nr, size_t lanes) {
    return count_tiles_in(SM_FEATURE_MAJOR, w, n, format, nr, lanes);
}

/* A strip of just the columns there are need not be packed, however short its vectors, which
 * matters where rows of W are few; where one vector holds all columns no tile of several is timed.
 */
static void test_strips_as_wide_as_x(void **state) {
    (void)state;
    size_t avx2, avx512;
    assert_int_equal(sm_isa_find("avx2", &avx2), SM_OK);
    assert_int_equal(sm_isa_find("avx512", &avx512), SM_OK);
    const int has_avx2 = sm_isa_mask() >> avx2 & 1, has_avx512 = sm_isa_mask() >> avx512 & 1;
    problem p;
    make_problem(512, 128, 1, 0, scattered, &p);
    assert_int_equal(count_tiles(&p.w, 24, "sell", 24, 8) > 0, has_avx2 && !has_avx512);
    free_problem(&p);
    make_problem(64, 128, 1, 0, scattered, &p);
    assert_int_equal(count_tiles(&p.w, 24, "sell", 24, 8) > 0, has_avx2);
    assert_int_equal(count_tiles(&p.w, 25, "sell", 24, 8) > 0, has_avx2 && !has_avx512);
    assert_int_equal(count_tiles_in(SM_TOKEN_MAJOR, &p.w, 24, "sell", 24, 8) > 0,
                     has_avx2 && !has_avx512);
    assert_int_equal(count_tiles(&p.w, 16, "sell", 16, 8) > 0, has_avx2 && !has_avx512);
    assert_int_equal(count_tiles(&p.w, 8, "sell", 8, 8) > 0, has_avx2);
    assert_int_equal(count_tiles(&p.w, 8, "sell", 16, 8), 0);
    assert_int_equal(count_tiles(&p.w, 12, "sell", 16, 16) > 0, has_avx512);
    assert_int_equal(count_tiles(&p.w, 12, "sell", 32, 16), 0);
    free_problem(&p);
}

/* X as it lies is passed through by vectors, not by strips. */
static void test_few_columns_as_they_lie(void **state) {
    (void)state;
    problem p;
    size_t count, in_place = 0, wide = 0;
    make_problem(64, 128, 1, 0, scattered, &p);
    sm_candidate *list = candidates_of(&p.w, 20, &count);
    for (size_t i = 0; i < count; i++) {
        const int lies = sm_reads_in_place(list[i].kernel);
        in_place += lies != 0;
        wide += lies && list[i].kernel->nr > 48;
        if (lies) assert_in_range(list[i].padded, 20, 32);
    }
    sm_free(list);
    size_t level;
    assert_int_equal(sm_isa_find("avx2", &level), SM_OK);
    assert_true(in_place > 0);
    if (sm_isa_mask() >> level & 1) assert_true(wide > 0);
    free_problem(&p);
}

static size_t count_variant(const sm_csr *w, const char *variant) {
    size_t count, found = 0;
    sm_candidate *list = candidates_of(w, 1, &count);
    for (size_t i = 0; i < count; i++) found += strcmp(list[i].kernel->variant, variant) == 0;
    sm_free(list);
    return found;
}

/* Kernels that ask for weights are timed where these come from memory only, or from behind L2 on
 * Intel's cores. */
static void test_streams_are_for_weights_from_memory(void **state) {
    (void)state;
    size_t level;
    assert_int_equal(sm_isa_find("avx2", &level), SM_OK);
    problem p;
    make_problem(64, 128, 1, 0, scattered, &p);
    assert_false(sm_from_memory(&p.w));
    assert_int_equal(count_variant(&p.w, "stream"), 0);
    assert_int_equal(count_variant(&p.w, "ahead"), 0);
    assert_true(count_variant(&p.w, "window") > 0);
    free_problem(&p);
    const int avx2 = sm_isa_mask() >> level & 1;
    const size_t l2 = sm_l2_bytes();
    make_problem(l2 / sizeof(float) / 1024 + 1, 1024, 1, 0, everywhere, &p);
    assert_false(sm_from_memory(&p.w));
    assert_int_equal(count_variant(&p.w, "stream"), 0);
    assert_int_equal(count_variant(&p.w, "ahead") > 0, avx2 && of_intel());
    assert_int_equal(count_variant(&p.w, "window") > 0, !avx2 || !of_intel());
    free_problem(&p);
    sm_csr w;
    assert_int_equal(sm_csr_alloc(1 << 18, 1 << 14, 0, &w), SM_OK);
    memset(w.row_ptr, 0, ((1 << 18) + 1) * sizeof *w.row_ptr);
    assert_true(sm_from_memory(&w));
    assert_int_equal(count_variant(&w, "stream") > 0, avx2 && !of_intel());
    assert_int_equal(count_variant(&w, "ahead") > 0, avx2 && of_intel());
    assert_int_equal(count_variant(&w, "window") > 0, !avx2);
    sm_csr_free(&w);
}

/* The dense form would not fit any cache, the sparse one is read in no time. */
static void test_weights_larger_than_the_caches(void **state) {
    (void)state;
    enum { ROWS = 1 << 17, COLS = 1 << 10, EACH = 16 };
    sm_csr w;
    assert_int_equal(sm_csr_alloc(ROWS, COLS, ROWS * EACH, &w), SM_OK);
    for (size_t i = 0; i < ROWS * EACH; i++) {
        w.row_ptr[i / EACH + 1] = (uint32_t)(i / EACH + 1) * EACH;
        w.col[i] = (uint32_t)(i % EACH * (COLS / EACH) + i / EACH * 37 % (COLS / EACH));
        w.val[i] = value_of(i);
    }
    assert_int_equal(sm_csr_check(&w), SM_OK);
    const problem p = {.w = w};
    const sm_plan_info info = planned(&p, 1, 0, 0);
    assert_string_not_equal(info.kernel->format, "dense");
    assert_true(info.dense_s > info.sparse_s && info.sparse_s > 0);
    sm_csr_free(&w);
}

/* Dense weights could be larger than memory there: they are not even tried. A small matrix is. */
static void test_nearly_empty_is_never_dense(void **state) {
    (void)state;
    problem p;
    make_problem(64, 512, 1, 0, one_a_row, &p);
    assert_true(planned(&p, 1, 0, 0).dense_s > 0);
    free_problem(&p);
    make_problem(64, 1 << 15, 1, 0, one_a_row, &p);
    for (size_t n = 1; n <= 64; n *= 64) {
        const sm_plan_info info = planned(&p, n, 0, 0);
        assert_string_not_equal(info.kernel->format, "dense");
        assert_true(info.dense_s == 0 && info.sparse_s > 0);
        assert_string_equal(planned(&p, n, formats("dense", ""), 0).kernel->format, "dense");
    }
    free_problem(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_only_where_rows_are_alike),
        cmocka_unit_test(test_without_times_density_decides),
        cmocka_unit_test(test_columns_decide_the_operation),
        cmocka_unit_test(test_large_tiles_come_first),
        cmocka_unit_test(test_tiles_beyond_l1),
        cmocka_unit_test(test_many_columns_of_few_rows),
        cmocka_unit_test(test_timed_are_those_with_hope),
        cmocka_unit_test(test_one_variant_a_core),
        cmocka_unit_test(test_blocks_of_few_rows),
        cmocka_unit_test(test_narrow_tiles),
        cmocka_unit_test(test_strips_as_wide_as_x),
        cmocka_unit_test(test_few_columns_as_they_lie),
        cmocka_unit_test(test_streams_are_for_weights_from_memory),
        cmocka_unit_test(test_weights_larger_than_the_caches),
        cmocka_unit_test(test_nearly_empty_is_never_dense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
