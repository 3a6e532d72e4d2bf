/* What TFMOT refuses, and what the library says to the same: every entry of its list has a line
 * here. What it takes without a word but leaves alone is refused as well. */
#include "tfmot_data.h"

typedef struct refusal {
    const char *what;               /* as TFMOT's list says it */
    const char *pattern, *schedule; /* what stands for it here; neither: Keras layers, no weights */
    const char *said;               /* in our message; NULL where it is taken */
    size_t rank, shape[4];
    int pool;
} refusal;

static const refusal refusals[] = {
    {"block (2,2) on a Conv2D kernel",
     "block:2x2",
     NULL,
     "of a convolution: expected a matrix",
     4,
     {3, 3, 4, 8},
     0},
    {"block (16,1) on 10x7: one block row -> rank lost",
     "block:1x16",
     NULL,
     "at least two blocks each way as in TFMOT, got 7 x 1",
     2,
     {10, 7},
     0},
    {"block (1,8) on 10x7: one block column", "block:8x1", NULL, "got 1 x 10", 2, {10, 7}, 0},
    {"block (1,4) on 1x7", "block:4x1", NULL, "got 2 x 1", 2, {1, 7}, 0},
    {"2:4 on a rank-3 kernel (Conv1D)", "nm:2:4", NULL, "weights of rank 3", 3, {3, 4, 5}, 0},
    {"4:4", "nm:0:4", NULL, "1 <= N <= M", 2, {8, 8}, 0},
    {"5:4", "nm:-1:4", NULL, "1 <= N <= M", 2, {8, 8}, 0},
    {"0:4 (accepted, prunes nothing)", "nm:4:4", NULL, NULL, 2, {8, 8}, 0},
    {"2:4 on Conv2D with 1 input channel (accepted, mask all ones)",
     "nm:2:4",
     NULL,
     "nothing is pruned (TFMOT leaves it alone silently)",
     4,
     {5, 5, 1, 4},
     0},
    {"sparsity_m_by_n=(2.0,4)", "nm:2.0:4", NULL, "its 1, 4 is 3:4", 2, {8, 8}, 0},
    {"sparsity_m_by_n=2", "nm:2", NULL, "expected nm:N:M", 2, {8, 8}, 0},
    {"sparsity_m_by_n=(1,2,4)", "nm:1:2:4", NULL, "expected nm:N:M", 2, {8, 8}, 0},
    {"block_pooling_type='SUM'", "block:2x2", NULL, "expected 0 (avg) or 1 (max)", 2, {8, 8}, 2},
    {.what = "unknown layer class"},
    {.what = "subclass of Dense"},
    {.what = "not a layer"},
    {.what = "ConstantSparsity(1.0, 0)", .schedule = "constant:1.0,0", .said = "below 1"},
    {.what = "ConstantSparsity(-0.1, 0)", .schedule = "constant:-0.1,0", .said = "from 0"},
    {.what = "ConstantSparsity(0.5, -1)", .schedule = "constant:0.5,-1", .said = "begin from 0 on"},
    {.what = "ConstantSparsity(0.5, 5, 3)",
     .schedule = "constant:0.5,5,3",
     .said = "begin not after end"},
    {.what = "ConstantSparsity(0.5, 0, -2)",
     .schedule = "constant:0.5,0,-2",
     .said = "end from 0 on or -1"},
    {.what = "ConstantSparsity(0.5, 0, -1, 0)",
     .schedule = "constant:0.5,0,-1,0",
     .said = "frequency from 1 on"},
    {.what = "PolynomialDecay(0.5, 0.8, 0, -1)",
     .schedule = "polynomial:0.5,0.8,0,-1",
     .said = "a whole end from 0 on"},
    {.what = "PolynomialDecay(0.5, 0.8, 10, 5)",
     .schedule = "polynomial:0.5,0.8,10,5",
     .said = "begin not after end"},
    {.what = "PolynomialDecay(0.5, 1.0, 0, 5)",
     .schedule = "polynomial:0.5,1.0,0,5",
     .said = "below 1"},
    {.what = "PolynomialDecay(0.5, 0.8, 5, 5)", .schedule = "polynomial:0.5,0.8,5,5"},
    {.what = "PolynomialDecay(0.8, 0.5, 0, 10)", .schedule = "polynomial:0.8,0.5,0,10"},
};
enum { REFUSALS = sizeof refusals / sizeof *refusals };

