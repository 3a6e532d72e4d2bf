/* What the operating system does to this machine's speed: governor, load, control groups. */
#include "machine/parts.h"
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int machine_first_line(const char *path, char *buf, size_t size) {
    buf[0] = 0;
    FILE *in = fopen(path, "r");
    if (in == NULL) return -1;
    const int status = fgets(buf, (int)size, in) != NULL ? 0 : -1;
    (void)fclose(in);
    buf[strcspn(buf, "\n")] = 0;
    return status;
}

void machine_governor(const char *root, char *buf, size_t size) {
    glob_t found = {0};
    char pattern[PATH_MAX];
    buf[0] = 0;
    (void)snprintf(pattern, sizeof pattern,
                   "%s/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor", root);
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            char line[64];
            const size_t used = strlen(buf);
            if (machine_first_line(found.gl_pathv[i], line, sizeof line) != 0) continue;
            if (strstr(buf, line) == NULL)
                (void)snprintf(buf + used, size - used, "%s%s", used ? " " : "", line);
        }
    }
    globfree(&found);
    if (buf[0] == 0) (void)snprintf(buf, size, "not exposed");
}

int machine_load(const char *root, double load[3]) {
    char path[PATH_MAX], line[128];
    (void)snprintf(path, sizeof path, "%s/proc/loadavg", root);
    if (machine_first_line(path, line, sizeof line) != 0) return -1;
    return sscanf(line, "%lf %lf %lf", &load[0], &load[1], &load[2]) == 3 ? 0 : -1;
}

int sm_machine_cpu_time(const char *root, sm_cpu_time *out) {
    enum { IDLE = 3, IO_WAIT = 4, STEAL = 7, KINDS = 8 };
    char path[PATH_MAX], line[256];
    unsigned long long t[KINDS];
    *out = (sm_cpu_time){0};
    (void)snprintf(path, sizeof path, "%s/proc/stat", root);
    if (machine_first_line(path, line, sizeof line) != 0 ||
        sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3],
               &t[4], &t[5], &t[6], &t[7]) != KINDS)
        return -1;
    const double tick_s = 1.0 / (double)sysconf(_SC_CLK_TCK);
    for (size_t i = 0; i < KINDS; i++) out->total += (double)t[i] * tick_s;
    out->stolen = (double)t[STEAL] * tick_s;
    out->busy = out->total - out->stolen - (double)(t[IDLE] + t[IO_WAIT]) * tick_s;
    return 0;
}

/* Quota in CPUs of one group's folder; 0 for none. */
static double quota_at(const char *folder) {
    char path[PATH_MAX + 32], line[64];
    double quota = 0, period = 0;
    (void)snprintf(path, sizeof path, "%s/cpu.max", folder); /* version 2: "max 100000" */
    if (machine_first_line(path, line, sizeof line) == 0)
        return sscanf(line, "%lf %lf", &quota, &period) == 2 && period > 0 ? quota / period : 0;
    (void)snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder); /* version 1: -1 for none */
    if (machine_first_line(path, line, sizeof line) != 0 || sscanf(line, "%lf", &quota) != 1)
        return 0;
    (void)snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (machine_first_line(path, line, sizeof line) != 0 || sscanf(line, "%lf", &period) != 1)
        return 0;
    return quota > 0 && period > 0 ? quota / period : 0;
}

/* The smallest quota from mount/hierarchy/group up to mount/hierarchy. */
static double smallest_quota(const char *mount, const char *hierarchy, const char *group) {
    char folder[PATH_MAX];
    const int length = snprintf(folder, sizeof folder, "%s%s%s", mount, hierarchy, group);
    if (length < 0 || (size_t)length >= sizeof folder) return 0;
    const size_t root = strlen(mount) + strlen(hierarchy);
    double smallest = 0;
    for (;;) {
        const double quota = quota_at(folder);
        if (quota > 0 && (smallest == 0 || quota < smallest)) smallest = quota;
        char *slash = strrchr(folder, '/');
        if (slash == NULL || (size_t)(slash - folder) < root) return smallest;
        *slash = 0;
    }
}

/* Does a comma-separated list of controllers hold cpu? */
static int has_cpu(const char *list) {
    for (const char *word = list; *word != 0; word += strcspn(word, ",")) {
        word += *word == ',';
        if (strcspn(word, ",") == 3 && strncmp(word, "cpu", 3) == 0) return 1;
    }
    return 0;
}

double machine_cgroup_cpus(const char *proc_cgroup, const char *mount) {
    char line[PATH_MAX];
    double smallest = 0;
    FILE *in = fopen(proc_cgroup, "r");
    if (in == NULL) return 0;
    while (fgets(line, sizeof line, in) != NULL) {
        /* "4:cpu,cpuacct:/group", or "0::/group" in version 2. */
        line[strcspn(line, "\n")] = 0;
        char *controllers = strchr(line, ':');
        char *group = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (group == NULL) continue;
        *controllers++ = 0;
        *group++ = 0;
        double quota = 0;
        if (controllers[0] == 0) {
            quota = smallest_quota(mount, "", group);
        } else if (has_cpu(controllers)) {
            char hierarchy[PATH_MAX + 1];
            (void)snprintf(hierarchy, sizeof hierarchy, "/%s", controllers);
            quota = smallest_quota(mount, hierarchy, group);
        }
        if (quota > 0 && (smallest == 0 || quota < smallest)) smallest = quota;
    }
    (void)fclose(in);
    return smallest;
}

int machine_steers_peers(const char *name_value) {
    static const char *const prefixes[] = {"OPENBLAS_", "GOTO_", "OMP_",  "GOMP_",   "KMP_",
                                           "MKL_",      "BLIS_", "DNNL_", "ONEDNN_", "AOCL_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(name_value, prefixes[i], strlen(prefixes[i])) == 0) return 1;
    return 0;
}
