/* Every usable peer against a plain loop, in both layouts, several threads, several peers in one
 * process; and a peer that is not a library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "peers/family.h"
#include <dlfcn.h>
#include <math.h>
#include <sparsemark/isa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIZES = 8 };
static const size_t sizes[SIZES][3] = {{1, 1, 1},   {7, 3, 1},    {3, 7, 2},    {1, 129, 5},
                                       {31, 33, 1}, {65, 63, 17}, {129, 1, 31}, {101, 257, 129}};

static float next_float(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(*state >> 40) / (double)(1 << 23) - 1.0);
}

static void fill(float *p, size_t count, double keep, uint64_t seed) {
    for (size_t i = 0; i < count; i++) {
        p[i] = next_float(&seed);
        if (next_float(&seed) > 2 * keep - 1) p[i] = 0;
    }
}

/* |y - exact| <= (k + 1) ulp * sum |w x|, with room for the last conversion. */
static void compare(const sm_peer_problem *p, const float *x, const float *y, const char *name) {
    for (size_t r = 0; r < p->m; r++) {
        for (size_t c = 0; c < p->n; c++) {
            double sum = 0, magnitude = 0;
            for (size_t i = 0; i < p->k; i++) {
                const float v = p->layout == SM_TOKEN_MAJOR ? x[c * p->k + i] : x[i * p->n + c];
                sum += (double)p->w[r * p->k + i] * (double)v;
                magnitude += fabs((double)p->w[r * p->k + i] * (double)v);
            }
            const float got = p->layout == SM_TOKEN_MAJOR ? y[c * p->m + r] : y[r * p->n + c];
            const double bound = ldexp((double)p->k + 1, -24) * magnitude + 1e-38;
            if (!(fabs((double)got - sum) <= bound))
                fail_msg("%s m %zu k %zu n %zu layout %d threads %zu: [%zu, %zu] is %g, expected "
                         "%g +- %g",
                         name, p->m, p->k, p->n, (int)p->layout, p->threads, r, c, (double)got, sum,
                         bound);
        }
    }
}

static void one_product(size_t peer, const size_t size[3], sm_layout layout, size_t threads,
                        double keep) {
    const size_t m = size[0], k = size[1], n = size[2];
    float *w = sm_alloc(m * k, sizeof *w), *x = sm_alloc(k * n, sizeof *x);
    float *y = sm_alloc(m * n, sizeof *y);
    sm_csr csr;
    assert_non_null(w);
    assert_non_null(x);
    assert_non_null(y);
    fill(w, m * k, keep, 1 + m);
    fill(x, k * n, 1, 2 + n);
    for (size_t i = 0; i < m * n; i++) y[i] = NAN;
    assert_int_equal(sm_csr_from_dense(w, m, k, (ptrdiff_t)k, 1, &csr), SM_OK);
    const sm_peer_problem problem = {m, k, n, layout, w, &csr, threads};
    const char *name = sm_peer_probe(peer)->name;
    void *state = NULL;
    if (sm_peer_prepare(peer, &problem, &state) != SM_OK)
        fail_msg("%s: cannot prepare: %s", name, sm_message());
    for (int repeat = 0; repeat < 2; repeat++) {
        sm_peer_run(peer, state, x, y);
        compare(&problem, x, y, name);
    }
    sm_peer_destroy(peer, state);
    sm_csr_free(&csr);
    sm_free(w);
    sm_free(x);
    sm_free(y);
}

static void skip_without_peers(void) {
    size_t usable = 0;
    for (size_t i = 0; i < sm_peer_count(); i++) usable += sm_peer_probe(i)->usable == 1;
    if (usable > 0) return;
    print_message("no peer is usable here\n");
    skip();
}

static void test_products(void **unused) {
    (void)unused;
    skip_without_peers();
    /* Peers in the inner loop: libraries take turns in one process. */
    for (size_t s = 0; s < SIZES; s++) {
        for (size_t peer = 0; peer < sm_peer_count(); peer++) {
            if (!sm_peer_probe(peer)->usable) continue;
            for (size_t threads = 1; threads <= 2; threads++) {
                one_product(peer, sizes[s], SM_FEATURE_MAJOR, threads, 0.4);
                if (sm_peer_takes(peer, SM_TOKEN_MAJOR))
                    one_product(peer, sizes[s], SM_TOKEN_MAJOR, threads, 0.4);
            }
        }
    }
}

