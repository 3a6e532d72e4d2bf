/* The measured loops, the buffers they get, and the figures that come out; no figure's value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "machine/machine.h"
#include "roof/loops.h"
#include "roof/roof.h"
#include "roof/sizes.h"
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <sparsemark/isa.h>
#include <stdlib.h>
#include <string.h>

static int usable(const sm_cpuid *cpuid, const sm_roof_line *line, char reason[128]) {
    return sm_roof_usable(cpuid, line, reason, 128);
}

static sm_cpuid everything(void) {
    sm_cpuid cpuid;
    memset(&cpuid, 0xff, sizeof cpuid);
    return cpuid;
}

/* What a loop needs beyond its level is asked for, and named where it is missing. */
static void test_features(void **unused) {
    (void)unused;
    sm_cpuid lacking[3] = {everything(), everything(), everything()};
    lacking[0].leaf7_1.eax &= ~(1u << 4);
    lacking[1].leaf7_0.ecx &= ~(1u << 11);
    lacking[2].leaf7_1.eax &= ~(1u << 5);
    static const char *const isa[] = {"avxvnni", "avx512vnni", "avx512bf16"};
    static const char *const name[] = {"AVX-VNNI", "AVX512_VNNI", "AVX512_BF16"};
    const sm_cpuid all = everything();
    char reason[128];
    size_t seen = 0;
    for (size_t i = 0; i < sm_roof_line_count(); i++) {
        const sm_roof_line *line = sm_roof_line_at(i);
        if (!usable(&all, line, reason)) fail_msg("%s: %s", line->isa, reason);
        for (size_t f = 0; f < 3; f++) {
            const int concerned = strcmp(line->isa, isa[f]) == 0;
            seen += (size_t)concerned;
            if (usable(&lacking[f], line, reason) == concerned)
                fail_msg("%s without %s: '%s'", line->isa, name[f], reason);
            if (concerned) assert_non_null(strstr(reason, name[f]));
        }
    }
    assert_int_equal(seen, 3);
    assert_null(sm_roof_line_at(sm_roof_line_count()));
}

/* Registers that the operating system does not save are not used, whatever the CPU has. */
static void test_operating_system(void **unused) {
    (void)unused;
    sm_cpuid no_zmm = everything(), no_ymm = everything();
    no_zmm.xcr0 &= ~(uint64_t)0xe0;
    no_ymm.xcr0 &= ~(uint64_t)4;
    char reason[128];
    for (size_t i = 0; i < sm_roof_line_count(); i++) {
        const sm_roof_line *line = sm_roof_line_at(i);
        assert_int_equal(usable(&no_zmm, line, reason), strcmp(line->level, "avx512") != 0);
        assert_int_equal(usable(&no_ymm, line, reason), strcmp(line->level, "scalar") == 0);
    }
}

/* Loops do what they count: work grows with the passes, a copy copies, a read leaves all as it is.
 */
static void test_loops(void **unused) {
    (void)unused;
    enum { COUNT = SM_ROOF_GRAIN / sizeof(uint32_t) };
    static _Alignas(64) uint32_t data[3 * COUNT];
    char reason[128];
    sm_cpuid cpuid;
    sm_cpuid_read(&cpuid);
    for (size_t i = 0; i < sm_roof_line_count(); i++) {
        const sm_roof_line *line = sm_roof_line_at(i);
        if (!usable(&cpuid, line, reason)) continue;
        for (uint32_t j = 0; j < 3 * COUNT; j++) data[j] = j;
        const uint64_t one = line->run(data + COUNT, SM_ROOF_GRAIN, 1);
        assert_int_equal(line->run(data + COUNT, SM_ROOF_GRAIN, 3), 3 * one);
        assert_int_equal(line->run(data + COUNT, SM_ROOF_GRAIN, 0), 0);
        const int copies = line->kind == SM_ROOF_copy;
        if (copies || line->kind == SM_ROOF_read)
            assert_int_equal(one, SM_ROOF_GRAIN);
        else
            assert_true(one > 0);
        for (uint32_t j = 0; j < 3 * COUNT; j++) {
            const int second_half = j >= COUNT + COUNT / 2 && j < 2 * COUNT;
            assert_int_equal(data[j], copies && second_half ? j - COUNT / 2 : j);
        }
    }
}

static void test_windows(void **unused) {
    (void)unused;
    sm_machine_sizes s;
    sm_machine_get_sizes(&s);
    const size_t counts[] = {1, s.cores, s.threads};
    for (size_t i = 0; i < 3; i++) {
        const size_t threads = counts[i];
        size_t before = 0;
        for (size_t memory = 0; memory < SM_ROOF_MEMORIES; memory++) {
            const size_t window = sm_roof_window(memory, threads);
            assert_int_equal(window % SM_ROOF_GRAIN, 0);
            if (window == 0) continue;
            assert_true(window > before);
            before = window;
        }
        assert_true(sm_roof_window(SM_ROOF_DRAM, threads) * threads <= (size_t)512 << 20);
        const size_t l3 = threads * sm_roof_window(SM_ROOF_L3, threads);
        assert_true(l3 <= s.l3 * s.l3_count);
        const size_t cached = sm_roof_cached(threads), ring = sm_roof_ring(threads, 1);
        assert_true(ring > 0 && ring >= 2 * cached);
        if (cached != 0) {
            assert_true(ring <= 8 * cached);
            assert_int_equal(sm_roof_ring(threads, SIZE_MAX), 2 * cached);
        }
    }
    assert_true(s.l1d_count <= s.cores);
    if (s.l1d != 0) assert_int_equal(sm_roof_window(SM_ROOF_L1, 1), s.l1d / 2 / 4096 * 4096);
    assert_int_equal(sm_roof_window(SM_ROOF_MEMORIES, 1), 0);
}

