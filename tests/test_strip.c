/* Strips of X: every column is where a kernel looks for it, those behind the last are zero as far
 * as vectors reach, and nothing else is read or written. */
#include "check/check.h"
#include "core.h"
#include "plan_problem.h"
#include "strip.h"

/* How strips may be packed on this machine. */
enum { WAYS = SM_STRIPS_AVX512 + 1 };
static size_t ways(sm_strips out[WAYS]) {
    size_t avx2, avx512;
    assert_int_equal(sm_isa_find("avx2", &avx2), SM_OK);
    assert_int_equal(sm_isa_find("avx512", &avx512), SM_OK);
    for (size_t i = 0; i < WAYS; i++) out[i] = (sm_strips)i;
    if (sm_isa_mask() >> avx512 & 1) return WAYS;
    print_message("not tested: transposes with AVX-512, which this CPU lacks\n");
    return sm_isa_mask() >> avx2 & 1 ? SM_STRIPS_ASKING + 1 : 1;
}

enum { BYTE = 0x5a };

static int untouched(float v) {
    unsigned char bytes[sizeof v];
    memcpy(bytes, &v, sizeof v);
    return bytes[0] == BYTE && bytes[3] == BYTE;
}

/* X ends, or begins, where a page does that cannot be read; so does the strip. */
static void pack_one(size_t k, size_t n, size_t nr, int token, sm_strips how, int at_end) {
    sm_guarded gx, gs;
    assert_int_equal(sm_guarded_alloc(k * n * sizeof(float), at_end, &gx), 0);
    assert_int_equal(sm_guarded_alloc(k * nr * sizeof(float), at_end, &gs), 0);
    float *x = gx.data, *strip = gs.data;
    for (size_t i = 0; i < k * n; i++) x[i] = value_of(i);
    memset(strip, BYTE, k * nr * sizeof *strip);
    const ptrdiff_t rs = token ? 1 : (ptrdiff_t)n, cs = token ? (ptrdiff_t)k : 1;
    sm_strip_pack(x, rs, cs, k, n, nr, how, strip);
    const size_t set = sm_min_size(sm_round_up(n, 16), nr);
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < nr; j++) {
            const float is = strip[i * nr + j];
            const float xij = j < n ? x[(ptrdiff_t)i * rs + (ptrdiff_t)j * cs] : 0.0f;
            if (j < set ? is != xij : !untouched(is))
                fail_msg("k %zu n %zu nr %zu token %d how %d: row %zu column %zu is %g", k, n, nr,
                         token, (int)how, i, j, (double)is);
        }
    sm_guarded_free(&gx);
    sm_guarded_free(&gs);
}

static void test_packed_strips(void **state) {
    (void)state;
    static const size_t widths[] = {8, 16, 24, 32, 48, 64, 128}, rows[] = {1, 7, 8, 21};
    sm_strips how[WAYS];
    const size_t count = ways(how);
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (size_t n = 1; n <= widths[w]; n++)
            for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
                for (size_t c = 0; c < 4 * count; c++)
                    pack_one(rows[r], n, widths[w], c & 1, how[c / 4], c & 2);
}

/* Images lie, and strips too, as X does in pack_one(). */
static void pack_image(sm_conv_args c, size_t n0, size_t n, size_t k0, size_t k, size_t nr,
                       sm_strips how, int at_end) {
    const size_t pixels = c.height * c.width * c.batch;
    sm_guarded gx, gs;
    assert_int_equal(sm_guarded_alloc(c.channels * pixels * sizeof(float), at_end, &gx), 0);
    assert_int_equal(sm_guarded_alloc(k * nr * sizeof(float), at_end, &gs), 0);
    float *x = gx.data, *strip = gs.data;
    for (size_t i = 0; i < c.channels * pixels; i++) x[i] = value_of(i);
    memset(strip, BYTE, k * nr * sizeof *strip);
    c.x = x;
    c.x_rs = (ptrdiff_t)pixels;
    sm_im2col_pack(&c, n0, n, k0, k, nr, how, strip);
    const size_t set = sm_min_size(sm_round_up(n, 16), nr);
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < nr; j++) {
            const float is = strip[i * nr + j];
            if (j < set ? is != (j < n ? unfolded(&c, k0 + i, n0 + j) : 0.0f) : !untouched(is))
                fail_msg("width %zu, stride %zu, batch %zu, columns %zu + %zu of strips of %zu, "
                         "how %d: row %zu column %zu is %g",
                         c.width, c.stride_w, c.batch, n0, n, nr, (int)how, k0 + i, j, (double)is);
        }
    sm_guarded_free(&gx);
    sm_guarded_free(&gs);
}

