/* The machine card, the slug, sizes, pinning, warnings; and control groups' quotas from made files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "machine/parts.h"
#include "peers/peer.h"
#include <pthread.h>
#include <sched.h>
#include <sparsemark/isa.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_card(void **unused) {
    (void)unused;
    static const struct {
        const char *path[2];
        json_type type;
    } fields[] = {
        {{"slug"}, JSON_STRING},
        {{"utc"}, JSON_STRING},
        {{"xcr0"}, JSON_STRING},
        {{"cpuset"}, JSON_STRING},
        {{"governor"}, JSON_STRING},
        {{"load_average"}, JSON_ARRAY},
        {{"levels"}, JSON_ARRAY},
        {{"peers"}, JSON_ARRAY},
        {{"environment"}, JSON_ARRAY},
        {{"environment_unset"}, JSON_STRING},
        {{"warnings"}, JSON_ARRAY},
        {{"build", "version"}, JSON_STRING},
        {{"build", "commit"}, JSON_STRING},
        {{"build", "compiler"}, JSON_STRING},
        {{"build", "type"}, JSON_STRING},
        {{"build", "flags"}, JSON_STRING},
        {{"build", "kernel_flags"}, JSON_STRING},
        {{"cpu", "vendor"}, JSON_STRING},
        {{"cpu", "brand"}, JSON_STRING},
        {{"cpu", "family"}, JSON_INTEGER},
        {{"cpu", "model"}, JSON_INTEGER},
        {{"cpu", "stepping"}, JSON_INTEGER},
        {{"cpu", "microcode"}, JSON_STRING},
        {{"cpu", "hypervisor"}, JSON_STRING},
        {{"cpuid", "0x00000000.0"}, JSON_STRING},
        {{"cpuid", "0x00000001.0"}, JSON_STRING},
        {{"cpuid", "0x80000000.0"}, JSON_STRING},
        {{"topology", "cores"}, JSON_INTEGER},
        {{"topology", "caches"}, JSON_ARRAY},
        {{"topology", "picture"}, JSON_STRING},
    };
    json_t *card = sm_machine_card(1);
    assert_non_null(card);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const json_t *value = json_object_get(card, fields[i].path[0]);
        if (fields[i].path[1] != NULL) value = json_object_get(value, fields[i].path[1]);
        if (value == NULL || json_typeof(value) != fields[i].type)
            fail_msg("card: %s %s is missing or of another type", fields[i].path[0],
                     fields[i].path[1] != NULL ? fields[i].path[1] : "");
    }
    assert_int_equal(json_array_size(json_object_get(card, "levels")), sm_isa_count());
    assert_int_equal(json_array_size(json_object_get(card, "peers")), sm_peer_count());
    char *text = json_dumps(card, JSON_COMPACT);
    assert_non_null(text);
    char host[256] = "";
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    if (strlen(host) > 3) assert_null(strstr(text, host));
    free(text);
    json_decref(card);
}

/* The decision is made from what the card records. */
static void test_raw_leaves(void **unused) {
    (void)unused;
    sm_cpuid cpuid;
    sm_cpuid_read(&cpuid);
    json_t *leaves = machine_cpuid_json();
    unsigned a, b, c, d;
    const char *seven = json_string_value(json_object_get(leaves, "0x00000007.0"));
    assert_int_equal(seven != NULL, cpuid.has_leaf7_0);
    if (seven != NULL) {
        assert_int_equal(sscanf(seven, "%x %x %x %x", &a, &b, &c, &d), 4);
        assert_int_equal(b, cpuid.leaf7_0.ebx);
        assert_int_equal(c, cpuid.leaf7_0.ecx);
    }
    assert_int_equal(json_object_get(leaves, "0x00000007.1") != NULL, cpuid.has_leaf7_1);
    json_decref(leaves);
    machine_cpu cpu;
    machine_cpu_get(&cpu);
    const unsigned eax = cpuid.leaf1.eax;
    const unsigned family = (eax >> 8 & 15) + ((eax >> 8 & 15) == 15 ? eax >> 20 & 255 : 0);
    assert_int_equal(cpu.family, family);
    assert_int_equal(cpu.stepping, eax & 15);
    assert_int_equal(cpu.virtualized, cpuid.leaf1.ecx >> 31);
}

