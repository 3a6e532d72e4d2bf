/* Block, N:M and row pruning against plain loops and sorts, on small shapes that fit no block. */
#include "prune/prune.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX = 4000 };

static uint32_t bits_of(float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static sm_status prune_by(const sm_prune_options *options, float *w, size_t rows, size_t cols) {
    uint8_t mask[MAX];
    sm_prune_result result;
    const size_t shape[] = {rows, cols};
    const sm_status status = sm_prune_mask(w, shape, 2, options, mask, &result);
    sm_prune_apply(mask, rows * cols, w);
    return status;
}

static sm_status prune_block(float *w, size_t rows, size_t cols, size_t r, size_t c,
                             sm_pooling pool, double sparsity) {
    const sm_prune_options options = {.size = sizeof options,
                                      .pattern = {.kind = SM_PATTERN_BLOCK, .r = r, .c = c},
                                      .sparsity = sparsity,
                                      .pool = pool};
    return prune_by(&options, w, rows, cols);
}

static sm_status prune_rows(float *w, size_t rows, size_t cols, double sparsity) {
    const sm_prune_options options = {
        .size = sizeof options, .pattern = {.kind = SM_PATTERN_ROWS}, .sparsity = sparsity};
    return prune_by(&options, w, rows, cols);
}

/* With n of m and at most n columns nothing could go, which is said. */
static sm_status prune_nm(float *w, size_t rows, size_t cols, size_t n, size_t m, size_t v) {
    const sm_prune_options options = {.size = sizeof options,
                                      .pattern = {.kind = SM_PATTERN_NM, .n = n, .m = m, .v = v}};
    return prune_by(&options, w, rows, cols);
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Few levels make ties, zeros of both signs and subnormals; all sums of them are exact in any
 * order. */
static void fill(float *w, size_t count, int awkward, uint64_t seed) {
    static const float levels[] = {0.0f, -0.0f, 0.5f, -0.5f, 1.0f, -1.0f, 2.0f, 1e-45f};
    sm_rng rng;
    sm_rng_seed(&rng, seed);
    for (size_t i = 0; i < count; i++)
        w[i] = awkward ? levels[sm_rng_next(&rng) % (sizeof levels / sizeof *levels)]
                       : sm_rng_normal(&rng);
}

static int descending(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* The score from which on one stays, by sorting. */
static float threshold_of(const float *score, size_t count, float sparsity) {
    float sorted[MAX];
    memcpy(sorted, score, count * sizeof *score);
    qsort(sorted, count, sizeof *sorted, descending);
    const float k = rintf((float)count * (1.0f - sparsity));
    return sorted[k < 1.0f ? 0 : (size_t)k - 1];
}

/* Every weight is as it was where `kept`, +0.0 elsewhere. */
static void assert_kept(const float *before, const float *after, size_t i, int kept) {
    assert_int_equal(bits_of(after[i]), kept ? bits_of(before[i]) : 0);
}

static float block_score(const float *w, size_t rows, size_t cols, size_t r, size_t c, size_t a,
                         size_t b, sm_pooling pool) {
    float sum = 0, most = 0, count = 0;
    for (size_t i = a * r; i < least((a + 1) * r, rows); i++)
        for (size_t k = b * c; k < least((b + 1) * c, cols); k++) {
            sum += fabsf(w[i * cols + k]);
            most = fmaxf(most, fabsf(w[i * cols + k]));
            count++;
        }
    return pool == SM_POOL_AVG ? sum / count : most;
}

static void check_block(size_t rows, size_t cols, size_t r, size_t c, sm_pooling pool, int awkward,
                        float sparsity) {
    float w[MAX], pruned[MAX], score[MAX];
    assert_true(rows * cols <= MAX);
    const size_t down = (rows + r - 1) / r, across = (cols + c - 1) / c;
    fill(w, rows * cols, awkward, rows * 1000 + cols * 10 + r + c);
    memcpy(pruned, w, sizeof w);
    for (size_t a = 0; a < down; a++)
        for (size_t b = 0; b < across; b++)
            score[a * across + b] = block_score(w, rows, cols, r, c, a, b, pool);
    const float threshold = threshold_of(score, down * across, sparsity);
    assert_int_equal(prune_block(pruned, rows, cols, r, c, pool, (double)sparsity), SM_OK);
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < cols; k++)
            assert_kept(w, pruned, i * cols + k, score[i / r * across + k / c] >= threshold);
}

static void blocks_of_every_size(void **state) {
    (void)state;
    static const struct {
        size_t r, c;
    } blocks[] = {{4, 1},   {8, 1}, {16, 1}, {1, 16}, {4, 4},
                  {16, 16}, {1, 1}, {3, 5},  {50, 2}, {2, 90}};
    static const struct {
        size_t rows, cols;
    } shapes[] = {{1, 1}, {1, 37}, {37, 1}, {16, 16}, {17, 15}, {33, 65}, {10, 64}};
    static const float sparsities[] = {0.1f, 0.5f, 0.77f, 0.95f};
    for (size_t b = 0; b < sizeof blocks / sizeof *blocks; b++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (size_t d = 0; d < sizeof sparsities / sizeof *sparsities; d++)
                for (int mode = 0; mode < 4; mode++)
                    check_block(shapes[s].rows, shapes[s].cols, blocks[b].r, blocks[b].c,
                                mode & 1 ? SM_POOL_MAX : SM_POOL_AVG, mode >> 1, sparsities[d]);
}

/* A cut block competes by the weights it has: 3 alone beats a full block whose mean is 2. */
static void cut_blocks_count_real_weights(void **state) {
    (void)state;
    float w[] = {2, 2, 3};
    assert_int_equal(prune_block(w, 1, 3, 1, 2, SM_POOL_AVG, 0.5), SM_OK);
    assert_memory_equal(w, ((float[]){0, 0, 3}), sizeof w);
}

static void mean_and_maximum_differ(void **state) {
    (void)state;
    const float w[] = {-5, 0, 3, 3};
    float mean[4], most[4];
    memcpy(mean, w, sizeof w);
    memcpy(most, w, sizeof w);
    assert_int_equal(prune_block(mean, 1, 4, 1, 2, SM_POOL_AVG, 0.5), SM_OK);
    assert_int_equal(prune_block(most, 1, 4, 1, 2, SM_POOL_MAX, 0.5), SM_OK);
    assert_memory_equal(mean, ((float[]){0, 0, 3, 3}), sizeof mean);
    assert_memory_equal(most, ((float[]){-5, 0, 0, 0}), sizeof most);
}

static void one_by_one_blocks_are_unstructured(void **state) {
    (void)state;
    float a[999], b[999];
    fill(a, 999, 0, 5);
    memcpy(b, a, sizeof a);
    assert_int_equal(prune_block(a, 27, 37, 1, 1, SM_POOL_AVG, 0.7), SM_OK);
    assert_int_equal(sm_prune(&(sm_pattern){0}, 0.7, b, 27, 37), SM_OK);
    assert_memory_equal(a, b, sizeof a);
}

static void a_block_larger_than_the_matrix_stays(void **state) {
    (void)state;
    float w[6], before[6];
    fill(w, 6, 0, 9);
    memcpy(before, w, sizeof w);
    assert_int_equal(prune_block(w, 2, 3, SIZE_MAX, SIZE_MAX, SM_POOL_AVG, 0.99), SM_OK);
    assert_memory_equal(w, before, sizeof w); /* one block is always kept */
}

static void check_rows(size_t rows, size_t cols, int awkward, float sparsity) {
    float w[MAX], pruned[MAX], norm[MAX];
    fill(w, rows * cols, awkward, rows + 7 * cols);
    memcpy(pruned, w, sizeof w);
    for (size_t i = 0; i < rows; i++) {
        double squares = 0;
        for (size_t k = 0; k < cols; k++)
            squares += (double)w[i * cols + k] * (double)w[i * cols + k];
        norm[i] = (float)sqrt(squares);
    }
    const float threshold = threshold_of(norm, rows, sparsity);
    assert_int_equal(prune_rows(pruned, rows, cols, (double)sparsity), SM_OK);
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < cols; k++)
            assert_kept(w, pruned, i * cols + k, norm[i] >= threshold);
}

static void rows_go_by_their_norm(void **state) {
    (void)state;
    static const struct {
        size_t rows, cols;
    } shapes[] = {{1, 1}, {1, 40}, {40, 1}, {33, 65}, {100, 7}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int awkward = 0; awkward < 2; awkward++)
            for (int d = 1; d < 10; d++)
                check_rows(shapes[s].rows, shapes[s].cols, awkward, (float)d / 10);
    /* 5 = sqrt(9 + 16) beats the larger sum 3 + 3, and squares may be beyond float. */
    float w[] = {3e38f, 0, 0, 3, 4, 0, 3, 3, 0, 1e-30f, 0, 0};
    assert_int_equal(prune_rows(w, 4, 3, 0.5), SM_OK);
    assert_memory_equal(w, ((float[]){3e38f, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0}), sizeof w);
}

/* Column k of rows i to end: sum of |w|. */
static float column_score(const float *w, size_t cols, size_t i, size_t end, size_t k) {
    float sum = 0;
    for (; i < end; i++) sum += fabsf(w[i * cols + k]);
    return sum;
}

/* Takes the largest left, the lower index of equals, n times. */
static void keep_largest(const float *score, size_t count, size_t n, int *kept) {
    memset(kept, 0, count * sizeof *kept);
    for (; n > 0; n--) {
        size_t best = count;
        for (size_t k = 0; k < count; k++)
            if (!kept[k] && (best == count || score[k] > score[best])) best = k;
        if (best < count) kept[best] = 1;
    }
}

static void check_nm(size_t rows, size_t cols, size_t n, size_t m, size_t v, int awkward) {
    float w[MAX], pruned[MAX];
    assert_true(rows * cols <= MAX);
    fill(w, rows * cols, awkward, rows + 31 * cols + m);
    memcpy(pruned, w, sizeof w);
    assert_int_equal(prune_nm(pruned, rows, cols, n, m, v), n < m && cols <= n ? SM_E_ARG : SM_OK);
    for (size_t i = 0; i < rows; i++) {
        const size_t first = i / v * v, end = least(first + v, rows);
        for (size_t g = 0; g < cols; g += m) {
            const size_t count = least(m, cols - g);
            float score[16];
            int kept[16];
            for (size_t k = 0; k < count; k++) score[k] = column_score(w, cols, first, end, g + k);
            keep_largest(score, count, n, kept);
            for (size_t k = 0; k < count; k++) assert_kept(w, pruned, i * cols + g + k, kept[k]);
        }
    }
}

static void every_n_of_m(void **state) {
    (void)state;
    static const struct { size_t rows, cols; } shapes[] = {{1, 1}, {7, 1}, {1, 33}, {3, 50}};
    for (size_t m = 1; m <= 16; m++)
        for (size_t n = 1; n <= m; n++)
            for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
                for (int awkward = 0; awkward < 2; awkward++)
                    check_nm(shapes[s].rows, shapes[s].cols, n, m, 1, awkward);
}

static void every_n_of_m_shared_by_rows(void **state) {
    (void)state;
    static const size_t heights[] = {2, 4, 8, 16, 5, 100};
    for (size_t m = 1; m <= 16; m++)
        for (size_t n = 1; n <= m; n++)
            for (size_t h = 0; h < sizeof heights / sizeof *heights; h++)
                for (int awkward = 0; awkward < 2; awkward++)
                    check_nm(19, 37, n, m, heights[h], awkward);
}

/* Wider than a tile of the implementation, and no multiple of a group. */
static void wide_rows(void **state) {
    (void)state;
    for (size_t m = 1; m <= 16; m++) {
        check_nm(1, 3999, (m + 1) / 2, m, 1, 0);
        check_nm(3, 1333, (m + 1) / 2, m, 2, 1);
    }
}

static void ties_go_to_the_lower_index(void **state) {
    (void)state;
    float w[] = {1, -1, 1, 1, 0, -0.0f, 0, 2, -3};
    assert_int_equal(prune_nm(w, 1, 9, 2, 4, 1), SM_OK);
    assert_memory_equal(w, ((float[]){1, -1, 0, 0, 0, 0, 0, 2, -3}), sizeof w);
}

static void not_a_number_is_refused(void **state) {
    (void)state;
    static const char message[] = "scores: element [1,2]: expected a number, got NaN";
    static const char *const names[] = {"unstructured", "block:1x2", "nm:1:4@2", "rows"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        float w[] = {9, 1, 9, 9, 1, 2, -NAN, 4};
        const float before[] = {9, 1, 9, 9, 1, 2, -NAN, 4};
        sm_pattern pattern;
        assert_int_equal(sm_pattern_parse(names[i], &pattern), SM_OK);
        assert_int_equal(sm_prune(&pattern, 0.5, w, 2, 4), SM_E_FORMAT);
        assert_string_equal(sm_message(), message);
        assert_memory_equal(w, before, sizeof w);
    }
}

static void ends_of_the_sparsity_axis(void **state) {
    (void)state;
    static const char *const open[] = {"unstructured", "rows", "block:2x2"};
    float before[15], w[15];
    fill(before, 15, 0, 3);
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        sm_pattern pattern;
        assert_int_equal(sm_pattern_parse(open[i], &pattern), SM_OK);
        memcpy(w, before, sizeof w);
        assert_int_equal(sm_prune(&pattern, 0.0, w, 3, 5), SM_OK);
        assert_memory_equal(w, before, sizeof w);
        assert_int_equal(sm_prune(&pattern, 1.5, w, 3, 5), SM_E_ARG);
        assert_int_equal(sm_prune(&pattern, (double)NAN, w, 3, 5), SM_E_ARG);
        assert_string_equal(sm_message(), "sparsity: expected 0 to 1, got nan");
        assert_memory_equal(w, before, sizeof w);
        assert_int_equal(sm_prune(&pattern, 1.0, w, 3, 5), SM_OK);
        for (size_t k = 0; k < 15; k++) assert_int_equal(bits_of(w[k]), 0);
        assert_int_equal(sm_prune(&pattern, 0.5, w, 0, 5), SM_OK);
        assert_int_equal(sm_prune(&pattern, 0.5, w, 5, 0), SM_OK);
    }
}

/* sm_prune() takes each pattern to its own rule, with its sizes in their places. */
static void patterns_go_to_their_rules(void **state) {
    (void)state;
    float w[6][33 * 65];
    for (size_t i = 0; i < 6; i++) fill(w[i], 33 * 65, 0, 1);
    const sm_pattern block = {.kind = SM_PATTERN_BLOCK, .r = 4, .c = 3};
    const sm_pattern nm = {.kind = SM_PATTERN_NM, .n = 2, .m = 5, .v = 8};
    const sm_pattern rows = {.kind = SM_PATTERN_ROWS};
    assert_int_equal(sm_prune(&block, 0.7, w[0], 33, 65), SM_OK);
    assert_int_equal(prune_block(w[1], 33, 65, 4, 3, SM_POOL_AVG, 0.7), SM_OK);
    assert_int_equal(sm_prune(&nm, (double)NAN, w[2], 33, 65), SM_OK);
    assert_int_equal(prune_nm(w[3], 33, 65, 2, 5, 8), SM_OK);
    assert_int_equal(sm_prune(&rows, 0.7, w[4], 33, 65), SM_OK);
    assert_int_equal(prune_rows(w[5], 33, 65, 0.7), SM_OK);
    for (size_t i = 0; i < 6; i += 2) assert_memory_equal(w[i], w[i + 1], sizeof w[i]);
    assert_memory_not_equal(w[0], w[2], sizeof w[0]);
    assert_memory_not_equal(w[0], w[4], sizeof w[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_of_every_size),
        cmocka_unit_test(cut_blocks_count_real_weights),
        cmocka_unit_test(mean_and_maximum_differ),
        cmocka_unit_test(one_by_one_blocks_are_unstructured),
        cmocka_unit_test(a_block_larger_than_the_matrix_stays),
        cmocka_unit_test(rows_go_by_their_norm),
        cmocka_unit_test(every_n_of_m),
        cmocka_unit_test(every_n_of_m_shared_by_rows),
        cmocka_unit_test(wide_rows),
        cmocka_unit_test(ties_go_to_the_lower_index),
        cmocka_unit_test(not_a_number_is_refused),
        cmocka_unit_test(ends_of_the_sparsity_axis),
        cmocka_unit_test(patterns_go_to_their_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