static void test_no_nonzeros(void **unused) {
    (void)unused;
    skip_without_peers();
    for (size_t peer = 0; peer < sm_peer_count(); peer++) {
        if (!sm_peer_probe(peer)->usable) continue;
        one_product(peer, sizes[5], SM_FEATURE_MAJOR, 1, 0);
        if (sm_peer_takes(peer, SM_TOKEN_MAJOR)) one_product(peer, sizes[4], SM_TOKEN_MAJOR, 1, 0);
    }
}

/* Refused, not computed in another layout. */
static void test_feature_only(void **unused) {
    (void)unused;
    float w = 1;
    sm_csr csr;
    assert_int_equal(sm_csr_from_dense(&w, 1, 1, 1, 1, &csr), SM_OK);
    const sm_peer_problem token = {1, 1, 2, SM_TOKEN_MAJOR, &w, &csr, 1};
    for (size_t i = 0; i < sm_peer_count(); i++) {
        void *state = NULL;
        assert_int_not_equal(sm_peer_takes(i, SM_FEATURE_MAJOR), 0);
        if (sm_peer_takes(i, SM_TOKEN_MAJOR)) continue;
        assert_int_equal(sm_peer_prepare(i, &token, &state), SM_E_ARG);
        assert_null(state);
        assert_non_null(strstr(sm_message(), sm_peer_probe(i)->name));
        assert_non_null(strstr(sm_message(), "feature-major"));
    }
    assert_int_equal(sm_peer_takes(sm_peer_count(), SM_FEATURE_MAJOR), 0);
    sm_csr_free(&csr);
}

static void test_info(void **unused) {
    (void)unused;
    assert_true(sm_peer_count() >= 9);
    for (size_t i = 0; i < sm_peer_count(); i++) {
        const sm_peer_info *info = sm_peer_probe(i);
        assert_non_null(info->name);
        assert_true(strcmp(info->kind, "dense") == 0 || strcmp(info->kind, "sparse") == 0);
        assert_ptr_equal(info, sm_peer_probe(i));
        if (info->usable) {
            assert_string_equal(info->reason, "");
            assert_true(info->version[0] != 0);
            assert_int_equal(info->path[0], '/');
            print_message("peer %-13s %s, core %s\n", info->name, info->version, info->core);
        } else {
            assert_true(info->reason[0] != 0);
            print_message("peer %-13s absent: %s\n", info->name, info->reason);
        }
    }
    assert_null(sm_peer_probe(sm_peer_count()));
}

static void test_refusals(void **unused) {
    (void)unused;
    const sm_peer_problem nothing = {0};
    void *state = NULL;
    assert_int_equal(sm_peer_prepare(sm_peer_count(), &nothing, &state), SM_E_ARG);
    assert_int_equal(sm_peer_prepare(0, &nothing, &state), SM_E_ARG);
    assert_null(state);
    float w = 1;
    const sm_peer_problem one = {1, 1, 1, SM_FEATURE_MAJOR, &w, NULL, 1};
    for (size_t i = 0; i < sm_peer_count(); i++) {
        if (sm_peer_probe(i)->usable) continue;
        assert_int_equal(sm_peer_prepare(i, &one, &state), SM_E_ARG);
        assert_non_null(strstr(sm_message(), sm_peer_probe(i)->name));
    }
}

/* Two builds of OpenBLAS in one process: the versions differ, so the code that ran does. */
static void test_two_openblas(void **unused) {
    (void)unused;
    const sm_peer_info *debian = NULL, *pypi = NULL;
    for (size_t i = 0; i < sm_peer_count(); i++) {
        const sm_peer_info *info = sm_peer_probe(i);
        if (info->usable && strcmp(info->name, "openblas") == 0) debian = info;
        if (info->usable && strcmp(info->name, "openblas-pypi") == 0) pypi = info;
    }
    if (debian == NULL || pypi == NULL) {
        print_message("two builds of OpenBLAS are not here\n");
        skip();
    }
    const struct {
        const sm_peer_info *info;
        const char *sgemm, *config;
    } both[] = {{debian, "cblas_sgemm", "openblas_get_config"},
                {pypi, "scipy_cblas_sgemm", "scipy_openblas_get_config"}};
    for (size_t i = 0; i < 2; i++) {
        /* Loaded by the products above, hence RTLD_NOLOAD. */
        void *handle = dlopen(both[i].info->path, RTLD_NOW | RTLD_NOLOAD);
        assert_non_null(handle);
        Dl_info where;
        assert_int_not_equal(dladdr(dlsym(handle, both[i].sgemm), &where), 0);
        assert_string_equal(where.dli_fname, both[i].info->path);
        const char *(*config)(void);
        void *address = dlsym(handle, both[i].config);
        memcpy(&config, &address, sizeof config);
        assert_string_equal(config(), both[i].info->version);
        (void)dlclose(handle);
    }
    assert_string_not_equal(debian->version, pypi->version);
}