static void test_slug(void **unused) {
    (void)unused;
    char slug[64], again[64], small[8];
    sm_machine_slug(slug, sizeof slug);
    sm_machine_slug(again, sizeof again);
    print_message("slug %s\n", slug);
    assert_string_equal(slug, again);
    assert_true(strlen(slug) > 8);
    assert_int_equal(strspn(slug, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(slug));
    sm_machine_slug(small, sizeof small);
    assert_int_equal(strlen(small), sizeof small - 1);
}

static void test_sizes(void **unused) {
    (void)unused;
    sm_machine_sizes sizes;
    size_t cores, threads;
    sm_machine_get_sizes(&sizes);
    machine_totals(&cores, &threads);
    assert_true(sizes.cores >= 1);
    assert_true(sizes.cores <= sizes.threads);
    assert_true(sizes.cores <= cores);
    assert_true(sizes.threads <= threads);
    if (sizes.l1d != 0) assert_in_range(sizes.l1d, 4096, 1 << 20);
    if (sizes.l1d != 0 && sizes.l2 != 0) assert_true(sizes.l2 > sizes.l1d);
    if (sizes.l2 != 0 && sizes.l3 != 0) assert_true(sizes.l3 > sizes.l2);
    cpu_set_t mask;
    assert_int_equal(sched_getaffinity(0, sizeof mask, &mask), 0);
    assert_int_equal(sizes.threads, CPU_COUNT(&mask));
}

static void test_picture(void **unused) {
    (void)unused;
    char *text = NULL;
    size_t length = 0, threads = 0, cores, total;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    sm_machine_picture(out);
    assert_int_equal(fclose(out), 0);
    for (const char *at = text; (at = strstr(at, "PU L#")) != NULL; at++) threads++;
    machine_totals(&cores, &total);
    assert_int_equal(threads, total);
    assert_int_equal(strncmp(text, "Machine", 7), 0);
    free(text);
}

static void test_pin(void **unused) {
    (void)unused;
    sm_machine_sizes sizes, pinned;
    cpu_set_t before, seen, mask;
    sm_machine_get_sizes(&sizes);
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&seen);
    for (size_t i = 0; i < sizes.threads; i++) {
        assert_int_equal(sm_machine_pin(i), 0);
        assert_int_equal(sched_getaffinity(0, sizeof mask, &mask), 0);
        assert_int_equal(CPU_COUNT(&mask), 1);
        assert_true(CPU_ISSET((size_t)sched_getcpu(), &mask));
        CPU_OR(&seen, &seen, &mask);
        assert_int_equal(CPU_COUNT(&seen), i + 1); /* another one every time */
    }
    assert_true(CPU_EQUAL(&seen, &before));
    assert_int_not_equal(sm_machine_pin(sizes.threads), 0);
    sm_machine_get_sizes(&pinned); /* what the process may use does not shrink by pinning */
    assert_int_equal(pinned.threads, sizes.threads);
    assert_int_equal(sm_machine_cpu(sizes.threads), -1);
    assert_int_equal(sm_machine_unpin(), 0);
    assert_int_equal(sched_getaffinity(0, sizeof mask, &mask), 0);
    assert_true(CPU_EQUAL(&mask, &before));
}

static void *spin(void *arg) {
    atomic_int *stop = arg;
    while (!*stop) continue;
    return NULL;
}

static void *sleep_until(void *arg) {
    (void)pthread_mutex_lock(arg);
    (void)pthread_mutex_unlock(arg);
    return NULL;
}

