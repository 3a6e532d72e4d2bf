/* Convolutions through every kernel against the unfolded image, which a plain loop writes out and
 * the oracle multiplies. Image and output lie beside pages that may not be touched. */
#include "check/check.h"
#include "plan_problem.h"

typedef struct shape {
    size_t m, channels, height, width, batch, kernel_h, kernel_w, stride_h, stride_w;
    ptrdiff_t pad_top, pad_left;
    size_t out_h, out_w;
} shape;

/* Same and valid padding, strides, bands, one pixel and many, batches around the width of strips,
 * rows of the output around the length of vectors; padding and strides that leave whole rows of a
 * strip outside of the image. */
static const shape shapes[] = {
    {9, 3, 7, 5, 1, 3, 3, 1, 1, 1, 1, 7, 5},   {5, 1, 28, 28, 1, 5, 5, 1, 1, 2, 2, 28, 28},
    {17, 2, 6, 6, 64, 5, 5, 1, 1, 2, 2, 6, 6}, {8, 2, 5, 4, 65, 3, 2, 1, 1, 1, 0, 5, 4},
    {3, 4, 6, 7, 3, 3, 3, 2, 2, 0, 0, 2, 3},   {7, 2, 9, 8, 5, 4, 3, 3, 2, 1, 1, 3, 4},
    {6, 2, 9, 6, 7, 3, 3, 1, 1, -3, 1, 2, 6},  {1, 5, 1, 1, 33, 1, 1, 1, 1, 0, 0, 1, 1},
    {4, 1, 2, 3, 2, 5, 7, 1, 1, 2, 3, 2, 3},   {4, 2, 3, 3, 48, 3, 3, 1, 2, 1, 1, 3, 2},
    {16, 3, 4, 4, 31, 1, 1, 1, 1, 0, 0, 4, 4}, {4, 2, 9, 31, 1, 3, 3, 2, 2, 1, 1, 5, 16},
    {3, 3, 3, 67, 1, 1, 1, 1, 2, 0, 0, 3, 34}, {2, 1, 4, 140, 1, 3, 4, 1, 2, 1, 3, 4, 71},
    {5, 3, 6, 19, 1, 2, 3, 2, 3, 0, 1, 3, 7},  {2, 2, 3, 2, 1, 5, 9, 1, 2, 6, 8, 11, 5},
    {3, 2, 5, 9, 4, 3, 3, 1, 2, 1, 1, 5, 5},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0], GAP = 3 };

static size_t weights_of(const shape *s) {
    return s->channels * s->kernel_h * s->kernel_w;
}

typedef struct conv_case {
    const shape *s;
    sm_conv_args args;
    problem p; /* the same as a matrix product */
    sm_guarded x, y;
} conv_case;

static int two_thirds(size_t r, size_t c) {
    return (r * 5 + c * 7) % 3 != 0;
}

static void make_case(const shape *s, int at_end, conv_case *c) {
    const size_t image = s->height * s->width * s->batch, n = s->out_h * s->out_w * s->batch;
    const size_t x_count = (s->channels - 1) * (image + GAP) + image;
    const size_t y_count = (s->m - 1) * (n + GAP) + n;
    *c = (conv_case){.s = s};
    assert_int_equal(sm_guarded_alloc(x_count * sizeof(float), at_end, &c->x), 0);
    assert_int_equal(sm_guarded_alloc(y_count * sizeof(float), at_end, &c->y), 0);
    float *x = c->x.data;
    for (size_t i = 0; i < x_count; i++) x[i] = value_of(i + 777);
    c->args = (sm_conv_args){.x = x,
                             .x_rs = (ptrdiff_t)(image + GAP),
                             .channels = s->channels,
                             .height = s->height,
                             .width = s->width,
                             .batch = s->batch,
                             .kernel_h = s->kernel_h,
                             .kernel_w = s->kernel_w,
                             .stride_h = s->stride_h,
                             .stride_w = s->stride_w,
                             .pad_top = s->pad_top,
                             .pad_left = s->pad_left,
                             .out_h = s->out_h,
                             .out_w = s->out_w,
                             .y = c->y.data,
                             .y_rs = (ptrdiff_t)(n + GAP),
                             .lo = 0,
                             .hi = INFINITY};
    make_problem(s->m, weights_of(s), n, 0, two_thirds, &c->p);
    for (size_t k = 0; k < weights_of(s); k++)
        for (size_t j = 0; j < n; j++) c->p.x[k * n + j] = unfolded(&c->args, k, j);
    c->args.bias = c->p.args.bias = c->p.w.val; /* any M values will do */
    c->p.args.lo = 0;
}

static void free_case(conv_case *c) {
    free_problem(&c->p);
    sm_guarded_free(&c->x);
    sm_guarded_free(&c->y);
}

