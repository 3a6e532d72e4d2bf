/* What the files of this folder share. */
#ifndef PARTS_H
#define PARTS_H

#include "machine/machine.h"
#include <stddef.h>

typedef struct machine_cpu {
    char vendor[16], brand[64];  /* "" where unknown */
    int family, model, stepping; /* with the extended fields added in */
    char microcode[24];          /* as the kernel shows it, or "unknown" */
    char hypervisor[16];         /* vendor string of the hypervisor, "" for none */
    int virtualized;             /* the hypervisor bit */
} machine_cpu;
void machine_cpu_get(machine_cpu *out);

/* {"0x00000001.0": "eax ebx ecx edx", ...} in hexadecimal. */
json_t *machine_cpuid_json(void);

/* {"packages", "numa_nodes", "cores", "threads", "caches": [...], "picture"}. */
json_t *machine_topology_json(void);
void machine_cpuset(char *buf, size_t size); /* "0-1": hardware threads this process may use */
void machine_totals(size_t *cores, size_t *threads); /* of the machine, used or not */
size_t machine_numa_nodes(void);                     /* 0 = unknown */

/* Below, root stands before /proc and /sys: "" for this machine, a folder of made files in tests.
 */

/* The governors of all CPUs ("performance", "ondemand powersave"), or "not exposed". */
void machine_governor(const char *root, char *buf, size_t size);

/* Load averages over 1, 5 and 15 minutes; 0 when read. */
int machine_load(const char *root, double load[3]);

/* CPUs' worth of time that control groups grant: the smallest quota on the way from the group in
 * proc_cgroup (/proc/self/cgroup) to the root of the hierarchy mounted at mount (/sys/fs/cgroup).
 * 0 for no limit. Versions 1 and 2. */
double machine_cgroup_cpus(const char *proc_cgroup, const char *mount);

/* Is name=value one of the variables that change what peers do? */
int machine_steers_peers(const char *name_value);

/* The first line of a file without its end; 0 when there is one. */
int machine_first_line(const char *path, char *buf, size_t size);

/* What the conditions are judged from: files below root, and what no file says. */
typedef struct machine_view {
    const char *root;
    machine_cpu cpu;
    size_t cores, threads, allowed, numa_nodes; /* allowed: hardware threads of this process */
    double clock_call_ns, clock_step_ns; /* what reading the clock costs; its smallest step */
    int counter_error;   /* errno of opening a counter of cycles, 0 where it opened */
    int fixed_addresses; /* address randomisation is switched off for this process */
} machine_view;
void machine_view_read(machine_view *out);

/* Every condition, fine or not, in the order in which they are shown. */
void machine_findings(const machine_view *view, sm_findings *out);

/* Cost of a call of clock_gettime() and the smallest step it shows, both in ns. */
void machine_clock(double *call_ns, double *step_ns);

/* 0, or the errno with which the kernel refuses a counter of this thread's cycles. */
int machine_counter_error(void);

#endif