static void test_memory(void **unused) {
    (void)unused;
    sm_machine_sizes s;
    sm_machine_get_sizes(&s);
    for (size_t threads = 1; threads <= s.threads; threads++) {
        size_t before = 0;
        for (size_t bytes = 1; bytes != 0; bytes <<= 1) {
            const size_t memory = sm_roof_memory(bytes, threads);
            assert_in_range(memory, before, SM_ROOF_DRAM);
            assert_true(memory == SM_ROOF_DRAM || sm_roof_window(memory, threads) > 0);
            before = memory;
        }
        const size_t l1 = s.l1d * (threads < s.cores ? threads : s.cores);
        if (l1 != 0 && s.l1d_count == s.cores) {
            assert_int_equal(sm_roof_memory(l1, threads), SM_ROOF_L1);
            assert_true(sm_roof_memory(l1 + 1, threads) > SM_ROOF_L1);
        }
        assert_int_equal(sm_roof_memory(SIZE_MAX, threads), SM_ROOF_DRAM);
    }
    assert_int_equal(sm_roof_memory(s.l1d, 0), sm_roof_memory(s.l1d, 1));
    assert_int_equal(sm_roof_memory(s.l3, 10 * s.threads), sm_roof_memory(s.l3, s.threads));
    assert_string_equal(sm_roof_memory_name(SM_ROOF_L1), "L1");
    assert_string_equal(sm_roof_memory_name(SM_ROOF_DRAM), "DRAM");
    assert_null(sm_roof_memory_name(SM_ROOF_MEMORIES));
}

static void test_bad_threads(void **unused) {
    (void)unused;
    sm_machine_sizes s;
    sm_machine_get_sizes(&s);
    const size_t bad[][2] = {{0, 1}, {1, 0}, {s.threads + 1, 1}, {1, s.threads + 1}, {SIZE_MAX, 1}};
    sm_roof *roof = (sm_roof *)(void *)bad;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(sm_roof_measure(bad[i], 2, SM_ROOF_MEMORIES, 0.01, &roof), SM_E_ARG);
        assert_null(roof);
        assert_non_null(strstr(sm_message(), "hardware threads"));
    }
    assert_int_equal(sm_roof_measure(bad[0], 0, SM_ROOF_MEMORIES, 0.01, &roof), SM_E_ARG);
    sm_roof_free(NULL);
}

static sm_roof *roof; /* of one thread and of two where there are two */
static size_t widths;

static int measure(void **unused) {
    (void)unused;
    sm_machine_sizes s;
    sm_machine_get_sizes(&s);
    widths = s.threads > 1 ? 2 : 1;
    const size_t threads[] = {1, widths, 1};
    cpu_set_t before, after;
    if (sched_getaffinity(0, sizeof before, &before) != 0) return -1;
    if (sm_roof_measure(threads, 3, SM_ROOF_MEMORIES, 0.01, &roof) != SM_OK) return -1;
    if (sched_getaffinity(0, sizeof after, &after) != 0) return -1;
    return CPU_EQUAL(&before, &after) ? 0 : -1;
}

static int free_roof(void **unused) {
    (void)unused;
    sm_roof_free(roof);
    return 0;
}

static void test_figures(void **unused) {
    (void)unused;
    for (size_t threads = 1; threads <= widths; threads++) {
        const double scalar = sm_roof_fma(roof, "scalar", threads);
        assert_true(isfinite(scalar) && scalar > 0);
        assert_true(sm_roof_fma(roof, "", threads) >= scalar);
        for (size_t i = 0; i < sm_isa_count(); i++) {
            const double fma = sm_roof_fma(roof, sm_isa_name(i), threads);
            assert_int_equal(isfinite(fma) && fma > 0, sm_isa_mask() >> i & 1);
            if (isfinite(fma)) assert_true(fma <= sm_roof_fma(roof, "", threads));
        }
        for (size_t memory = 0; memory < SM_ROOF_MEMORIES; memory++) {
            const int there = sm_roof_window(memory, threads) > 0;
            const double read = sm_roof_read(roof, memory, threads);
            const double copy = sm_roof_copy(roof, memory, threads);
            assert_int_equal(isfinite(read) && read > 0, there);
            assert_int_equal(isfinite(copy) && copy > 0, there);
        }
        assert_true(isnan(sm_roof_read(roof, SM_ROOF_MEMORIES, threads)));
        assert_true(isnan(sm_roof_copy(roof, SM_ROOF_MEMORIES, threads)));
        assert_true(isnan(sm_roof_fma(roof, "avx3", threads)));
        assert_true(isnan(sm_roof_fma(roof, "avx512vnni", threads))); /* not f32 */
    }
    assert_true(isnan(sm_roof_fma(roof, "", widths + 1)));
    assert_true(isnan(sm_roof_read(roof, SM_ROOF_DRAM, 0)));
}