/* error / bound of the convolution's Y, which is dense in p.y then. The gaps are left alone. */
static double run_case(conv_case *c, const sm_plan *plan) {
    const size_t n = c->p.args.n, rows = c->s->m;
    float *y = c->y.data;
    const size_t count = (rows - 1) * (n + GAP) + n;
    void *workspace = sm_alloc(sm_plan_workspace(plan, n), 1);
    assert_non_null(workspace);
    memset(y, 0xff, count * sizeof *y);
    assert_int_equal(sm_plan_run_conv(plan, &c->args, workspace), SM_OK);
    sm_free(workspace);
    for (size_t m = 0; m < rows; m++) {
        memcpy(c->p.y + m * n, y + m * (n + GAP), n * sizeof *y);
        for (size_t g = 0; g < GAP && m + 1 < rows; g++)
            assert_true(isnan(y[m * (n + GAP) + n + g]));
    }
    return error_of(&c->p);
}

static void check_kernel(conv_case *c, const sm_kernel *kernel, size_t threads) {
    assert_true(kernel->nr <= 128); /* strips of images are no wider */
    const sm_plan_options o = {.size = sizeof o,
                               .kernel = kernel->name,
                               .n = c->p.args.n,
                               .kt = 11,
                               .mc = 8,
                               .threads = threads};
    sm_plan *plan;
    assert_int_equal(sm_plan_create(&c->p.w, &o, &plan), SM_OK);
    const double error = run_case(c, plan);
    if (!(error <= 1.0)) fail_msg("shape %td, %s: %g", c->s - shapes, kernel->name, error);
    sm_plan_free(plan);
}

static void test_every_kernel(void **state) {
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        for (int at_end = 0; at_end < 2; at_end++) {
            conv_case c;
            make_case(&shapes[i], at_end, &c);
            for (size_t k = 0; k < sm_kernel_count(); k++)
                if (sm_isa_mask() >> sm_kernel_at(k)->level & 1)
                    check_kernel(&c, sm_kernel_at(k), k % 8 == 0 ? 3 : 1);
            free_case(&c);
        }
    }
}

/* Packing alone touches nothing it should not: the pages beside the image tell. */
static void test_pack_alone(void **state) {
    (void)state;
    conv_case c;
    make_case(&shapes[0], 1, &c);
    sm_plan *plan;
    const sm_plan_options o = {.size = sizeof o, .n = c.p.args.n, .budget_s = -1};
    assert_int_equal(sm_plan_create(&c.p.w, &o, &plan), SM_OK);
    void *workspace = sm_alloc(sm_plan_workspace(plan, c.p.args.n), 1);
    assert_non_null(workspace);
    float *y = c.y.data;
    y[0] = 42;
    assert_int_equal(sm_plan_pack_conv(plan, &c.args, workspace), SM_OK);
    assert_true(y[0] == 42);
    sm_free(workspace);
    sm_plan_free(plan);
    free_case(&c);
}

static void test_what_is_refused(void **state) {
    (void)state;
    conv_case c;
    make_case(&shapes[0], 1, &c);
    sm_plan *plan;
    const sm_plan_options o = {.size = sizeof o, .budget_s = -1};
    assert_int_equal(sm_plan_create(&c.p.w, &o, &plan), SM_OK);
    sm_conv_args args = c.args;
    args.channels++;
    assert_int_equal(sm_plan_run_conv(plan, &args, NULL), SM_E_ARG);
    assert_string_equal(sm_message(), "convolution of 4 channels by 3 x 3: expected 27 weights an "
                                      "output channel, as the plan has");
    args = c.args;
    args.kernel_h = SIZE_MAX / 2 + 1; /* times 4 is 0 */
    args.kernel_w = 4;
    assert_int_equal(sm_plan_run_conv(plan, &args, NULL), SM_E_ARG);
    args = c.args;
    args.stride_w = 0;
    assert_int_equal(sm_plan_pack_conv(plan, &args, NULL), SM_E_ARG);
    assert_string_equal(sm_message(),
                        "convolution with strides of 1 and 0: expected 1 to 2^31 - 1");
    args.stride_w = 1;
    args.stride_h = (size_t)1 << 31;
    assert_int_equal(sm_plan_run_conv(plan, &args, NULL), SM_E_ARG);
    args = c.args;
    args.out_h = args.out_w = (size_t)1 << 32;
    assert_int_equal(sm_plan_run_conv(plan, &args, NULL), SM_E_ARG);
    assert_non_null(strstr(sm_message(), "convolution to 4294967296 x 4294967296 x"));
    args = c.args;
    args.pad_left = -((ptrdiff_t)1 << 31);
    assert_int_equal(sm_plan_run_conv(plan, &args, NULL), SM_E_ARG);
    assert_string_equal(sm_message(),
                        "convolution padded by 1 and -2147483648: expected less than 2^31");
    sm_plan_free(plan);
    free_case(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kernel),
        cmocka_unit_test(test_pack_alone),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
