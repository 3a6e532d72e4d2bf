/* Which machine this is and what on it spoils timings. */
#ifndef MACHINE_H
#define MACHINE_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/* The card stored with every run (see results/README.md "run"): UTC, git commit and dirty flag of
 * the build, compiler and flags, CPU vendor, brand, family/model/stepping, microcode, raw CPUID
 * leaves and XCR0, hypervisor, caches, topology, cpuset, governor or "not exposed", load average,
 * levels usable, peers with version and core type, environment variables that steer them. Without
 * `peers` none is looked for, which loads each in a process of its own, and the list is empty. */
json_t *sm_machine_card(int peers);

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

typedef enum sm_verdict { SM_VERDICT_OK, SM_VERDICT_NOTE, SM_VERDICT_BAD } sm_verdict;
const char *sm_verdict_name(sm_verdict verdict); /* "ok", "note", "bad" */

/* A condition that matters for timing, in words. */
typedef struct sm_finding {
    const char *name; /* "frequency governor" */
    char value[128];  /* "powersave" */
    sm_verdict verdict;
    const char *effect; /* what it does to timings; "" where it is fine */
    const char *advice; /* what to do about it; "" where it is fine */
    int warns;          /* worth a warning in every run: not only where processes are compared */
} sm_finding;

enum { SM_MAX_FINDINGS = 32 };
typedef struct sm_findings {
    sm_finding items[SM_MAX_FINDINGS];
    size_t count;
} sm_findings;
json_t *sm_findings_json(const sm_findings *findings); /* an array; new reference */

/* Fills in everything but name and warns; where the verdict is ok, effect and advice are dropped.
 */
void sm_finding_say(sm_finding *f, sm_verdict verdict, const char *effect, const char *advice,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Looks at every condition of this machine, fine or not. Reads only. */
void sm_machine_findings(sm_findings *out);

/* Time of all hardware threads since boot, in seconds; 0 when read. root is "" for this machine. */
typedef struct sm_cpu_time {
    double busy, stolen, total; /* stolen: wanted, but given to somebody else by the hypervisor */
} sm_cpu_time;
int sm_machine_cpu_time(const char *root, sm_cpu_time *out);

/* Calls say(arg, text) for every condition that spoils a run. */
void sm_machine_warnings(void (*say)(void *arg, const char *text), void *arg);

/* The operating system's number of the CPU for thread i (one PU a core before SMT siblings), or -1
 */
int sm_machine_cpu(size_t i);

/* The same for as many threads as the hardware has and room allows; the rest stays as it was. */
void sm_machine_cpus(int *cpus, size_t room);

/* Pins the calling thread to that CPU, or gives it back all that the process started with; 0 when
 * done. */
int sm_machine_pin(size_t i);
int sm_machine_unpin(void);

/* Naps until no other thread of this process is seen running, at most so long: those of a library
 * spin for tens of milliseconds after a call, on cores that the next one wants. 0 when none is. */
int sm_machine_settle(double seconds);

#endif
