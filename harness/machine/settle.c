/* Whether other threads of this process run, from their states in /proc. */
#include "machine/machine.h"
#include "measure/clock.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* "TID (name) S ...", where the name may hold anything. */
static int runs(const char *tid) {
    char path[PATH_MAX], text[256] = "";
    (void)snprintf(path, sizeof path, "/proc/self/task/%s/stat", tid);
    errno = 0;
    FILE *in = fopen(path, "r");
    if (in == NULL) return errno != ENOENT && errno != ESRCH; /* those have ended */
    const size_t size = fread(text, 1, sizeof text - 1, in);
    (void)fclose(in);
    const char *state = memrchr(text, ')', size);
    return size > 0 && (state == NULL || strncmp(state, ") R", 3) == 0);
}

/* Unknown counts as running. */
static int others_run(void) {
    int found = 0;
    const struct dirent *entry;
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL) return 1;
    while (!found && (entry = readdir(tasks)) != NULL)
        found = entry->d_name[0] != '.' && strtol(entry->d_name, NULL, 10) != (long)gettid() &&
                runs(entry->d_name);
    (void)closedir(tasks);
    return found;
}

int sm_machine_settle(double seconds) {
    static const struct timespec nap = {.tv_nsec = 1000000};
    for (const double end = clock_ns() + 1e9 * seconds; others_run(); (void)nanosleep(&nap, NULL))
        if (clock_ns() >= end) return -1;
    return 0;
}
