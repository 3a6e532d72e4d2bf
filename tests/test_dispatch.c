/* The choice of instruction-set levels, against recorded CPUs (tests/data/cpuid) and against what
 * the compiler's own run-time check says of this machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sparsemark/isa.h>
#include <stdio.h>
#include <string.h>

/* What a level needs, narrowest first: a CPU that has one has those before it. */
enum need { NEED_NONE, NEED_AVX2, NEED_AVX512 };

static const struct level {
    const char *name, *need;
} levels[] = {
#define SM_ISA(name, need, header, flags) {#name, #need},
#include <isa.inc>
#undef SM_ISA
};
enum { LEVELS = sizeof levels / sizeof levels[0] };

static enum need need_of(size_t level) {
    static const char *const names[] = {"SM_NEED_NONE", "SM_NEED_AVX2", "SM_NEED_AVX512"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; ++i)
        if (strcmp(levels[level].need, names[i]) == 0) return (enum need)i;
    fail_msg("level %s needs %s, which this test does not know", levels[level].name,
             levels[level].need);
    return NEED_NONE;
}

static const struct machine {
    const char *file;
    enum need has;
} machines[] = {
    {"westmere", NEED_NONE},         {"haswell", NEED_AVX2}, {"skylake_x", NEED_AVX512},
    {"ice_lake", NEED_AVX512},       {"zen3", NEED_AVX2},    {"zen4", NEED_AVX512},
    {"emerald_rapids", NEED_AVX512},
};
enum { MACHINES = sizeof machines / sizeof machines[0] };

static void read_line(const char *path, const char *line, sm_cpuid *out) {
    unsigned leaf, subleaf;
    sm_cpuid_regs r;
    unsigned long long xcr0;
    if (line[0] == '#') return;
    if (sscanf(line, "xcr0 %llx", &xcr0) == 1) {
        out->xcr0 = xcr0;
        out->has_xcr0 = 1;
        return;
    }
    if (sscanf(line, "%x %x %x %x %x %x", &leaf, &subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx) != 6)
        fail_msg("%s: cannot read: %s", path, line);
    if (leaf == 1 && subleaf == 0) {
        out->leaf1 = r;
        out->has_leaf1 = 1;
    } else if (leaf == 7 && subleaf == 0) {
        out->leaf7_0 = r;
        out->has_leaf7_0 = 1;
    } else if (leaf == 7 && subleaf == 1) {
        out->leaf7_1 = r;
        out->has_leaf7_1 = 1;
    } else {
        fail_msg("%s: unexpected leaf: %s", path, line);
    }
}

static sm_cpuid load(const char *name) {
    char path[512], line[256];
    sm_cpuid cpuid = {0};
    snprintf(path, sizeof path, "%s/cpuid/%s.txt", SM_TEST_DATA, name);
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("cannot open %s", path);
    while (fgets(line, sizeof line, file)) read_line(path, line, &cpuid);
    fclose(file);
    assert_true(cpuid.has_leaf1 && cpuid.has_leaf7_0);
    return cpuid;
}

/* Checks that exactly the levels that need no more than `has` are usable and that each of the
 * others gives a reason: `because` where the machine as recorded has the level; else that or what
 * the recorded machine lacks. */
static void check(const struct machine *m, const sm_cpuid *cpuid, enum need has,
                  const char *because) {
    static const char *const lacking[] = {"CPU lacks", "AVX512F", "none"};
    const uint32_t usable = sm_isa_usable(cpuid);
    for (size_t i = 0; i < LEVELS; ++i) {
        char reason[256];
        const int expected = need_of(i) <= has;
        if ((int)(usable >> i & 1) != expected)
            fail_msg("%s: %s is %susable (%s)", m->file, levels[i].name, expected ? "not " : "",
                     because);
        assert_ptr_equal(sm_isa_reason(cpuid, i, reason, sizeof reason), reason);
        const int always = need_of(i) > m->has && strstr(reason, lacking[m->has]);
        if (!strstr(reason, expected ? "usable" : because) && !always)
            fail_msg("%s: %s: expected '%s' in the reason '%s'", m->file, levels[i].name, because,
                     reason);
    }
    assert_int_equal(usable >> LEVELS, 0);
}

static void test_list(void **state) {
    (void)state;
    assert_int_equal(sm_isa_count(), LEVELS);
    for (size_t i = 0; i < LEVELS; ++i) {
        size_t found = SIZE_MAX;
        assert_string_equal(sm_isa_name(i), levels[i].name);
        assert_int_equal(sm_isa_find(levels[i].name, &found), SM_OK);
        assert_int_equal(found, i);
    }
    assert_null(sm_isa_name(LEVELS));
    for (size_t i = 0; i < LEVELS; ++i)
        assert_int_equal(sm_isa_hand_written(levels[i].name),
                         strncmp(levels[i].name, "avx", 3) == 0);
    assert_int_equal(sm_isa_hand_written("avx3"), 0);
    size_t found = SIZE_MAX;
    assert_int_equal(sm_isa_find("avx3", &found), SM_E_ARG);
    for (size_t i = 0; i < LEVELS; ++i) assert_non_null(strstr(sm_message(), levels[i].name));
}

static void test_as_recorded(void **state) {
    (void)state;
    for (size_t i = 0; i < MACHINES; ++i) {
        const sm_cpuid cpuid = load(machines[i].file);
        check(&machines[i], &cpuid, machines[i].has, "CPU lacks");
    }
}