static sm_status ask_mask(const refusal *r) {
    uint8_t mask[512];
    sm_prune_result result;
    sm_prune_options o = {
        .size = sizeof o, .sparsity = 0.5, .pool = (sm_pooling)r->pool, .tfmot = 1};
    SM_TRY(sm_pattern_parse(r->pattern, &o.pattern));
    o.order = r->rank == 4 ? SM_ORDER_HWIO : SM_ORDER_IN_OUT;
    static float score[512];
    for (size_t i = 0; i < 512; i++) score[i] = (float)(i % 97) - 48.0f;
    size_t count = 1;
    for (size_t i = 0; i < r->rank; i++) count *= r->shape[i];
    memset(mask, 7, sizeof mask);
    const sm_status status = sm_prune_mask(score, r->shape, r->rank, &o, mask, &result);
    /* Refused or asked to keep all of four. */
    for (size_t i = 0; i < count; i++) assert_int_equal(mask[i], 1);
    assert_int_equal(mask[count], 7);
    assert_int_equal(result.kept, count);
    return status;
}

static void check(const refusal *r) {
    sm_schedule schedule;
    const sm_status status = r->schedule ? sm_schedule_parse(r->schedule, &schedule) : ask_mask(r);
    assert_int_equal(status, r->said ? SM_E_ARG : SM_OK);
    if (!r->said) return;
    if (!strstr(sm_message(), r->said)) fail_msg("%s: said \"%s\"", r->what, sm_message());
    assert_null(strchr(sm_message(), '\n'));
}

static void every_refusal_has_its_message(void **state) {
    json_t *root = read_json(*state, "index.json"), *entry;
    const json_t *list = json_object_get(root, "refusals");
    size_t i;
    assert_int_equal(json_array_size(list), REFUSALS);
    json_array_foreach(list, i, entry) {
        const refusal *r = &refusals[i];
        assert_string_equal(text_of(entry, "what"), r->what);
        if (!r->pattern && !r->schedule) continue;
        check(r);
        /* Where both take it or both refuse it; the one-channel convolution is ours alone. */
        const int raised = !json_is_null(json_object_get(entry, "raised"));
        if (!strstr(r->what, "1 input channel")) assert_int_equal(raised, r->said != NULL);
    }
    json_decref(root);
}

static void what_tfmot_lacks_is_refused_as_its(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *said;
        double sparsity;
    } lacking[] = {{"rows", "rows: TFMOT has no such pattern", 0.5},
                   {"nm:2:4@2", "nm:2:4@2: TFMOT has no such pattern", 0.5},
                   {"unstructured", "sparsity: expected less than 1 as in TFMOT, got 1", 1.0}};
    static const float w[64] = {1.0f};
    static const size_t shape[] = {8, 8};
    for (size_t i = 0; i < sizeof lacking / sizeof *lacking; i++) {
        uint8_t mask[64];
        sm_prune_result result;
        sm_prune_options o = {.size = sizeof o, .sparsity = lacking[i].sparsity};
        assert_int_equal(sm_pattern_parse(lacking[i].pattern, &o.pattern), SM_OK);
        assert_int_equal(sm_prune_mask(w, shape, 2, &o, mask, &result), SM_OK);
        o.tfmot = 1;
        assert_int_equal(sm_prune_mask(w, shape, 2, &o, mask, &result), SM_E_ARG);
        assert_non_null(strstr(sm_message(), lacking[i].said));
    }
}

static void schedules_that_are_none(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "constant",
                                        "constant:",
                                        "constant:0.5,",
                                        "constant: 0.5",
                                        "constant:nan",
                                        "constant:inf",
                                        "constant:0x1p-1",
                                        "Constant:0.5",
                                        "constant:0.5,1.5",
                                        "constant:0.5,0,9,100,1",
                                        "constant:0.5;1",
                                        "polynomial:0.5",
                                        "polynomial:0.1,0.9,0",
                                        "polynomial:0.1,0.9,0,10,0",
                                        "polynomial:0.1,0.9,0,10,-1",
                                        "polynomial:0.1,0.9,0,10,3,0.5",
                                        "polynomial:0.1,0.9,0,10,3,100,1",
                                        "polynomial:0.1,,0,10",
                                        "constant:0.5,1e300"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        sm_schedule s = {.frequency = 7};
        if (sm_schedule_parse(texts[i], &s) != SM_E_ARG) fail_msg("'%s' was taken", texts[i]);
        assert_int_equal(s.frequency, 0);
        char start[80];
        snprintf(start, sizeof start, "schedule '%s': expected ", texts[i]);
        assert_memory_equal(sm_message(), start, strlen(start));
    }
    sm_schedule s;
    assert_int_equal(sm_schedule_parse("constant:0.5", &s), SM_OK);
    assert_true(s.begin == 0 && s.end == -1 && s.frequency == 100);
    assert_true(sm_schedule_updates(&s, 0) && sm_schedule_updates(&s, 900));
    assert_false(sm_schedule_updates(&(sm_schedule){0}, 0)); /* what a refused text leaves */
    assert_false(sm_schedule_updates(&s, 901) || sm_schedule_updates(&s, -100));
}

int main(void) {
    char small[] = SM_TEST_DATA "/tfmot";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(every_refusal_has_its_message, small),
        cmocka_unit_test(what_tfmot_lacks_is_refused_as_its),
        cmocka_unit_test(schedules_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