static void test_caches_only(void **unused) {
    (void)unused;
    const size_t one = 1;
    sm_roof *caches;
    assert_int_equal(sm_roof_measure(&one, 1, SM_ROOF_DRAM, 0.01, &caches), SM_OK);
    assert_true(sm_roof_fma(caches, "", 1) > 0);
    assert_true(isnan(sm_roof_read(caches, SM_ROOF_DRAM, 1)));
    assert_int_equal(sm_roof_read(caches, SM_ROOF_L1, 1) > 0, sm_roof_window(SM_ROOF_L1, 1) > 0);
    sm_roof_free(caches);
}

/* What the compiler makes for a level uses the instructions of the hand-written one. */
static void test_levels_without_a_loop(void **unused) {
    (void)unused;
    if (sm_isa_mask() == 1) skip();
    assert_true(sm_roof_fma(roof, "autovec256", 1) == sm_roof_fma(roof, "avx2", 1));
    const double wide = sm_roof_fma(roof, "avx512", 1),
                 compiled = sm_roof_fma(roof, "autovec512", 1);
    size_t level;
    assert_int_equal(sm_isa_find("avx512", &level), SM_OK);
    if (sm_isa_mask() >> level & 1)
        assert_true(wide == compiled);
    else
        assert_true(isnan(wide) && isnan(compiled));
}

static double at(const json_t *object, const char *key, size_t i) {
    const json_t *array = json_object_get(object, key);
    assert_int_equal(json_array_size(array), widths);
    const json_t *value = json_array_get(array, i);
    return json_is_null(value) ? NAN : json_number_value(value);
}

static void assert_same(double json, double figure) {
    assert_true(json == figure || (isnan(json) && isnan(figure)));
}

static void test_json(void **unused) {
    (void)unused;
    size_t i, seen = 0;
    const json_t *value;
    json_t *json = sm_roof_json(roof);
    assert_non_null(json);
    assert_true(json_integer_value(json_object_get(json, "rounds")) >= 1);
    assert_true(json_real_value(json_object_get(json, "seconds")) > 0);
    for (size_t c = 0; c < widths; c++) {
        const size_t threads = c + 1;
        assert_int_equal(at(json, "threads", c), threads);
        json_array_foreach(json_object_get(json, "peaks"), i, value) {
            const int can = json_is_true(json_object_get(value, "usable"));
            assert_int_equal(at(value, "gops", c) > 0, can);
            const char *reason = json_string_value(json_object_get(value, "reason"));
            assert_int_equal(strcmp(reason, "usable") == 0, can);
            if (strcmp(json_string_value(json_object_get(value, "dtype")), "f32") != 0) continue;
            const char *isa = json_string_value(json_object_get(value, "isa"));
            assert_same(at(value, "gops", c), sm_roof_fma(roof, isa, threads));
            seen++;
        }
        json_array_foreach(json_object_get(json, "bandwidth"), i, value) {
            const char *name = json_string_value(json_object_get(value, "memory"));
            assert_string_equal(name, sm_roof_memory_name(i));
            assert_int_equal(at(value, "bytes_per_thread", c), sm_roof_window(i, threads));
            assert_same(at(value, "read_gbytes_s", c), sm_roof_read(roof, i, threads));
            assert_same(at(value, "copy_gbytes_s", c), sm_roof_copy(roof, i, threads));
        }
        assert_true(at(json, "ridge_flop_per_byte", c) > 0);
    }
    assert_int_equal(seen, 3 * widths);
    const json_t *scaling = json_object_get(json, "scaling");
    assert_int_equal(json_real_value(json_object_get(scaling, "fma")) > 0, widths == 2);
    assert_int_equal(json_real_value(json_object_get(scaling, "read_dram")) > 0, widths == 2);
    json_decref(json);
}

static void *probe(void *unused) {
    (void)unused;
    for (int i = 0; i < 100; i++) sm_roof_probe();
    return NULL;
}

/* From several threads at once, the first calls too. */
static void test_probe(void **unused) {
    (void)unused;
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, probe, NULL), 0);
    for (size_t i = 0; i < 3; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features),    cmocka_unit_test(test_operating_system),
        cmocka_unit_test(test_loops),       cmocka_unit_test(test_windows),
        cmocka_unit_test(test_memory),      cmocka_unit_test(test_bad_threads),
        cmocka_unit_test(test_figures),     cmocka_unit_test(test_levels_without_a_loop),
        cmocka_unit_test(test_json),        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_caches_only),
    };
    return cmocka_run_group_tests(tests, measure, free_roof);
}
