/* Bit for bit what TensorFlow Model Optimization computes: masks, thresholds, keep counts,
 * schedules; and what it refuses. */
#include "tfmot_data.h"
#include <math.h>

/* TFMOT names blocks as stored, [in, out], and the zeros of m_by_n. */
static sm_prune_options case_options(const json_t *c, size_t rank) {
    sm_prune_options o = {.size = sizeof o, .tfmot = 1};
    const char *kind = text_of(c, "kind");
    o.order = rank == 2 ? SM_ORDER_IN_OUT : SM_ORDER_HWIO;
    if (strcmp(kind, "m_by_n") == 0) {
        const size_t m = (size_t)number_of(c, "n");
        o.pattern = (sm_pattern){
            .kind = SM_PATTERN_NM, .n = m - (size_t)number_of(c, "m_zeros"), .m = m, .v = 1};
        return o;
    }
    o.sparsity = number_of(c, "sparsity");
    if (strcmp(kind, "unstructured") == 0) return o;
    assert_string_equal(kind, "block");
    json_int_t in, out;
    assert_int_equal(json_unpack(json_object_get(c, "block_size"), "[I, I]", &in, &out), 0);
    o.pattern = (sm_pattern){.kind = SM_PATTERN_BLOCK, .r = (size_t)out, .c = (size_t)in};
    o.pool = strcmp(text_of(c, "pooling"), "MAX") == 0 ? SM_POOL_MAX : SM_POOL_AVG;
    return o;
}

static size_t case_shape(const json_t *c, size_t *shape) {
    const json_t *extents = json_object_get(c, "shape");
    const size_t rank = json_array_size(extents);
    assert_true(rank == 2 || rank == 4);
    for (size_t i = 0; i < rank; i++)
        shape[i] = (size_t)json_integer_value(json_array_get(extents, i));
    return rank;
}

/* Where TFMOT leaves weights alone without a word, the library says so, and keeps all like it. */
static void check_status(const sm_prune_options *o, sm_status status, size_t inputs) {
    const sm_pattern *p = &o->pattern;
    const int nothing = p->kind == SM_PATTERN_NM && p->n < p->m && inputs <= p->n;
    assert_int_equal(status, nothing ? SM_E_ARG : SM_OK);
    if (nothing) assert_non_null(strstr(sm_message(), "TFMOT leaves it alone silently"));
}

static void check_case(const char *folder, const json_t *c) {
    size_t shape[4] = {0}, count, masks;
    const size_t rank = case_shape(c, shape);
    float *w = read_npy(folder, text_of(c, "weight"), "<f4", &count);
    uint8_t *expected = read_npy(folder, text_of(c, "mask"), "|u1", &masks);
    const sm_prune_options o = case_options(c, rank);
    uint8_t *mask = malloc(count);
    assert_non_null(mask);
    assert_int_equal(masks, count);
    sm_prune_result result;
    check_status(&o, sm_prune_mask(w, shape, rank, &o, mask, &result), shape[rank - 2]);
    if (memcmp(mask, expected, count) != 0) fail_msg("%s: another mask", text_of(c, "id"));
    assert_int_equal(result.kept, (size_t)number_of(c, "kept"));
    if (o.pattern.kind != SM_PATTERN_NM) {
        const unsigned long bits = strtoul(text_of(c, "threshold_bits"), NULL, 16);
        if (bits_of(result.threshold) != bits) fail_msg("%s: another threshold", text_of(c, "id"));
    }
    free(w);
    free(expected);
    free(mask);
}

static void check_masks(const char *folder) {
    json_t *root = read_json(folder, "index.json");
    const json_t *cases = json_object_get(root, "cases");
    size_t i;
    json_t *c;
    assert_true(json_array_size(cases) > 0);
    json_array_foreach(cases, i, c) check_case(folder, c);
    json_decref(root);
}

/* Stored [out, in] or OIHW, the same weights get the same mask. */
static void check_transposed(const char *folder, const json_t *c) {
    size_t shape[4] = {0}, count, masks;
    const size_t rank = case_shape(c, shape), in = shape[rank - 2], out = shape[rank - 1];
    const size_t space = rank == 2 ? 1 : shape[0] * shape[1];
    assert_true(in > 0 && out > 0);
    if (in == 0 || out == 0) return; /* clang-tidy does not know that an assertion ends the test */
    float *w = read_npy(folder, text_of(c, "weight"), "<f4", &count), *turned;
    uint8_t *expected = read_npy(folder, text_of(c, "mask"), "|u1", &masks), *mask;
    turned = malloc(count * sizeof *turned);
    mask = malloc(count);
    assert_non_null(turned);
    assert_non_null(mask);
    assert_int_equal(count, out * in * space);
    for (size_t i = 0; i < count; i++)
        turned[i % out * in * space + i / out % in * space + i / out / in] = w[i];
    sm_prune_options o = case_options(c, rank);
    o.order = rank == 2 ? SM_ORDER_OUT_IN : SM_ORDER_OIHW;
    const size_t turned_shape[] = {out, in, shape[0], shape[1]};
    sm_prune_result result;
    check_status(&o, sm_prune_mask(turned, turned_shape, rank, &o, mask, &result), in);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(mask[i % out * in * space + i / out % in * space + i / out / in],
                         expected[i]);
    free(w);
    free(turned);
    free(expected);
    free(mask);
}

