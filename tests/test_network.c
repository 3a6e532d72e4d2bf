/* Networks from tensors in memory: engines of every batch, thread number and format against plain
 * loops in double; BatchNorm, pooling, and what is refused. */
#include "plan_problem.h"

#include "measure/axes.h"
#include "model/bench.h"
#include "model/infer.h"
#include "model/maxpool.h"
#include <stdio.h>

enum { TENSORS = 12, LONGEST = 16 };

typedef struct sizes {
    size_t height, width, kernel1, kernel2, channels1, channels2, hidden, classes;
} sizes;

static const sizes odd = {11, 9, 3, 5, 3, 5, 17, 4};
static const sizes pointwise = {8, 6, 1, 1, 4, 3, 5, 2};
static const sizes wide = {12, 12, 5, 3, 18, 33, 40, 10};

static float values[TENSORS][20000];
static char names[TENSORS][32];
static sm_tensor tensors[TENSORS];
static sm_model_file file;
static const sm_orders tensorflow = {.in_out = 1, .hwio = 1};

static sm_tensor *add(const char *name, size_t rank, size_t a, size_t b, size_t c, size_t d) {
    const size_t shape[] = {a, b, c, d}, i = file.count++;
    sm_tensor *t = &tensors[i];
    *t = (sm_tensor){.name = names[i], .type = "F32", .rank = rank, .count = 1, .data = values[i]};
    snprintf(names[i], sizeof names[i], "%s", name);
    for (size_t q = 0; q < rank; q++) t->count *= t->shape[q] = shape[q];
    t->bytes = t->count * sizeof(float);
    assert_true(t->count <= sizeof values[0] / sizeof(float));
    for (size_t q = 0; q < t->count; q++) {
        const size_t seed = i * 100000 + q;
        values[i][q] = seed % 3 == 0 && rank > 1 ? 0.0f : value_of(seed);
    }
    return t;
}

static void make_file(const sizes *s) {
    const size_t pixels = s->height / 4 * (s->width / 4);
    file = (sm_model_file){.items = tensors};
    add("bn.beta", 1, s->channels2, 0, 0, 0);
    add("bn.gamma", 1, s->channels2, 0, 0, 0);
    add("bn.moving_mean", 1, s->channels2, 0, 0, 0);
    const sm_tensor *variance = add("bn.moving_variance", 1, s->channels2, 0, 0, 0);
    for (size_t i = 0; i < variance->count; i++) ((float *)variance->data)[i] += 0.5f;
    add("conv1.bias", 1, s->channels1, 0, 0, 0);
    add("conv1.weight", 4, s->kernel1, s->kernel1, 1, s->channels1);
    add("conv2.bias", 1, s->channels2, 0, 0, 0);
    add("conv2.weight", 4, s->kernel2, s->kernel2, s->channels1, s->channels2);
    add("dense1.bias", 1, s->hidden, 0, 0, 0);
    add("dense1.weight", 2, pixels * s->channels2, s->hidden, 0, 0);
    add("dense2.bias", 1, s->classes, 0, 0, 0);
    add("dense2.weight", 2, s->hidden, s->classes, 0, 0);
}

static int notes;
static void count_note(const char *text) {
    (void)text;
    notes++;
}

static void build(const sizes *s, network *net) {
    make_file(s);
    notes = 0;
    if (network_build("f", &file, &tensorflow, s->height, s->width, count_note, net) != SM_OK)
        fail_msg("%s", sm_message());
    assert_int_equal(notes, 0);
    assert_int_equal(net->classes, s->classes);
    assert_int_equal(network_classes(&file), s->classes);
}

static float *make_images(const network *net, size_t count) {
    const size_t size = count * net->height * net->width;
    float *images = sm_alloc(size, sizeof *images);
    assert_non_null(images);
    for (size_t i = 0; i < size; i++) images[i] = value_of(i) + 0.5f;
    return images;
}

static void expect_logits(const network *net, const float *images, const float *logits,
                          size_t count) {
    double exact[LONGEST];
    float rounded[LONGEST];
    for (size_t i = 0; i < count; i++) {
        const float *image = images + i * net->height * net->width;
        assert_int_equal(network_reference(net, image, exact), SM_OK);
        for (size_t c = 0; c < net->classes; c++) rounded[c] = (float)exact[c];
        const double error = model_difference(logits + i * net->classes, rounded, net->classes);
        if (!(error <= 2e-6)) fail_msg("image %zu: %g", i, error);
    }
}