/* Strips of images begin and end anywhere in the output and in the window. */
static void test_strips_of_images(void **state) {
    (void)state;
    static const size_t widths[] = {8, 24, 64, 128}, out[] = {1, 2, 7, 8, 17, 40, 70};
    sm_strips how[WAYS];
    const size_t count = ways(how);
    for (size_t o = 0; o < sizeof out / sizeof *out; o++)
        for (size_t stride = 1; stride <= 3; stride++)
            for (size_t batch = 1; batch <= 3; batch += 2)
                for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
                    for (size_t c = 0; c < 4 * count; c++) {
                        enum { OUT_H = 4, CHANNELS = 3, WINDOW = 6 };
                        const sm_conv_args args = {.channels = CHANNELS,
                                                   .height = 5,
                                                   .width = out[o] * stride,
                                                   .batch = batch,
                                                   .kernel_h = 2,
                                                   .kernel_w = 3,
                                                   .stride_h = 1,
                                                   .stride_w = stride,
                                                   .pad_top = c & 1 ? 2 : 0,
                                                   .pad_left = c & 1 ? 2 : 0,
                                                   .out_h = OUT_H,
                                                   .out_w = out[o]};
                        const size_t all = OUT_H * out[o] * batch, n0 = c & 1 ? all / 3 : 0;
                        const size_t k0 = c & 1 ? 4 : 0;
                        pack_image(args, n0, sm_min_size(widths[w], all - n0), k0,
                                   CHANNELS * WINDOW - k0, widths[w], how[c / 4], c & 2);
                    }
}

/* The same column by column: zeros from k on, as far as a column reaches. */
static void pack_columns(size_t k, size_t n, int token, sm_strips how, int at_end) {
    const size_t pitch = sm_column_pitch(k);
    sm_guarded gx, gs;
    assert_true(pitch >= k + SM_BEHIND);
    assert_int_equal(sm_guarded_alloc(k * n * sizeof(float), at_end, &gx), 0);
    assert_int_equal(sm_guarded_alloc(pitch * n * sizeof(float), at_end, &gs), 0);
    float *x = gx.data, *strip = gs.data;
    for (size_t i = 0; i < k * n; i++) x[i] = value_of(i);
    memset(strip, BYTE, pitch * n * sizeof *strip);
    const ptrdiff_t rs = token ? 1 : (ptrdiff_t)n, cs = token ? (ptrdiff_t)k : 1;
    sm_strip_pack_columns(x, rs, cs, k, n, how, strip);
    for (size_t i = 0; i < pitch; i++)
        for (size_t j = 0; j < n; j++) {
            const float xij = i < k ? x[(ptrdiff_t)i * rs + (ptrdiff_t)j * cs] : 0.0f;
            if (strip[i + j * pitch] != xij)
                fail_msg("k %zu n %zu token %d how %d: row %zu column %zu is %g", k, n, token,
                         (int)how, i, j, (double)strip[i + j * pitch]);
        }
    sm_guarded_free(&gx);
    sm_guarded_free(&gs);
}

static void test_strips_by_columns(void **state) {
    (void)state;
    static const size_t rows[] = {1, 7, 8, 15, 16, 17, 40};
    sm_strips how[WAYS];
    const size_t count = ways(how);
    for (size_t n = 1; n <= 8; n++)
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
            for (size_t c = 0; c < 4 * count; c++)
                pack_columns(rows[r], n, c & 1, how[c / 4], c & 2);
}

/* Y is token-major and farther apart than it is long; it ends, or begins, where a page does. */
static void store_one(size_t rows, size_t n, size_t nr, sm_strips how, int at_end) {
    enum { APART = 3 };
    const size_t y_cs = rows + APART, floats = (n - 1) * y_cs + rows;
    sm_guarded gt, gy;
    assert_int_equal(sm_guarded_alloc(rows * nr * sizeof(float), at_end, &gt), 0);
    assert_int_equal(sm_guarded_alloc(floats * sizeof(float), at_end, &gy), 0);
    float *tile = gt.data, *y = gy.data;
    for (size_t i = 0; i < rows * nr; i++) tile[i] = value_of(i);
    memset(y, BYTE, floats * sizeof *y);
    sm_strip_store(tile, nr, rows, n, how, y, (ptrdiff_t)y_cs);
    for (size_t i = 0; i < floats; i++) {
        const size_t row = i % y_cs, column = i / y_cs;
        if (row < rows ? y[i] != tile[row * nr + column] : !untouched(y[i]))
            fail_msg("rows %zu n %zu nr %zu how %d: row %zu column %zu is %g", rows, n, nr,
                     (int)how, row, column, (double)y[i]);
    }
    sm_guarded_free(&gt);
    sm_guarded_free(&gy);
}

static void test_token_major_y(void **state) {
    (void)state;
    static const size_t widths[] = {8, 24, 64}, rows[] = {1, 7, 8, 13, 32, 150};
    sm_strips how[WAYS];
    const size_t count = ways(how);
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (size_t n = 1; n <= widths[w]; n++)
            for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
                for (size_t c = 0; c < 2 * count; c++)
                    store_one(rows[r], n, widths[w], how[c / 2], c & 1);
}

/* The way follows from the level, the maker, and what this CPU has. */
static void test_ways_of_kernels(void **state) {
    (void)state;
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        const int usable = sm_isa_mask() >> k->level & 1;
        assert_int_equal(sm_core_strips(k, 1), k->level == 0 ? SM_STRIPS_BASE : SM_STRIPS_ASKING);
        assert_int_equal(sm_core_strips(k, 0), k->level == 0                     ? SM_STRIPS_BASE
                                               : strstr(k->isa, "512") && usable ? SM_STRIPS_AVX512
                                                                                 : SM_STRIPS_AVX2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed_strips),     cmocka_unit_test(test_strips_of_images),
        cmocka_unit_test(test_strips_by_columns), cmocka_unit_test(test_token_major_y),
        cmocka_unit_test(test_ways_of_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
