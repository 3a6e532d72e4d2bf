/* Which machine this is and what on it spoils timings. */
#ifndef MACHINE_H
#define MACHINE_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/* The card stored with every run (see results/README.md "run"): UTC, git commit and dirty flag of
 * the build, compiler and flags, CPU vendor, brand, family/model/stepping, microcode, raw CPUID
 * leaves and XCR0, hypervisor, caches, topology, cpuset, governor or "not exposed", load average,
 * levels usable, peers with version and core type, environment variables that steer them. */
json_t *sm_machine_card(void);

/* What names machine and build alone: "slug", "utc", "build", "cpu" of the card. Looks for no peer,
 * so that no thread of one is started. */
json_t *sm_machine_identity(void);

/* A short name fit for a folder, from the CPU's identity: "amd-f25m17-avx512-2c". */
void sm_machine_slug(char *buf, size_t size);

/* Data cache sizes in bytes (0 = unknown), how many of each there are, cores and hardware threads:
 * those that this process may use. */
typedef struct sm_machine_sizes {
    size_t l1d, l2, l3, l1d_count, l2_count, l3_count, cores, threads;
} sm_machine_sizes;
void sm_machine_get_sizes(sm_machine_sizes *out);

/* lstopo-like text picture of packages, caches, cores and PUs. */
void sm_machine_picture(FILE *out);

/* Calls say(arg, text) for every condition that matters for timing; returns how many. */
size_t sm_machine_warnings(void (*say)(void *arg, const char *text), void *arg);

/* The operating system's number of the CPU for thread i (one PU a core before SMT siblings), or -1
 */
int sm_machine_cpu(size_t i);

/* Pins the calling thread to that CPU, or gives it back all that the process started with; 0 when
 * done. */
int sm_machine_pin(size_t i);
int sm_machine_unpin(void);

#endif
