/* Packers: what is stored is what is declared, padding stays where a format says that there is
 * none, and every format gives back every matrix exactly. Kernels are not run: this CPU need not
 * have their level. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "formats/format.h"
#include "prune/prune.h"
#include <stdlib.h>
#include <string.h>

/* Weights that are kept in blocks of rows x cols, or n of every m columns shared by `rows` rows. */
typedef struct pattern {
    size_t rows, cols, n, m;
    float density; /* of blocks; not used where m > 0 */
} pattern;

static void make(size_t m, size_t k, pattern p, uint64_t seed, sm_csr *out) {
    float *w = calloc(m * k, sizeof *w);
    sm_rng rng;
    sm_rng_seed(&rng, seed);
    assert_non_null(w);
    const size_t step = p.m ? p.m : p.cols;
    for (size_t r0 = 0; r0 < m; r0 += p.rows) {
        for (size_t c0 = 0; c0 < k; c0 += step) {
            size_t left = p.m ? p.n : sm_rng_uniform(&rng) < p.density ? p.cols : 0;
            for (size_t c = c0; c < c0 + step && c < k; c++) {
                /* Each of the columns that are left has the same chance to be kept. */
                if (sm_rng_uniform(&rng) * (float)(c0 + step - c) >= (float)left) continue;
                left--;
                for (size_t r = r0; r < r0 + p.rows && r < m; r++)
                    w[r * k + c] = sm_rng_normal(&rng);
            }
        }
    }
    assert_int_equal(sm_csr_from_dense(w, m, k, (ptrdiff_t)k, 1, out), SM_OK);
    free(w);
}

static const pattern one_by_one = {1, 1, 0, 0, 0.5f};

static const sm_kernel *find(const char *format, size_t mr) {
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        if (strcmp(k->format, format) == 0 && k->mr == mr) return k;
    }
    fail_msg("no kernel of format %s with %zu rows", format, mr);
    return NULL;
}

static sm_packed pack(const sm_csr *w, const sm_kernel *k, size_t kt, size_t mc) {
    sm_packed p;
    if (sm_pack(w, k, kt, mc, 1, &p) != SM_OK) fail_msg("%s: %s", k->name, sm_message());
    return p;
}

static int same(const sm_csr *a, const sm_csr *b) {
    return a->rows == b->rows && a->cols == b->cols && a->nnz == b->nnz &&
           !memcmp(a->row_ptr, b->row_ptr, (a->rows + 1) * sizeof *a->row_ptr) &&
           !memcmp(a->col, b->col, a->nnz * sizeof *a->col) &&
           !memcmp(a->val, b->val, a->nnz * sizeof *a->val);
}

/* The streams' lengths are the declared bytes, and unpacking gives the matrix back. */
static void check_packed(const sm_csr *w, const sm_packed *p) {
    const size_t segments = p->blocks * p->tiles;
    const size_t head = p->head16 ? sizeof *p->head16 : p->head32 ? sizeof *p->head32 : 0;
    const size_t index = p->index16 ? sizeof *p->index16 : p->index32 ? sizeof *p->index32 : 0;
    assert_int_equal(p->bytes.values, p->value_at[segments] * sizeof *p->value);
    assert_int_equal(p->bytes.indices, p->index_at[segments] * index);
    assert_int_equal(p->bytes.pointers,
                     p->head_at[segments] * head +
                         (3 * (segments + 1) + p->blocks + p->parts + 2) * sizeof(size_t));
    for (size_t s = 0; s < segments; s++)
        assert_true(p->head_at[s] <= p->head_at[s + 1] && p->index_at[s] <= p->index_at[s + 1] &&
                    p->value_at[s] <= p->value_at[s + 1]);
    sm_csr back;
    assert_int_equal(sm_unpack(p, &back), SM_OK);
    if (!same(&back, w))
        fail_msg("%s kt=%zu mc=%zu: not the matrix that was packed", p->kernel->name, p->kt, p->mc);
    sm_csr_free(&back);
}