/* An engine for `batch` images, run with `count`, by itself and with layers of a dense one. */
static void run_engine(const network *net, size_t batch, size_t count, size_t threads) {
    float *images = make_images(net, count);
    float *logits = sm_alloc(count * net->classes, sizeof *logits);
    engine_options o = {.batch = batch,
                        .threads = threads,
                        .budget_s = 0.001,
                        .format_mask = sm_axes_format_mask("dense")};
    engine *dense, *other;
    assert_int_equal(engine_create(net, &o, &dense), SM_OK);
    o.like = dense;
    o.format_mask = ~o.format_mask;
    assert_int_equal(engine_create(net, &o, &other), SM_OK);
    for (size_t taken = 0; taken <= NET_LAYERS + 1; taken++) {
        engine *e = taken ? other : dense;
        engine_times times = {0};
        if (taken > 1) engine_take_dense(other, taken - 2);
        memset(logits, 0xff, count * net->classes * sizeof *logits);
        engine_run(e, images, count, logits, taken % 2 ? &times : NULL);
        expect_logits(net, images, logits, count);
        assert_true(taken % 2 == 0 || (times.product[3] > 0 && times.pool[0] > 0));
    }
    assert_true(engine_pack_ns(other, 1) > 0);
    engine_free(other);
    engine_free(dense);
    sm_free(images);
    sm_free(logits);
}

static void test_engines(void **state) {
    (void)state;
    static const size_t batches[][3] = {{1, 1, 1},   {3, 3, 2},  {3, 2, 1},
                                        {65, 65, 3}, {64, 1, 1}, {130, 129, 2}};
    static const sizes *const networks[] = {&odd, &pointwise, &wide};
    for (size_t n = 0; n < 3; n++) {
        network net;
        build(networks[n], &net);
        for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++)
            run_engine(&net, batches[i][0], batches[i][1], batches[i][2]);
        network_free(&net);
    }
}

/* The order of the flattened pixels, and of the taps: weights that pick one pixel each. */
static void test_orders(void **state) {
    (void)state;
    const sizes s = {4, 8, 3, 1, 1, 2, 2, 2};
    network net;
    make_file(&s);
    for (size_t i = 0; i < TENSORS; i++) memset(values[i], 0, tensors[i].bytes);
    for (size_t m = 0; m < 2; m++) values[1][m] = sqrtf(1.001f), values[3][m] = 1; /* bn: as is */
    values[5][2 * 3 + 1] = 1;           /* conv1 takes the pixel below: [2][1][0][0] */
    values[7][0] = 1;                   /* conv2: channel 0 is the map */
    values[7][1] = 2;                   /* and channel 1 twice that */
    values[9][(1 * 2 + 0) * 2 + 0] = 1; /* dense1: output 0 is pixel (0, 1) of channel 0 */
    values[9][(0 * 2 + 1) * 2 + 1] = 1; /* output 1 is pixel (0, 0) of channel 1 */
    values[11][0] = values[11][3] = 1;
    assert_int_equal(network_build("f", &file, &tensorflow, 4, 8, count_note, &net), SM_OK);
    float image[32] = {0}, logits[2];
    image[1 * 8 + 2] = 0.5f;  /* pooled into pixel (0, 0) */
    image[3 * 8 + 6] = 0.25f; /* into (0, 1) */
    image[0 * 8 + 5] = 9;     /* nobody's pixel below */
    const engine_options o = {.batch = 1, .threads = 1, .budget_s = -1};
    engine *e;
    assert_int_equal(engine_create(&net, &o, &e), SM_OK);
    engine_run(e, image, 1, logits, NULL);
    assert_true(fabsf(logits[0] - 0.25f) < 1e-6f && fabsf(logits[1] - 1.0f) < 1e-6f);
    engine_free(e);
    network_free(&net);
}

static void test_fold(void **state) {
    (void)state;
    const float gamma[] = {2, -1}, beta[] = {0.5f, 3}, mean[] = {1, -2},
                variance[] = {0.249f, 3.999f};
    float w[] = {1, 0, -3, 4, 5, 6}, bias[] = {7, 8};
    const batch_norm bn = {gamma, beta, mean, variance};
    batch_norm_fold(&bn, 2, 3, w, bias);
    const double expected[] = {4, 0, -12, -2, -2.5, -3}, shifted[] = {24.5, -2};
    for (size_t i = 0; i < 6; i++) assert_true(fabs((double)w[i] - expected[i]) < 1e-5);
    for (size_t i = 0; i < 2; i++) assert_true(fabs((double)bias[i] - shifted[i]) < 1e-5);
    assert_true(w[1] == 0);
}

