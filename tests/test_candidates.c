/* Which kernels and K tiles a plan times, and which it knows to be slower. */
#include "candidates.h"
#include "core.h"
#include "plan_problem.h"
#include <cpuid.h>

static int everywhere(size_t r, size_t c) {
    return r + c + 1 > 0;
}

/* What a plan with these options would time; to be freed. */
static sm_candidate *candidates(const sm_csr *w, const sm_plan_options *o, size_t *count) {
    sm_candidate *list = sm_alloc(sm_candidates_max(), sizeof *list);
    assert_non_null(list);
    *count = sm_list_candidates(w, w, o, list);
    return list;
}

static sm_candidate *candidates_in(sm_layout layout, const sm_csr *w, size_t n, size_t *count) {
    const sm_plan_options o = {
        .n = n, .layout = layout, .isa_mask = sm_isa_mask(), .format_mask = ~0u};
    return candidates(w, &o, count);
}

static sm_candidate *candidates_of(const sm_csr *w, size_t n, size_t *count) {
    return candidates_in(SM_FEATURE_MAJOR, w, n, count);
}

static int of_intel(void) {
    unsigned r[4];
    assert_true(__get_cpuid(0, &r[0], &r[1], &r[2], &r[3]));
    const unsigned vendor[] = {r[1], r[3], r[2]};
    return memcmp(vendor, "GenuineIntel", sizeof vendor) == 0;
}

static int few(size_t r, size_t c) {
    return (7 * r + 3 * c * c + r * c) % 11 < 1;
}

/* Of a K tile of a strip. */
static size_t tile_bytes(const sm_candidate *c) {
    return c->kt * c->kernel->nr * sizeof(float);
}

/* Where X comes from behind L2, packed K tiles larger than L1 are no candidates of a core that they
 * slow down, if the kernel has smaller ones. X that is read as it lies, and seldom, may be cut or
 * not. */
static void test_tiles_beyond_l1(void **state) {
    (void)state;
    const size_t l1 = sm_l1_bytes();
    problem p;
    make_problem(64, 4096, 1, 0, few, &p);
    for (size_t n = 32; n <= 1 << 16; n *= 2048) {
        size_t count, within = 0, beyond = 0, as_it_lies = 0;
        sm_candidate *list = candidates_of(&p.w, n, &count);
        for (size_t i = 0; i < count; i++) {
            if (i > 0) assert_true(list[i - 1].dense <= list[i].dense);
            const size_t bytes = tile_bytes(&list[i]);
            size_t smaller = 0;
            if (sm_reads_in_place(list[i].kernel)) {
                as_it_lies += bytes > l1;
                continue;
            }
            for (size_t j = 0; j < count; j++)
                smaller |= list[j].kernel == list[i].kernel && tile_bytes(&list[j]) <= l1;
            within += smaller;
            beyond += smaller && bytes > l1;
        }
        const int in_l2 = p.w.cols * n * sizeof(float) < sm_l2_bytes();
        if (within > 0) assert_int_equal(beyond > 0, in_l2 || !sm_core_of_intel());
        assert_true(as_it_lies > 0);
        sm_free(list);
    }
    free_problem(&p);
}

/* X that comes from behind L2 and is read often as it lies is cut on Intel's cores. */
static void test_tiles_of_what_is_read_often(void **state) {
    (void)state;
    problem p;
    make_problem(160, 4096, 1, 0, few, &p);
    size_t count, as_it_lies = 0;
    sm_candidate *list = candidates_of(&p.w, 1 << 16, &count);
    for (size_t i = 0; i < count; i++) {
        if (!sm_reads_in_place(list[i].kernel) || list[i].dense) continue;
        as_it_lies++;
        if (sm_core_of_intel()) assert_true(tile_bytes(&list[i]) <= sm_l1_bytes());
    }
    assert_true(as_it_lies > 0);
    sm_free(list);
    free_problem(&p);
}

/* The stream of dense weights needs room in L1 on the same cores, also where L2 holds X. */
static void test_tiles_of_dense(void **state) {
    (void)state;
    problem p;
    make_problem(64, 4096, 1, 0, scattered, &p);
    for (size_t n = 16; n <= 128; n *= 8) {
        size_t count, within = 0, beyond = 0;
        sm_candidate *list = candidates_of(&p.w, n, &count);
        for (size_t i = 0; i < count; i++) {
            if (strcmp(list[i].kernel->variant, "tile") != 0) continue;
            const size_t bytes = tile_bytes(&list[i]);
            within += 4 * bytes < 3 * sm_l1_bytes();
            beyond += bytes > sm_l1_bytes();
        }
        if (sm_core_of_intel()) assert_true(within > 0 && beyond == 0);
        sm_free(list);
    }
    free_problem(&p);
}

static int about_half(size_t r, size_t c) {
    return (r * r + 7 * c * c + r * c) % 5 < 2;
}

/* Bytes of the streams of a segment. */
static size_t segment_bytes(const sm_packed *w, size_t i) {
    return (w->value_at[i + 1] - w->value_at[i]) * sizeof(float) +
           (w->index_at[i + 1] - w->index_at[i]) * sizeof(uint16_t);
}

/* Of a plan that is held to a kernel, whether or not it runs here. */
static sm_candidate *candidates_for(const sm_kernel *k, const sm_csr *w, size_t n, size_t *count) {
    const sm_plan_options o = {.n = n, .kernel = k->name, .isa_mask = ~0u, .format_mask = ~0u};
    sm_candidate *list = candidates(w, &o, count);
    assert_true(*count > 0);
    return list;
}

/* The partial sums of a row block, and on Intel's cores what is read of W until they are next used,
 * fit half of L2, about; and there are no more blocks than that takes. */