static void test_every_format_holds_every_matrix(void **state) {
    (void)state;
    static const pattern patterns[] = {
        {1, 1, 0, 0, 0.0f}, {1, 1, 0, 0, 0.03f},  {1, 1, 0, 0, 0.5f},  {1, 1, 0, 0, 1.0f},
        {4, 1, 0, 0, 0.5f}, {8, 1, 0, 0, 0.2f},   {16, 1, 0, 0, 0.5f}, {1, 16, 0, 0, 0.5f},
        {4, 4, 0, 0, 0.5f}, {16, 16, 0, 0, 0.5f}, {3, 5, 0, 0, 0.5f},  {1, 1, 2, 4, 0},
        {1, 1, 1, 16, 0},   {1, 1, 3, 5, 0},      {4, 1, 2, 4, 0},     {16, 1, 1, 4, 0},
        {7, 1, 11, 13, 0}};
    static const struct {
        size_t m, k, kt, mc;
    } sizes[] = {{37, 53, 53, 64}, {37, 53, 7, 9}, {48, 64, 16, 16}, {1, 1, 1, 1}, {3, 130, 33, 8}};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            sm_csr w;
            make(sizes[s].m, sizes[s].k, patterns[i], i + 1, &w);
            for (size_t q = 0; q < sm_kernel_count(); q++) {
                sm_packed p = pack(&w, sm_kernel_at(q), sizes[s].kt, sizes[s].mc);
                check_packed(&w, &p);
                sm_packed_free(&p);
            }
            sm_csr_free(&w);
        }
    }
}

/* Bytes of a packed matrix of one segment without the segment table. */
static void expect_bytes(const char *format, size_t mr, const sm_csr *w, size_t values,
                         size_t indices, size_t pointers) {
    sm_packed p = pack(w, find(format, mr), w->cols, w->rows);
    assert_int_equal(p.blocks * p.tiles, 1);
    assert_int_equal(p.bytes.values, values);
    assert_int_equal(p.bytes.indices, indices);
    assert_int_equal(p.bytes.pointers, pointers + 10 * sizeof(size_t));
    sm_packed_free(&p);
}

static void test_bsr_pads_only_rows_that_differ(void **state) {
    (void)state;
    sm_csr w;
    make(64, 96, (pattern){8, 1, 0, 0, 0.3f}, 1, &w);
    /* Rows alike in eights: nothing is padded in panels of four and eight. */
    expect_bytes("bsr", 8, &w, w.nnz * 4, w.nnz / 8 * 2, 8 * 2);
    expect_bytes("bsr", 4, &w, w.nnz * 4, w.nnz / 4 * 2, 16 * 2);
    assert_int_equal(sm_format_of(find("bsr", 8))->values(&w, 8), w.nnz);
    const size_t padded = sm_format_of(find("bsr", 16))->values(&w, 16);
    assert_true(padded > w.nnz && padded < 2 * w.nnz);
    expect_bytes("bsr", 16, &w, padded * 4, padded / 16 * 2, 4 * 2);
    sm_csr_free(&w);
    make(5, 7, (pattern){1, 1, 0, 0, 1.0f}, 1, &w); /* three of eight rows are missing */
    expect_bytes("bsr", 8, &w, 7 * 8 * 4, 7 * 2, 2);
    sm_csr_free(&w);
}

/* Rows of 20 columns, each a word whose bit c says that column c is used. */
static void make_rows(const uint32_t *row, size_t rows, sm_csr *out) {
    enum { COLS = 20 };
    float w[16 * COLS];
    for (size_t i = 0; i < rows * COLS; i++)
        w[i] = row[i / COLS] >> i % COLS & 1 ? 1.0f + (float)i : 0.0f;
    assert_int_equal(sm_csr_from_dense(w, rows, COLS, COLS, 1, out), SM_OK);
}

/* A group of mr rows, `steps` long, of which so many are shared. */
static void expect_sell(size_t mr, const uint32_t *row, size_t rows, size_t groups, size_t steps,
                        size_t turns) {
    sm_csr w;
    make_rows(row, rows, &w);
    expect_bytes("sell", mr, &w, steps * mr * 4,
                 (steps * mr - turns * mr / 2 + SM_OFFSETS_AHEAD) * 2, groups * (2 + mr) * 2);
    sm_packed p = pack(&w, find("sell", mr), w.cols, w.rows);
    check_packed(&w, &p);
    sm_packed_free(&p);
    sm_csr_free(&w);
}