/* The operating system saves YMM but not the AVX-512 state, wholly or in part. */
static void test_no_zmm_state(void **state) {
    (void)state;
    static const uint64_t lost[] = {0xe0, 0x20, 0x40, 0x80};
    for (size_t i = 0; i < MACHINES; ++i) {
        if (machines[i].has < NEED_AVX512) continue;
        for (size_t j = 0; j < sizeof lost / sizeof lost[0]; ++j) {
            sm_cpuid cpuid = load(machines[i].file);
            cpuid.xcr0 &= ~lost[j];
            check(&machines[i], &cpuid, NEED_AVX2, "XCR0");
        }
    }
}

static void test_no_ymm_state(void **state) {
    (void)state;
    for (size_t i = 0; i < MACHINES; ++i) {
        sm_cpuid cpuid = load(machines[i].file);
        if (!cpuid.has_xcr0) continue;
        cpuid.xcr0 &= ~(uint64_t)4;
        check(&machines[i], &cpuid, NEED_NONE, "XCR0");
    }
}

static void test_no_osxsave(void **state) {
    (void)state;
    for (size_t i = 0; i < MACHINES; ++i) {
        sm_cpuid cpuid = load(machines[i].file);
        cpuid.leaf1.ecx &= ~(UINT32_C(1) << 27);
        check(&machines[i], &cpuid, NEED_NONE, "OSXSAVE");
        cpuid.xcr0 = 0; /* what a reader that asks OSXSAVE first leaves behind */
        cpuid.has_xcr0 = 0;
        check(&machines[i], &cpuid, NEED_NONE, "OSXSAVE");
    }
}

/* Not recorded means unknown, and unknown is not usable: the flags decide, not the words. */
static void test_missing(void **state) {
    (void)state;
    const sm_cpuid nothing = {0};
    check(&(struct machine){"no leaf", NEED_NONE}, &nothing, NEED_NONE, "leaf 1");
    for (size_t i = 0; i < MACHINES; ++i) {
        if (machines[i].has == NEED_NONE) continue;
        sm_cpuid cpuid = load(machines[i].file);
        cpuid.has_leaf7_0 = 0;
        check(&machines[i], &cpuid, NEED_NONE, "leaf 7");
        cpuid = load(machines[i].file);
        cpuid.has_xcr0 = 0;
        check(&machines[i], &cpuid, NEED_NONE, "XCR0");
    }
}

/* Each feature on its own: Knights Landing has AVX512F without BW, some hypervisors hide single
 * bits. */
static void test_one_feature_less(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int leaf, bit;
        enum need left;
    } features[] = {
        {"AVX", 1, 28, NEED_NONE},      {"FMA", 1, 12, NEED_NONE},
        {"AVX2", 7, 5, NEED_NONE},      {"BMI2", 7, 8, NEED_NONE},
        {"AVX512F", 7, 16, NEED_AVX2},  {"AVX512DQ", 7, 17, NEED_AVX2},
        {"AVX512BW", 7, 30, NEED_AVX2}, {"AVX512VL", 7, 31, NEED_AVX2},
    };
    for (size_t i = 0; i < MACHINES; ++i) {
        if (machines[i].has != NEED_AVX512) continue;
        for (size_t j = 0; j < sizeof features / sizeof features[0]; ++j) {
            sm_cpuid cpuid = load(machines[i].file);
            uint32_t *word = features[j].leaf == 1 ? &cpuid.leaf1.ecx : &cpuid.leaf7_0.ebx;
            *word &= ~(UINT32_C(1) << features[j].bit);
            char because[32];
            snprintf(because, sizeof because, "CPU lacks %s", features[j].name);
            check(&machines[i], &cpuid, features[j].left, because);
        }
    }
}

static void test_short_buffer(void **state) {
    (void)state;
    const sm_cpuid nothing = {0};
    char whole[256];
    for (size_t level = 0; level < LEVELS; ++level) {
        sm_isa_reason(&nothing, level, whole, sizeof whole);
        for (size_t size = 1; size <= strlen(whole); ++size) {
            char cut[257];
            memset(cut, '?', sizeof cut);
            sm_isa_reason(&nothing, level, cut, size);
            assert_int_equal(strlen(cut), size - 1);
            assert_memory_equal(cut, whole, size - 1);
            assert_int_equal(cut[size], '?');
        }
    }
}

static void test_this_machine(void **state) {
    (void)state;
    sm_cpuid cpuid;
    sm_cpuid_read(&cpuid);
    enum need has = NEED_NONE;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))
        has = NEED_AVX2;
    if (has == NEED_AVX2 && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        has = NEED_AVX512;
    uint32_t expected = 0;
    for (size_t i = 0; i < LEVELS; ++i)
        if (need_of(i) <= has) expected |= UINT32_C(1) << i;
    assert_int_equal(sm_isa_usable(&cpuid), expected);
    assert_int_equal(sm_isa_mask(), expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_as_recorded),
        cmocka_unit_test(test_no_zmm_state),
        cmocka_unit_test(test_no_ymm_state),
        cmocka_unit_test(test_no_osxsave),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_one_feature_less),
        cmocka_unit_test(test_short_buffer),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests_name("dispatch", tests, NULL, NULL);
}
