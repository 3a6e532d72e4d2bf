/* TFMOT's trainings of one dense layer, step by step: masks, thresholds and the final weights bit
 * for bit, each step's weights as far as a gradient in double goes, which sums in another order. */
#include "tfmot_data.h"
#include <math.h>

enum { MAX_WEIGHTS = 256 };

/* One layer; state of the optimizer for weights and bias. */
typedef struct layer {
    size_t in, out, batch;
    const char *optimizer;
    double *first, *second; /* (in + 1) * out: velocity, or Adam's moments */
} layer;

static double moved(const layer *l, size_t i, double w, double gradient, size_t step) {
    if (strcmp(l->optimizer, "SGD(0.1)") == 0) return w - 0.1 * gradient;
    if (strcmp(l->optimizer, "SGD(0.1, momentum 0.9)") == 0) {
        l->first[i] = 0.9 * l->first[i] - 0.1 * gradient;
        return w + l->first[i];
    }
    assert_string_equal(l->optimizer, "Adam(0.01)");
    l->first[i] = 0.9 * l->first[i] + 0.1 * gradient;
    l->second[i] = 0.999 * l->second[i] + 0.001 * gradient * gradient;
    const double rate = 0.01 * sqrt(1 - pow(0.999, (double)step)) / (1 - pow(0.9, (double)step));
    return w - rate * l->first[i] / (sqrt(l->second[i]) + 1e-7);
}

/* One batch by the mean squared error; rows 0 to in - 1 are the kernel, row in is the bias. */
static void train(const layer *l, const float *x, const float *y, size_t step, const float *w,
                  double *after) {
    const size_t in = l->in, out = l->out;
    for (size_t o = 0; o < out; o++) {
        double gradient[64] = {0};
        assert_true(in < 64);
        for (size_t b = 0; b < l->batch; b++) {
            double error = (double)w[in * out + o] - (double)y[b * out + o];
            for (size_t i = 0; i < in; i++) error += (double)x[b * in + i] * (double)w[i * out + o];
            error *= 2.0 / (double)(l->batch * out);
            for (size_t i = 0; i < in; i++) gradient[i] += error * (double)x[b * in + i];
            gradient[in] += error;
        }
        for (size_t i = 0; i <= in; i++)
            after[i * out + o] = moved(l, i * out + o, (double)w[i * out + o], gradient[i], step);
    }
}

typedef struct trace {
    float *kernel0, *bias0, *kernel, *bias, *threshold, *final, *x, *y;
    uint8_t *mask;
    size_t steps, samples;
} trace;

static void *part(const char *folder, const char *name, const char *what, const char *descr,
                  size_t *count) {
    char path[128];
    snprintf(path, sizeof path, "trace/%s_%s.npy", name, what);
    return read_npy(folder, path, descr, count);
}

static trace read_trace(const char *folder, const char *name, size_t in, size_t out) {
    trace t = {0};
    size_t count;
    t.kernel0 = part(folder, name, "kernel0", "<f4", &count);
    assert_int_equal(count, in * out);
    t.final = part(folder, name, "kernel_final", "<f4", &count);
    assert_int_equal(count, in * out);
    t.bias0 = part(folder, name, "bias0", "<f4", &count);
    assert_int_equal(count, out);
    t.threshold = part(folder, name, "threshold_after_step", "<f4", &t.steps);
    t.kernel = part(folder, name, "kernel_after_step", "<f4", &count);
    assert_int_equal(count, t.steps * in * out);
    t.mask = part(folder, name, "mask_after_step", "|u1", &count);
    assert_int_equal(count, t.steps * in * out);
    t.bias = part(folder, name, "bias_after_step", "<f4", &count);
    assert_int_equal(count, t.steps * out);
    t.x = part(folder, name, "x", "<f4", &count);
    t.samples = count / in;
    t.y = part(folder, name, "y", "<f4", &count);
    assert_int_equal(count, t.samples * out);
    return t;
}

static void free_trace(trace *t) {
    void *const parts[] = {t->kernel0, t->bias0, t->kernel, t->bias, t->threshold,
                           t->final,   t->x,     t->y,      t->mask};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) free(parts[i]);
}

