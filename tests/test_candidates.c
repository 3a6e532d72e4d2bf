/* Which kernels a plan times, and which it knows to be slower. */
#include "candidate_lists.h"

static int everywhere(size_t r, size_t c) {
    return r + c + 1 > 0;
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

static size_t count_variant(sm_layout layout, const sm_csr *w, size_t n, const char *variant) {
    size_t count, found = 0;
    sm_candidate *list = candidates_in(layout, w, n, &count);
    for (size_t i = 0; i < count; i++) found += strcmp(list[i].kernel->variant, variant) == 0;
    sm_free(list);
    return found;
}

static size_t unpacked_blocks(sm_layout layout, size_t rows) {
    problem p;
    make_problem(rows, 256, 1, 0, alike_in_eights, &p);
    const size_t found = count_variant(layout, &p.w, 128, "unpacked");
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
    assert_int_equal(unpacked_blocks(SM_IMAGE, 64), 0);
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

static size_t of_one_column(const sm_csr *w, const char *variant) {
    return count_variant(SM_FEATURE_MAJOR, w, 1, variant);
}

/* Kernels that ask for weights are timed where these come from memory only, or from behind L2 on
 * Intel's cores or with AVX-512. */
static void test_streams_are_for_weights_from_memory(void **state) {
    (void)state;
    size_t level, level512;
    assert_int_equal(sm_isa_find("avx2", &level), SM_OK);
    assert_int_equal(sm_isa_find("avx512", &level512), SM_OK);
    problem p;
    make_problem(64, 128, 1, 0, scattered, &p);
    assert_false(sm_from_memory(&p.w));
    assert_int_equal(of_one_column(&p.w, "stream"), 0);
    assert_int_equal(of_one_column(&p.w, "ahead"), 0);
    assert_true(of_one_column(&p.w, "window") > 0);
    free_problem(&p);
    const int avx2 = sm_isa_mask() >> level & 1;
    const int ahead = sm_isa_mask() >> level512 & 1 || (avx2 && of_intel());
    const size_t l2 = sm_l2_bytes();
    make_problem(l2 / sizeof(float) / 1024 + 1, 1024, 1, 0, everywhere, &p);
    assert_false(sm_from_memory(&p.w));
    assert_int_equal(of_one_column(&p.w, "stream"), 0);
    assert_int_equal(of_one_column(&p.w, "ahead") > 0, ahead);
    assert_int_equal(of_one_column(&p.w, "window") > 0, !ahead);
    free_problem(&p);
    sm_csr w;
    assert_int_equal(sm_csr_alloc(1 << 18, 1 << 14, 0, &w), SM_OK);
    memset(w.row_ptr, 0, ((1 << 18) + 1) * sizeof *w.row_ptr);
    assert_true(sm_from_memory(&w));
    assert_int_equal(of_one_column(&w, "stream") > 0, avx2 && !of_intel());
    assert_int_equal(of_one_column(&w, "ahead") > 0, avx2 && of_intel());
    assert_int_equal(of_one_column(&w, "window") > 0, !avx2);
    sm_csr_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_variant_a_core),
        cmocka_unit_test(test_blocks_of_few_rows),
        cmocka_unit_test(test_narrow_tiles),
        cmocka_unit_test(test_strips_as_wide_as_x),
        cmocka_unit_test(test_few_columns_as_they_lie),
        cmocka_unit_test(test_streams_are_for_weights_from_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