static void test_maxpool(void **state) {
    (void)state;
    enum { C = 3, H = 6, W = 7, B = 5, X_RS = H * W * B + 2, Y_PIXEL = B + 3 };
    enum { Y_RS = (H / 2) * (W / 2) * Y_PIXEL + 1 };
    static float x[C * X_RS], y[C * Y_RS], expected[C * Y_RS];
    for (size_t i = 0; i < C * X_RS; i++) x[i] = value_of(i);
    memset(y, 0xff, sizeof y);
    memset(expected, 0xff, sizeof expected);
    for (size_t c = 1; c < C; c++)
        for (size_t i = 0; i < H / 2; i++)
            for (size_t j = 0; j < W / 2; j++)
                for (size_t b = 0; b < B; b++) {
                    float best = -1;
                    for (size_t q = 0; q < 4; q++) {
                        const size_t row = 2 * i + q / 2, col = 2 * j + q % 2;
                        best = fmaxf(best, x[c * X_RS + (row * W + col) * B + b]);
                    }
                    expected[c * Y_RS + (i * (W / 2) + j) * Y_PIXEL + b] = best;
                }
    const maxpool_args a = {.x = x,
                            .y = y,
                            .x_rs = X_RS,
                            .y_rs = Y_RS,
                            .y_pixel = Y_PIXEL,
                            .rows = H / 2,
                            .width = W,
                            .batch = B};
    maxpool(&a, 1, C);
    assert_memory_equal(y, expected, sizeof y);
}

static void expect_refused(const char *message) {
    network net;
    assert_int_equal(
        network_build("f", &file, &tensorflow, odd.height, odd.width, count_note, &net),
        SM_E_FORMAT);
    if (strcmp(sm_message(), message) != 0)
        fail_msg("got '%s', expected '%s'", sm_message(), message);
    assert_null(net.layers[0].bias);
}

static void test_what_is_refused(void **state) {
    (void)state;
    make_file(&odd);
    file.count--;
    expect_refused("f: expected a tensor dense2.weight");
    make_file(&odd);
    strcpy(tensors[4].type, "F16");
    expect_refused("f: conv1.bias is F16: expected F32");
    make_file(&odd);
    values[9][7] = NAN;
    expect_refused("f: dense1.weight: element 7 is nan: expected finite numbers");
    make_file(&odd);
    tensors[7].shape[2] = 1;
    tensors[7].shape[3] *= 3;
    expect_refused(
        "f: conv2.weight, read as hwio, has 1 input channels: expected 3, what comes to it, "
        "or --weights-order oihw or hwio to say otherwise");
    make_file(&odd);
    tensors[9].shape[0] /= 5;
    tensors[9].count /= 5;
    expect_refused("f: dense1.weight, read as in-out, has 4 inputs: expected 20, 5 channels of 4 "
                   "pixels, or --weights-order out-in or in-out to say otherwise");
    make_file(&odd);
    tensors[10].count = tensors[10].shape[0] = 3;
    expect_refused("f: dense2.bias has 3 elements: expected 4, the outputs of its layer");
    make_file(&odd);
    tensors[5].rank = 2;
    expect_refused("f: conv1.weight has 2 axes and 27 elements: expected 4 axes");
    make_file(&odd);
    tensors[5].shape[0] = 1;
    tensors[5].shape[1] = 2;
    expect_refused("f: conv1.weight has a kernel of 1 x 2: expected odd sizes");
    make_file(&odd);
    values[3][2] = -1;
    expect_refused("f: bn.moving_variance: element 2 is -1: expected 0 or more");
}

static void test_small_images_and_more_tensors(void **state) {
    (void)state;
    network net;
    make_file(&odd);
    assert_int_equal(network_build("f", &file, &tensorflow, 3, 9, count_note, &net), SM_E_FORMAT);
    assert_string_equal(sm_message(),
                        "images of 3 x 9: expected 4 x 4 or more, which are halved twice");
    sm_tensor more[TENSORS + 1];
    char name[] = "optimizer.step";
    memcpy(more, tensors, sizeof tensors);
    more[TENSORS] = (sm_tensor){.name = name, .type = "I64"};
    file.items = more;
    file.count++;
    notes = 0;
    assert_int_equal(
        network_build("f", &file, &tensorflow, odd.height, odd.width, count_note, &net), SM_OK);
    assert_int_equal(notes, 1);
    network_free(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_engines),
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_fold),
        cmocka_unit_test(test_maxpool),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_small_images_and_more_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
