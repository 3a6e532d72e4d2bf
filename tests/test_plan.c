/* Plans through the public API: what is refused, exact unpacking, adversarial shapes. */
#include "plan_problem.h"

static int half(size_t r, size_t c) {
    return (r * 7 + c * 13 + r * c) % 2 == 0;
}
static int none(size_t r, size_t c) {
    (void)r;
    (void)c;
    return 0;
}
static int every(size_t r, size_t c) {
    (void)r;
    (void)c;
    return 1;
}
static int one_row(size_t r, size_t c) {
    (void)c;
    return r == 3;
}
static int one_column(size_t r, size_t c) {
    (void)r;
    return c == 2;
}

static size_t format_index(const char *name) {
    size_t i = 0;
    while (strcmp(sm_format_name(i), name) != 0) i++;
    return i;
}

static void expect_refused(const sm_csr *w, const sm_plan_options *o, sm_status status,
                           const char *message) {
    sm_plan *plan = (sm_plan *)1;
    assert_int_equal(sm_plan_create(w, o, &plan), status);
    assert_null(plan);
    if (!strstr(sm_message(), message)) fail_msg("got '%s', expected '%s'", sm_message(), message);
}

static void test_what_is_refused(void **state) {
    (void)state;
    problem p;
    make_problem(5, 6, 3, 0, half, &p);
    sm_plan_options o = {.size = sizeof o - 1};
    expect_refused(&p.w, &o, SM_E_ARG, "sm_plan_options.size");
    o = (sm_plan_options){.size = sizeof o, .kernel = "spmm_nothing"};
    expect_refused(&p.w, &o, SM_E_ARG, "unknown kernel 'spmm_nothing'");
    o = (sm_plan_options){.size = sizeof o, .isa_mask = 1u << 31};
    expect_refused(&p.w, &o, SM_E_ISA, "(unknown)");
    o = (sm_plan_options){.size = sizeof o, .format_mask = 1u << 31};
    expect_refused(&p.w, &o, SM_E_ARG, "no kernel has the levels and formats allowed");
    o = (sm_plan_options){.size = sizeof o, .isa_mask = 1, .kernel = "spmm_csr_f32_avx2_row_1x64"};
    expect_refused(&p.w, &o, SM_E_ISA, "avx2");
    o = (sm_plan_options){.size = sizeof o, .kernel = "spmm_csr_f32_scalar_row_1x8"};
    o.format_mask = ~(1u << format_index("csr"));
    expect_refused(&p.w, &o, SM_E_ARG, "no kernel has the levels and formats allowed");
    o = (sm_plan_options){.size = sizeof o, .threads = SIZE_MAX};
    expect_refused(&p.w, &o, SM_E_ARG, "sm_plan_options.threads");
    o = (sm_plan_options){.size = sizeof o, .layout = (sm_layout)(SM_IMAGE + 1)};
    expect_refused(&p.w, &o, SM_E_ARG, "sm_plan_options.layout is 3");
    o = (sm_plan_options){.size = sizeof o, .layout = (sm_layout)-1};
    expect_refused(&p.w, &o, SM_E_ARG, "sm_plan_options.layout is -1");
    o = (sm_plan_options){.size = sizeof o, .budget_s = NAN};
    expect_refused(&p.w, &o, SM_E_ARG, "sm_plan_options.budget_s");
    o = (sm_plan_options){.size = sizeof o};
    sm_csr empty = p.w;
    empty.rows = 0;
    expect_refused(&empty, &o, SM_E_ARG, "matrix of 0 x 6: expected at least one row");
    empty = p.w;
    empty.cols = 0;
    expect_refused(&empty, &o, SM_E_ARG, "matrix of 5 x 0: expected at least one row");
    expect_refused(NULL, &o, SM_E_ARG, "no matrix");
    o.kernel = "two\nlines";
    expect_refused(&p.w, &o, SM_E_ARG, "'two?lines'");
    p.w.col[p.w.nnz - 1] = 6;
    expect_refused(&p.w, NULL, SM_E_FORMAT, "row 4: expected columns below 6, got 6");
    free_problem(&p);
}

/* The struct of a later header, with one field more. */
typedef struct later_options {
    sm_plan_options known;
    double further;
} later_options;