/* A fresh process, because the answers of this one are remembered. */
static void test_garbage(void **unused) {
    (void)unused;
    const char *environment = getenv("SPARSEMARK_PEER_PATH");
    char *saved = environment != NULL ? strdup(environment) : NULL;
    char folder[] = "sparsemark-peers-XXXXXX", file[128], line[512], command[4096];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(file, sizeof file, "%s/libscipy_openblas.so", folder);
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    assert_true(fputs("not a library\n", out) >= 0);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(setenv("SPARSEMARK_PEER_PATH", folder, 1), 0);
    (void)snprintf(command, sizeof command, "'%s' list peers", SM_PROGRAM);
    FILE *in = popen(command, "r");
    assert_non_null(in);
    int seen = 0;
    while (fgets(line, sizeof line, in) != NULL)
        if (strncmp(line, "openblas-pypi ", strlen("openblas-pypi ")) == 0) {
            seen = 1;
            assert_non_null(strstr(line, "not here: "));
            assert_true(strstr(line, "invalid ELF header") != NULL ||
                        strstr(line, "file too short") != NULL ||
                        strstr(line, "off under sanitizers") != NULL);
        }
    assert_int_equal(pclose(in), 0);
    assert_true(seen);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(folder), 0);
    if (saved != NULL)
        assert_int_equal(setenv("SPARSEMARK_PEER_PATH", saved, 1), 0);
    else
        assert_int_equal(unsetenv("SPARSEMARK_PEER_PATH"), 0);
    free(saved);
}

static void test_steering(void **unused) {
    (void)unused;
    assert_string_equal(sm_peer_steered(), "OPENBLAS_CORETYPE=Prescott");
    assert_null(getenv("OPENBLAS_CORETYPE"));
    for (size_t i = 0; i < sm_peer_count(); i++) {
        const sm_peer_info *info = sm_peer_probe(i);
        if (info->usable && strncmp(info->name, "openblas", 8) == 0)
            assert_string_not_equal(info->core, "Prescott");
    }
}

static int usable(const char *isa) {
    size_t level;
    assert_int_equal(sm_isa_find(isa, &level), SM_OK);
    return sm_isa_mask() >> level & 1;
}

static void test_lift(void **unused) {
    (void)unused;
    const peer_lift *lift = peer_find_lift(&peer_openblas, "Prescott");
    assert_null(peer_find_lift(&peer_openblas, "SkylakeX"));
    assert_null(peer_find_lift(&peer_onednn, "Prescott"));
    assert_null(peer_find_lift(&peer_blis, "zen3"));
    assert_int_equal(lift != NULL, usable("avx2"));
    assert_int_equal(peer_lift_begin(NULL), 0);
    peer_lift_end(NULL);
    if (lift == NULL) return;
    assert_string_equal(lift->becomes, usable("avx512") ? "SkylakeX" : "Haswell");
    assert_int_equal(peer_lift_begin(lift), 0);
    assert_string_equal(getenv("OPENBLAS_CORETYPE"), lift->value);
    /* Set by somebody: it is theirs to say. */
    assert_null(peer_find_lift(&peer_openblas, "Prescott"));
    peer_lift_end(lift);
    assert_null(getenv("OPENBLAS_CORETYPE"));
}

int main(void) {
    /* Before the first probe: a CPU's worth of speed is lost to this variable otherwise. */
    if (setenv("OPENBLAS_CORETYPE", "Prescott", 1) != 0 || unsetenv("OPENBLAS_L2_SIZE") != 0 ||
        sm_peer_unset_steering() != 1)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lift),         cmocka_unit_test(test_info),
        cmocka_unit_test(test_products),     cmocka_unit_test(test_no_nonzeros),
        cmocka_unit_test(test_refusals),     cmocka_unit_test(test_two_openblas),
        cmocka_unit_test(test_garbage),      cmocka_unit_test(test_steering),
        cmocka_unit_test(test_feature_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