static void test_sell_shares_columns_of_pairs(void **state) {
    (void)state;
    enum { A = 0x000ff, B = 0x0ff00, ODD = 0x0007f, HALF = 0x003fc };
    /* Partners are found wherever they are; half of the steps are shared, more are not. */
    expect_sell(4, (uint32_t[]){A, B, A, B}, 4, 1, 8, 4);
    expect_sell(4, (uint32_t[]){ODD, ODD, ODD, ODD}, 4, 1, 7, 3);
    /* As many as both pairs have: two columns in common here, none there. */
    expect_sell(4, (uint32_t[]){A, 0xfc003, B, B}, 4, 1, 8, 2);
    expect_sell(4, (uint32_t[]){A, B, 0xf0000, 0}, 4, 1, 8, 0);
    expect_sell(4, (uint32_t[]){A, A, HALF, HALF, A}, 5, 2, 8 + 8, 4);
    expect_sell(8, (uint32_t[]){A, B, A, B, A, B, A, B}, 8, 1, 8, 4);
    expect_sell(8, (uint32_t[]){A, A, A, A, A, A, A, A, B}, 9, 2, 8 + 8, 4);
    expect_sell(8, (uint32_t[]){0, 0, 0, A, 0}, 5, 1, 8, 0);
    expect_sell(4, (uint32_t[]){0, 0}, 2, 1, 0, 0);
}

static void test_nm_pads_no_group_that_fits_its_window(void **state) {
    (void)state;
    for (size_t m = 1; m <= 16; m++) {
        for (size_t n = 1; n <= m; n++) {
            sm_csr w;
            make(32, 12 * m, (pattern){1, 1, n, m, 0}, n, &w);
            assert_int_equal(w.nnz, 32 * 12 * n);
            const size_t slots = w.nnz / 16; /* of 16 rows: a first column and 16 nibbles */
            expect_bytes("nm", 16, &w, w.nnz * 4, slots * 10, 2 * 4);
            if (m <= 8) expect_bytes("nm", 8, &w, w.nnz * 4, w.nnz / 8 * 6, 4 * 4);
            sm_csr_free(&w);
        }
    }
}

static void test_nm_windows_stay_within_the_tile(void **state) {
    (void)state;
    sm_csr w;
    make(40, 61, one_by_one, 3, &w);
    for (size_t kt = 1; kt <= 61; kt += 5) {
        const sm_kernel *k = find("nm", 16);
        sm_packed p = pack(&w, k, kt, 16);
        const size_t words = sm_slot_words(16);
        for (size_t s = 0; s < p.blocks * p.tiles; s++) {
            const size_t cols = sm_tile_cols(&p, s % p.tiles);
            for (size_t i = p.index_at[s]; i < p.index_at[s + 1]; i += words)
                assert_true(p.index16[i] + (size_t)16 <= (cols < 16 ? 16 : cols));
        }
        for (size_t i = 0; i <= p.blocks * p.tiles; i++) assert_int_equal(p.value_at[i] % 16, 0);
        sm_packed_free(&p);
    }
    sm_csr_free(&w);
}

static void test_bitmap_spends_one_bit_a_weight(void **state) {
    (void)state;
    sm_csr w;
    make(35, 50, one_by_one, 4, &w);
    expect_bytes("bitmap", 16, &w, (w.nnz + 8) * 4, 48 * 50 / 8, 0); /* eight floats of slack */
    sm_csr_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_format_holds_every_matrix),
        cmocka_unit_test(test_bsr_pads_only_rows_that_differ),
        cmocka_unit_test(test_sell_shares_columns_of_pairs),
        cmocka_unit_test(test_nm_pads_no_group_that_fits_its_window),
        cmocka_unit_test(test_nm_windows_stay_within_the_tile),
        cmocka_unit_test(test_bitmap_spends_one_bit_a_weight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