static void test_options_of_other_versions(void **state) {
    (void)state;
    problem p;
    sm_plan *plan;
    sm_plan_info info;
    make_problem(5, 6, 3, 0, half, &p);
    /* Older: kt is there, mc and what follows it are not, whatever the memory holds. */
    const char *kernel = "spmm_csr_f32_scalar_row_1x8";
    sm_plan_options o;
    memset(&o, 0xff, sizeof o);
    memset(&o, 0, offsetof(sm_plan_options, mc));
    o.size = offsetof(sm_plan_options, mc);
    o.kernel = kernel;
    o.kt = 3;
    assert_int_equal(sm_plan_create(&p.w, &o, &plan), SM_OK);
    sm_plan_get_info(plan, &info);
    assert_string_equal(info.kernel->name, kernel);
    assert_int_equal(info.kt, 3);
    run_plan(plan, &p);
    assert_true(error_of(&p) <= 1.0);
    sm_plan_free(plan);
    later_options later = {.known = {.size = sizeof later, .kernel = kernel, .kt = 3}};
    assert_int_equal(sm_plan_create(&p.w, &later.known, &plan), SM_OK);
    sm_plan_free(plan);
    later.further = 1;
    expect_refused(&p.w, &later.known, SM_E_ARG, "is set: expected zeros from");
    static const size_t impossible[] = {0, 4, sizeof o + 4, 4096 + 8, SIZE_MAX - 7};
    for (size_t i = 0; i < sizeof impossible / sizeof impossible[0]; i++) {
        o.size = impossible[i];
        expect_refused(&p.w, &o, SM_E_ARG, "sm_plan_options.size is");
    }
    free_problem(&p);
}

static void test_a_level_this_machine_lacks(void **state) {
    (void)state;
    problem p;
    sm_cpuid cpuid;
    char reason[128];
    make_problem(5, 6, 3, 0, half, &p);
    sm_cpuid_read(&cpuid);
    size_t lacking = 0;
    for (size_t i = 0; i < sm_isa_count(); i++) {
        if (sm_isa_mask() >> i & 1) continue;
        const sm_plan_options o = {.size = sizeof o, .isa_mask = 1u << i};
        expect_refused(&p.w, &o, SM_E_ISA, sm_isa_reason(&cpuid, i, reason, sizeof reason));
        lacking++;
    }
    free_problem(&p);
    if (lacking > 0) return;
    print_message("every level is usable on this machine: none to refuse\n");
    skip();
}

static int same(const sm_csr *a, const sm_csr *b) {
    return a->rows == b->rows && a->cols == b->cols && a->nnz == b->nnz &&
           !memcmp(a->row_ptr, b->row_ptr, (a->rows + 1) * sizeof *a->row_ptr) &&
           !memcmp(a->col, b->col, a->nnz * sizeof *a->col) &&
           !memcmp(a->val, b->val, a->nnz * sizeof *a->val);
}

/* What a plan says of itself agrees with what it was asked for. */
static void check_info(const sm_plan *plan, const sm_csr *w, const sm_plan_options *o) {
    sm_plan_info info;
    sm_plan_get_info(plan, &info);
    assert_string_equal(info.kernel->name, o->kernel);
    assert_int_equal(info.rows, w->rows);
    assert_int_equal(info.cols, w->cols);
    assert_int_equal(info.nnz, w->nnz);
    assert_int_equal(info.kt, o->kt < w->cols ? o->kt : w->cols);
    assert_true(info.mc >= 1 && info.mc % info.kernel->mr == 0);
    assert_true(info.mc < w->rows + info.kernel->mr);
    assert_int_equal(info.threads, 1);
    assert_true(info.bytes.values >= w->nnz * sizeof(float) && info.bytes.pointers > 0);
    assert_true(strcmp(info.kernel->format, "dense") == 0 || info.bytes.indices > 0);
    assert_true(info.pack_s > 0 && info.choose_s > 0);
}

static void expect_exact(const sm_plan *plan, const sm_csr *w, const sm_plan_options *o) {
    sm_csr back;
    assert_int_equal(sm_plan_unpack(plan, &back), SM_OK);
    if (!same(&back, w)) fail_msg("%s kt=%zu mc=%zu: not the same", o->kernel, o->kt, o->mc);
    sm_csr_free(&back);
}