static void masks_do_not_depend_on_the_order(void **state) {
    json_t *root = read_json(*state, "index.json"), *c;
    size_t i;
    json_array_foreach(json_object_get(root, "cases"), i, c) check_transposed(*state, c);
    json_decref(root);
}

/* k - 1 threes, a two, ones: the k-th largest is the two. The pieces of a kind are the same memory.
 */
static void check_keep_count(size_t count, double sparsity, size_t k) {
    enum { PIECE = 1 << 16, MAX_PIECES = 1024 };
    static float three[PIECE], one[PIECE];
    static const float two = 2.0f;
    const float *at[MAX_PIECES];
    size_t size[MAX_PIECES], pieces = 0;
    for (size_t i = 0; i < PIECE; i++) three[i] = 3.0f, one[i] = 1.0f;
    const size_t kind[] = {k - 1, 1, count - k};
    const float *const source[] = {three, &two, one};
    for (size_t t = 0; t < 3; t++)
        for (size_t left = kind[t]; left > 0; pieces++) {
            assert_true(pieces < MAX_PIECES);
            at[pieces] = source[t];
            size[pieces] = left < PIECE ? left : PIECE;
            left -= size[pieces];
        }
    float threshold;
    assert_int_equal(sm_prune_threshold(at, size, pieces, sparsity, &threshold), SM_OK);
    if (threshold != 2.0f) fail_msg("%zu weights at %g: expected to keep %zu", count, sparsity, k);
}

static void check_keep_counts(const char *folder) {
    json_t *root = read_json(folder, "k_table.json"), *row;
    const json_t *rows = json_object_get(root, "rows");
    size_t i;
    assert_true(json_array_size(rows) > 0);
    json_array_foreach(rows, i, row) {
        json_int_t count, k, other;
        double sparsity;
        assert_int_equal(json_unpack(row, "[I, F, I, I]", &count, &sparsity, &k, &other), 0);
        /* At 0 the library keeps all, where TFMOT's float count loses a weight beyond 2^24. */
        const size_t kept = sparsity == 0.0 ? (size_t)count : (size_t)k;
        check_keep_count((size_t)count, sparsity, kept);
    }
    json_decref(root);
}

static void make_schedule(const json_t *s, sm_schedule *out) {
    char text[160];
    if (strcmp(text_of(s, "schedule"), "ConstantSparsity") == 0)
        snprintf(text, sizeof text, "constant:%.17g,%g,%g,%g", number_of(s, "target"),
                 number_of(s, "begin"), number_of(s, "end"), number_of(s, "frequency"));
    else
        snprintf(text, sizeof text, "polynomial:%.17g,%.17g,%g,%g,%g,%g", number_of(s, "initial"),
                 number_of(s, "final"), number_of(s, "begin"), number_of(s, "end"),
                 number_of(s, "power"), number_of(s, "frequency"));
    if (sm_schedule_parse(text, out) != SM_OK) fail_msg("%s", sm_message());
}

static void check_table(const char *folder, const json_t *entry, const char *key,
                        const sm_schedule *s, sm_schedule_rounding rounding) {
    size_t count;
    float *table = read_npy(folder, text_of(entry, key), "<f4", &count);
    assert_true(count > 10);
    for (size_t step = 0; step < count; step++) {
        const float got = sm_schedule_sparsity(s, (int64_t)step, rounding);
        if (isnan(table[step]) ? !isnan(got) : bits_of(got) != bits_of(table[step]))
            fail_msg("%s, step %zu: expected %.9g, got %.9g", text_of(entry, key), step,
                     (double)table[step], (double)got);
    }
    free(table);
}

static void check_schedules(const char *folder) {
    json_t *root = read_json(folder, "index.json"), *entry;
    const json_t *schedules = json_object_get(root, "schedules");
    size_t i, count;
    assert_true(json_array_size(schedules) > 0);
    json_array_foreach(schedules, i, entry) {
        sm_schedule s;
        make_schedule(entry, &s);
        check_table(folder, entry, "sparsity", &s, SM_ROUND_EAGER);
        check_table(folder, entry, "sparsity_in_tf_function", &s, SM_ROUND_COMPILED);
        uint8_t *update = read_npy(folder, text_of(entry, "update"), "|u1", &count);
        for (size_t step = 0; step < count; step++)
            assert_int_equal(sm_schedule_updates(&s, (int64_t)step), update[step]);
        free(update);
    }
    json_decref(root);
}

static void masks_are_tfmots(void **state) {
    check_masks(*state);
}
static void keep_counts_are_tfmots(void **state) {
    check_keep_counts(*state);
}
static void schedules_are_tfmots(void **state) {
    check_schedules(*state);
}
static void all_masks_are_tfmots(void **state) {
    (void)state;
    check_masks(full_folder());
}
static void all_keep_counts_are_tfmots(void **state) {
    (void)state;
    check_keep_counts(full_folder());
}
static void all_schedules_are_tfmots(void **state) {
    (void)state;
    check_schedules(full_folder());
}

int main(void) {
    char small[] = SM_TEST_DATA "/tfmot";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(masks_are_tfmots, small),
        cmocka_unit_test_prestate(masks_do_not_depend_on_the_order, small),
        cmocka_unit_test_prestate(keep_counts_are_tfmots, small),
        cmocka_unit_test_prestate(schedules_are_tfmots, small),
        cmocka_unit_test(all_masks_are_tfmots),
        cmocka_unit_test(all_keep_counts_are_tfmots),
        cmocka_unit_test(all_schedules_are_tfmots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
