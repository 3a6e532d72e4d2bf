/* Which K tiles and row blocks a plan times. */
#include "candidate_lists.h"

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

/* A W whose pages are asked for is cut into K tiles of which a panel is not much more than one. */
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
    assert_int_equal(packed.ask_w, intel ? SM_W_PAGES : SM_W_LINES);
    sm_packed_free(&packed);
    sm_free(list);
    sm_csr_free(&w);
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

/* Rows go in small blocks where X is read as it lies, which only one layout has in rows, on Intel's
 * cores. */
static void test_blocks_where_x_lies(void **state) {
    (void)state;
    problem p;
    make_problem(512, 128, 1, 0, scattered, &p);
    const size_t rows = block_rows(SM_FEATURE_MAJOR, &p.w);
    assert_in_range(rows, of_intel() ? 32 : 512, of_intel() ? 32 : SM_MAX_BLOCK_ROWS);
    assert_in_range(block_rows(SM_TOKEN_MAJOR, &p.w), 512, SM_MAX_BLOCK_ROWS);
    assert_in_range(block_rows(SM_IMAGE, &p.w), 512, SM_MAX_BLOCK_ROWS);
    free_problem(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiles_beyond_l1),  cmocka_unit_test(test_tiles_of_what_is_read_often),
        cmocka_unit_test(test_tiles_of_dense),   cmocka_unit_test(test_row_blocks_fit_l2),
        cmocka_unit_test(test_panels_are_pages), cmocka_unit_test(test_blocks_where_x_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