static void test_row_blocks_fit_l2(void **state) {
    (void)state;
    static const char *const names[] = {
        "spmm_sell_f32_avx512_pointer_4x64", "spmm_sell_f32_avx2_pair_2x48",
        "spmm_dense_f32_avx512_tile_6x64", "spmm_bsr_f32_avx2_column_4x24"};
    const size_t half = sm_l2_bytes() / 2;
    problem p;
    make_problem(3072, 1200, 1, 0, about_half, &p);
    for (size_t j = 0; j < sizeof names / sizeof *names; j++) {
        size_t count, cut = 0;
        sm_candidate *list = candidates_for(sm_kernel_find(names[j]), &p.w, 512, &count);
        for (size_t i = 0; i < count; i++) {
            const sm_candidate *c = &list[i];
            sm_packed w;
            if (c->kt >= p.w.cols) continue;
            assert_int_equal(sm_pack(&p.w, c->kernel, c->kt, c->mc, 1, &w), SM_OK);
            const size_t sums = w.mc * w.kernel->nr * sizeof(float);
            const size_t bytes = sums + (sm_core_of_intel() ? segment_bytes(&w, 0) : 0);
            assert_in_range(bytes, w.mc >= w.rows ? 0 : half / 2, half + half / 4);
            sm_packed_free(&w);
            cut++;
        }
        assert_true(cut > 0);
        sm_free(list);
    }
    free_problem(&p);
}

/* A W that is asked for is cut into K tiles of which a panel is not much more than a page. */
static void test_panels_are_pages(void **state) {
    (void)state;
    enum { ROWS = 4096, LEAST = 1024 };
    const size_t wanted = sm_l3_bytes() / (ROWS * sizeof(float));
    const size_t cols = wanted < LEAST ? LEAST : wanted;
    const int intel = sm_core_of_intel();
    sm_csr w;
    assert_int_equal(sm_csr_alloc(ROWS, cols, ROWS * 8, &w), SM_OK);
    for (size_t r = 0; r < ROWS; r++) w.row_ptr[r + 1] = (uint32_t)(8 * (r + 1));
    for (size_t i = 0; i < w.nnz; i++) {
        w.col[i] = (uint32_t)(i % 8 * (cols / 8));
        w.val[i] = 1.0f;
    }
    const sm_kernel *k = sm_kernel_find("spmm_dense_f32_scalar_tile_4x8");
    size_t count;
    sm_candidate *list = candidates_for(k, &w, 32, &count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(list[i].kt * k->mr * sizeof(float) <= SM_PAGE, intel);
    sm_packed packed;
    assert_int_equal(sm_pack(&w, k, list[0].kt, list[0].mc, 1, &packed), SM_OK);
    assert_int_equal(packed.ask_w, intel);
    sm_packed_free(&packed);
    sm_free(list);
    sm_csr_free(&w);
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

static size_t block_rows(sm_layout layout, const sm_csr *w) {
    const sm_plan_options o = {.n = 64,
                               .layout = layout,
                               .isa_mask = sm_isa_mask(),
                               .format_mask = ~0u,
                               .kernel = "spmm_csr_f32_scalar_row_1x8"};
    size_t count;
    sm_candidate *list = candidates(w, &o, &count);
    assert_true(count > 0);
    const size_t rows = list[0].mc;
    sm_free(list);
    return rows;
}

/* Rows go in small blocks where X is read as it lies, which only one layout has in rows. */
static void test_blocks_where_x_lies(void **state) {
    (void)state;
    if (!of_intel()) skip();
    problem p;
    make_problem(512, 128, 1, 0, scattered, &p);
    assert_int_equal(block_rows(SM_FEATURE_MAJOR, &p.w), 32);
    assert_in_range(block_rows(SM_TOKEN_MAJOR, &p.w), 512, SM_MAX_BLOCK_ROWS);
    assert_in_range(block_rows(SM_IMAGE, &p.w), 512, SM_MAX_BLOCK_ROWS);
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
 * Intel's cores. */
static void test_streams_are_for_weights_from_memory(void **state) {
    (void)state;
    size_t level;
    assert_int_equal(sm_isa_find("avx2", &level), SM_OK);
    problem p;
    make_problem(64, 128, 1, 0, scattered, &p);
    assert_false(sm_from_memory(&p.w));
    assert_int_equal(of_one_column(&p.w, "stream"), 0);
    assert_int_equal(of_one_column(&p.w, "ahead"), 0);
    assert_true(of_one_column(&p.w, "window") > 0);
    free_problem(&p);
    const int avx2 = sm_isa_mask() >> level & 1;
    const size_t l2 = sm_l2_bytes();
    make_problem(l2 / sizeof(float) / 1024 + 1, 1024, 1, 0, everywhere, &p);
    assert_false(sm_from_memory(&p.w));
    assert_int_equal(of_one_column(&p.w, "stream"), 0);
    assert_int_equal(of_one_column(&p.w, "ahead") > 0, avx2 && of_intel());
    assert_int_equal(of_one_column(&p.w, "window") > 0, !avx2 || !of_intel());
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
        cmocka_unit_test(test_tiles_beyond_l1),
        cmocka_unit_test(test_tiles_of_what_is_read_often),
        cmocka_unit_test(test_tiles_of_dense),
        cmocka_unit_test(test_row_blocks_fit_l2),
        cmocka_unit_test(test_panels_are_pages),
        cmocka_unit_test(test_one_variant_a_core),
        cmocka_unit_test(test_blocks_of_few_rows),
        cmocka_unit_test(test_narrow_tiles),
        cmocka_unit_test(test_strips_as_wide_as_x),
        cmocka_unit_test(test_blocks_where_x_lies),
        cmocka_unit_test(test_few_columns_as_they_lie),
        cmocka_unit_test(test_streams_are_for_weights_from_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