/* The schedule and the pattern of a training. m_by_n is made once, at the first step. */
static sm_prune_options read_args(const json_t *args, sm_schedule *s) {
    sm_prune_options o = {.size = sizeof o, .tfmot = 1, .order = SM_ORDER_IN_OUT};
    const json_t *schedule = json_object_get(args, "pruning_schedule");
    const json_t *config = json_object_get(schedule, "config");
    json_int_t a, b;
    char text[160];
    if (json_unpack(json_object_get(args, "sparsity_m_by_n"), "[I, I]", &a, &b) == 0) {
        o.pattern =
            (sm_pattern){.kind = SM_PATTERN_NM, .n = (size_t)(b - a), .m = (size_t)b, .v = 1};
        assert_int_equal(sm_schedule_parse("constant:0,1,1", s), SM_OK);
        return o;
    }
    if (json_unpack(json_object_get(args, "block_size"), "[I, I]", &a, &b) == 0)
        o.pattern = (sm_pattern){.kind = SM_PATTERN_BLOCK, .r = (size_t)b, .c = (size_t)a};
    if (json_object_get(args, "block_pooling_type"))
        o.pool =
            strcmp(text_of(args, "block_pooling_type"), "MAX") == 0 ? SM_POOL_MAX : SM_POOL_AVG;
    if (strcmp(text_of(schedule, "class_name"), "ConstantSparsity") == 0)
        snprintf(text, sizeof text, "constant:%.17g,%g,%g,%g", number_of(config, "target_sparsity"),
                 number_of(config, "begin_step"), number_of(config, "end_step"),
                 number_of(config, "frequency"));
    else
        snprintf(text, sizeof text, "polynomial:%.17g,%.17g,%g,%g,%g,%g",
                 number_of(config, "initial_sparsity"), number_of(config, "final_sparsity"),
                 number_of(config, "begin_step"), number_of(config, "end_step"),
                 number_of(config, "power"), number_of(config, "frequency"));
    if (sm_schedule_parse(text, s) != SM_OK) fail_msg("%s", sm_message());
    return o;
}

/* The mask at a step, from the weights as the optimizer left them. */
static void check_mask(sm_prune_options *o, const sm_schedule *s, const layer *l, const trace *t,
                       size_t step, const float *w, uint8_t *mask) {
    const size_t shape[] = {l->in, l->out}, count = l->in * l->out;
    if (sm_schedule_updates(s, (int64_t)step)) {
        sm_prune_result result;
        o->sparsity = (double)sm_schedule_sparsity(s, (int64_t)step, SM_ROUND_COMPILED);
        assert_int_equal(sm_prune_mask(w, shape, 2, o, mask, &result), SM_OK);
        if (o->pattern.kind != SM_PATTERN_NM)
            assert_int_equal(bits_of(result.threshold), bits_of(t->threshold[step - 1]));
    }
    assert_memory_equal(mask, t->mask + (step - 1) * count, count);
}

static void replay(const json_t *entry, const layer *l, const trace *t) {
    const size_t count = l->in * l->out, all = count + l->out;
    sm_schedule s;
    sm_prune_options o = read_args(json_object_get(entry, "args"), &s);
    float w[MAX_WEIGHTS];
    double after[MAX_WEIGHTS] = {0};
    uint8_t mask[MAX_WEIGHTS];
    assert_true(all <= MAX_WEIGHTS);
    memset(mask, 1, sizeof mask);
    memcpy(w, t->kernel0, count * sizeof *w);
    memcpy(w + count, t->bias0, l->out * sizeof *w);
    for (size_t step = 1; step <= t->steps; step++) {
        const size_t sample = (step - 1) * l->batch % t->samples;
        check_mask(&o, &s, l, t, step, w, mask);
        sm_prune_apply(mask, count, w);
        train(l, t->x + sample * l->in, t->y + sample * l->out, step, w, after);
        memcpy(w, t->kernel + (step - 1) * count, count * sizeof *w);
        memcpy(w + count, t->bias + (step - 1) * l->out, l->out * sizeof *w);
        for (size_t i = 0; i < all; i++) assert_true(fabs(after[i] - (double)w[i]) < 5e-7);
    }
    sm_prune_apply(mask, count, w);
    for (size_t i = 0; i < count; i++) assert_true(w[i] == t->final[i]); /* -0 there */
}

static void check_traces(const char *folder) {
    json_t *root = read_json(folder, "index.json"), *entry;
    const json_t *traces = json_object_get(root, "traces");
    size_t i;
    assert_true(json_array_size(traces) > 0);
    json_array_foreach(traces, i, entry) {
        json_int_t in, out;
        assert_int_equal(json_unpack(json_object_get(entry, "dense"), "[I, I]", &in, &out), 0);
        layer l = {.in = (size_t)in,
                   .out = (size_t)out,
                   .batch = (size_t)number_of(entry, "batch"),
                   .optimizer = text_of(entry, "optimizer")};
        l.first = calloc((l.in + 1) * l.out, sizeof *l.first);
        l.second = calloc((l.in + 1) * l.out, sizeof *l.second);
        assert_true(l.first && l.second);
        trace t = read_trace(folder, text_of(entry, "name"), l.in, l.out);
        replay(entry, &l, &t);
        free_trace(&t);
        free(l.first);
        free(l.second);
    }
    json_decref(root);
}

static void trainings_are_tfmots(void **state) {
    check_traces(*state);
}
static void all_trainings_are_tfmots(void **state) {
    (void)state;
    check_traces(full_folder());
}

int main(void) {
    char small[] = SM_TEST_DATA "/tfmot";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(trainings_are_tfmots, small),
        cmocka_unit_test(all_trainings_are_tfmots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