static void test_unpack_is_exact(void **state) {
    (void)state;
    enum { KTS = 5, MCS = 4 };
    static const size_t kts[KTS] = {1, 7, 53, 200, SIZE_MAX}, mcs[MCS] = {1, 9, 1000, SIZE_MAX};
    problem p;
    make_problem(37, 53, 1, 0, half, &p);
    for (size_t i = 0; i < sm_kernel_count() * KTS * MCS; i++) {
        const sm_kernel *k = sm_kernel_at(i / (KTS * MCS));
        if (!(sm_isa_mask() >> k->level & 1)) continue;
        const sm_plan_options o = {
            .size = sizeof o, .kernel = k->name, .kt = kts[i % KTS], .mc = mcs[i / KTS % MCS]};
        sm_plan *plan;
        assert_int_equal(sm_plan_create(&p.w, &o, &plan), SM_OK);
        check_info(plan, &p.w, &o);
        expect_exact(plan, &p.w, &o);
        sm_plan_free(plan);
    }
    free_problem(&p);
}

/* Programs that take denormal numbers for zeros get them back all the same. */
static void test_denormal_weights(void **state) {
    (void)state;
    const unsigned denormals_are_zeros = 1u << 6;
    problem p;
    make_problem(37, 53, 1, 0, half, &p);
    for (size_t i = 0; i < p.w.nnz; i += 3) p.w.val[i] = 1e-41f;
    const unsigned before = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(before | denormals_are_zeros);
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        if (!(sm_isa_mask() >> k->level & 1)) continue;
        const sm_plan_options o = {.size = sizeof o, .kernel = k->name};
        sm_plan *plan;
        assert_int_equal(sm_plan_create(&p.w, &o, &plan), SM_OK);
        expect_exact(plan, &p.w, &o);
        sm_plan_free(plan);
    }
    __builtin_ia32_ldmxcsr(before);
    free_problem(&p);
}

static int long_and_short(size_t r, size_t c) {
    return (r + c) % (r % 2 ? 2 : 15) == 0;
}

/* Whether a usable kernel of the same format, for as many columns, comes after this one. */
static int another_follows(size_t i) {
    const sm_kernel *k = sm_kernel_at(i);
    for (size_t j = i + 1; j < sm_kernel_count(); j++) {
        const sm_kernel *other = sm_kernel_at(j);
        if ((sm_isa_mask() >> other->level & 1) && strcmp(other->op, k->op) == 0 &&
            strcmp(other->format, k->format) == 0)
            return 1;
    }
    return 0;
}

/* More rows than 16 bits count, in one block if a format could have it so. */
static void test_more_rows_than_a_block_has(void **state) {
    (void)state;
    problem p;
    make_problem(70000, 30, 2, 0, long_and_short, &p);
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        if (!(sm_isa_mask() >> k->level & 1) || another_follows(i)) continue;
        const sm_plan_options o = {.size = sizeof o, .n = 2, .kernel = k->name, .mc = SIZE_MAX};
        sm_plan *plan;
        assert_int_equal(sm_plan_create(&p.w, &o, &plan), SM_OK);
        run_plan(plan, &p);
        const double error = error_of(&p);
        if (!(error <= 1.0)) fail_msg("%s: %g", k->name, error);
        sm_plan_free(plan);
    }
    free_problem(&p);
}

/* To set so many rows of X takes longer than a plan may. */
static void test_a_very_wide_matrix_is_not_timed(void **state) {
    (void)state;
    uint32_t row_ptr[] = {0, 3}, col[] = {0, 1000000, 2999999};
    float val[] = {1, 2, 3};
    const sm_csr w = {1, 3000000, 3, row_ptr, col, val};
    sm_plan *plan;
    sm_plan_info info;
    assert_int_equal(sm_plan_create(&w, NULL, &plan), SM_OK);
    sm_plan_get_info(plan, &info);
    assert_int_equal(info.candidates, 0);
    assert_string_not_equal(info.kernel->format, "dense");
    sm_plan_free(plan);
}