/* Threads that sleep do not matter. */
static void test_settle(void **unused) {
    (void)unused;
    static pthread_mutex_t asleep = PTHREAD_MUTEX_INITIALIZER;
    static atomic_int stop; /* static: a failed check leaves the threads behind */
    pthread_t sleeper, spinner;
    (void)pthread_mutex_lock(&asleep);
    assert_int_equal(pthread_create(&sleeper, NULL, sleep_until, &asleep), 0);
    assert_int_equal(sm_machine_settle(10), 0);
    assert_int_equal(pthread_create(&spinner, NULL, spin, &stop), 0);
    assert_int_equal(sm_machine_settle(0.02), -1);
    assert_int_equal(pthread_setname_np(spinner, "a\nb) S 1"), 0);
    assert_int_equal(sm_machine_settle(0.02), -1);
    stop = 1;
    assert_int_equal(pthread_join(spinner, NULL), 0);
    assert_int_equal(sm_machine_settle(10), 0);
    (void)pthread_mutex_unlock(&asleep);
    assert_int_equal(pthread_join(sleeper, NULL), 0);
}

static void look_for(void *arg, const char *text) {
    const char **wanted = arg;
    assert_null(strchr(text, '\n'));
    if (strstr(text, wanted[0]) != NULL) wanted[1] = text[0] != 0 ? "found" : NULL;
}

static void test_warnings(void **unused) {
    (void)unused;
    const char *wanted[2] = {"OMP_PROC_BIND=spread", NULL};
    assert_int_equal(unsetenv("OMP_PROC_BIND"), 0);
    sm_machine_warnings(look_for, wanted);
    assert_null(wanted[1]);
    assert_int_equal(setenv("OMP_PROC_BIND", "spread", 1), 0);
    sm_machine_warnings(look_for, wanted);
    assert_non_null(wanted[1]);
    assert_int_equal(unsetenv("OMP_PROC_BIND"), 0);
    assert_true(machine_steers_peers("MKL_NUM_THREADS=1"));
    assert_true(machine_steers_peers("OPENBLAS_CORETYPE=Zen"));
    assert_false(machine_steers_peers("PATH=/bin"));
}

static void put(const char *root, const char *name, const char *text) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static void folder(const char *root, const char *name) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", root, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void test_cgroups(void **unused) {
    (void)unused;
    char root[] = "sparsemark-cgroup-XXXXXX", list[64], command[128];
    assert_non_null(mkdtemp(root));
    (void)snprintf(list, sizeof list, "%s/groups", root);
    folder(root, "a");
    folder(root, "a/b");
    folder(root, "cpu,cpuacct");
    folder(root, "cpu,cpuacct/c");
    /* Version 2: the smallest on the way up counts, "max" is no limit. */
    put(root, "groups", "0::/a/b\n");
    assert_true(machine_cgroup_cpus(list, root) == 0);
    put(root, "a/b/cpu.max", "max 100000\n");
    assert_true(machine_cgroup_cpus(list, root) == 0);
    put(root, "a/cpu.max", "150000 100000\n");
    assert_true(machine_cgroup_cpus(list, root) == 1.5);
    put(root, "a/b/cpu.max", "400000 100000\n");
    assert_true(machine_cgroup_cpus(list, root) == 1.5);
    /* Version 1: -1 is no limit. */
    put(root, "groups", "9:name=systemd:/c\n4:cpu,cpuacct:/c\n2:cpuset:/a\n");
    put(root, "cpu,cpuacct/c/cpu.cfs_period_us", "50000\n");
    put(root, "cpu,cpuacct/c/cpu.cfs_quota_us", "-1\n");
    assert_true(machine_cgroup_cpus(list, root) == 0);
    put(root, "cpu,cpuacct/c/cpu.cfs_quota_us", "100000\n");
    assert_true(machine_cgroup_cpus(list, root) == 2);
    put(root, "groups", "no colons\n\n1:\n");
    assert_true(machine_cgroup_cpus(list, root) == 0);
    assert_true(machine_cgroup_cpus("/nonexistent", root) == 0);
    (void)snprintf(command, sizeof command, "rm -r '%s'", root);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_card),    cmocka_unit_test(test_raw_leaves),
        cmocka_unit_test(test_slug),    cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_picture), cmocka_unit_test(test_pin),
        cmocka_unit_test(test_settle),  cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_cgroups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