static void expect_right(size_t m, size_t k, size_t n, int (*keep)(size_t r, size_t c),
                         double budget_s) {
    for (int token = 0; token < 2; token++) {
        problem p;
        sm_plan *plan;
        make_problem(m, k, n, token, keep, &p);
        const sm_plan_options o = {.size = sizeof o,
                                   .n = n,
                                   .layout = token ? SM_TOKEN_MAJOR : SM_FEATURE_MAJOR,
                                   .budget_s = budget_s};
        assert_int_equal(sm_plan_create(&p.w, &o, &plan), SM_OK);
        run_plan(plan, &p);
        const double error = error_of(&p);
        if (!(error <= 1.0)) fail_msg("m=%zu k=%zu n=%zu token=%d: %g", m, k, n, token, error);
        sm_plan_free(plan);
        free_problem(&p);
    }
}

static void test_adversarial_shapes(void **state) {
    (void)state;
    int (*const patterns[])(size_t, size_t) = {half, none, every, one_row, one_column};
    for (size_t i = 0; i < 5; i++) {
        for (size_t n = 1; n <= 16; n++) expect_right(9, 11, n, patterns[i], 0.002);
        expect_right(1, 70, 33, patterns[i], 0.002);
        expect_right(70, 1, 33, patterns[i], 0.002);
        expect_right(1, 1, 1, patterns[i], 0.002);
        expect_right(130, 300, 65, patterns[i], -1);
    }
}

/* Whether a plan packs X; what it computes is right either way. */
static int packs_x(const char *kernel, size_t n, int token) {
    problem p;
    sm_plan *plan;
    make_problem(9, 31, n, token, half, &p);
    const sm_plan_options o = {.size = sizeof o, .n = n, .kernel = kernel};
    assert_int_equal(sm_plan_create(&p.w, &o, &plan), SM_OK);
    run_plan(plan, &p);
    assert_true(error_of(&p) <= 1.0);
    const size_t bytes = sm_plan_workspace(plan, n);
    unsigned char *workspace = sm_alloc(bytes, 1);
    memset(workspace, 0xff, bytes);
    sm_plan_pack_x(plan, &p.args, workspace);
    size_t written = 0;
    for (size_t i = 0; i < bytes; i++) written += workspace[i] != 0xff;
    sm_free(workspace);
    sm_plan_free(plan);
    free_problem(&p);
    return written > 0;
}

static void test_x_is_packed_where_it_must_be(void **state) {
    (void)state;
    static const char *const row = "spmm_csr_f32_scalar_row_1x8";
    static const char *const quad = "spmm_sell_f32_scalar_quad_4x8";
    for (size_t n = 8; n <= 24; n += 8) assert_false(packs_x(row, n, 0));
    assert_false(packs_x(row, 13, 0)); /* a last strip of five columns */
    assert_true(packs_x(row, 8, 1));
    assert_false(packs_x(quad, 8, 0)); /* lies as a packed strip would */
    assert_true(packs_x(quad, 7, 0));
    assert_true(packs_x(quad, 16, 0));
    assert_true(packs_x(quad, 8, 1));
}

static void test_defaults_and_nothing_to_do(void **state) {
    (void)state;
    problem p;
    sm_plan *plan;
    make_problem(20, 30, 40, 0, half, &p);
    assert_int_equal(sm_plan_create(&p.w, NULL, &plan), SM_OK);
    run_plan(plan, &p);
    assert_true(error_of(&p) <= 1.0);
    float before[20 * 40];
    memcpy(before, p.y, sizeof before);
    p.args.n = 0;
    void *workspace = sm_alloc(sm_plan_workspace(plan, 0), 1);
    sm_plan_run(plan, &p.args, workspace);
    assert_memory_equal(p.y, before, sizeof before);
    sm_free(workspace);
    sm_plan_free(plan);
    sm_plan_free(NULL);
    free_problem(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_options_of_other_versions),
        cmocka_unit_test(test_a_level_this_machine_lacks),
        cmocka_unit_test(test_unpack_is_exact),
        cmocka_unit_test(test_denormal_weights),
        cmocka_unit_test(test_more_rows_than_a_block_has),
        cmocka_unit_test(test_a_very_wide_matrix_is_not_timed),
        cmocka_unit_test(test_adversarial_shapes),
        cmocka_unit_test(test_x_is_packed_where_it_must_be),
        cmocka_unit_test(test_defaults_and_nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
