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

/* The governors of all CPUs ("performance", "ondemand powersave"), or "not exposed". */
void machine_governor(char *buf, size_t size);

/* Load averages over 1, 5 and 15 minutes; 0 when read. */
int machine_load(double load[3]);

/* CPUs' worth of time that control groups grant: the smallest quota on the way from the group in
 * proc_cgroup (/proc/self/cgroup) to the root of the hierarchy mounted at mount (/sys/fs/cgroup).
 * 0 for no limit. Versions 1 and 2. */
double machine_cgroup_cpus(const char *proc_cgroup, const char *mount);

/* Is name=value one of the variables that change what peers do? */
int machine_steers_peers(const char *name_value);

/* The first line of a file without its end; 0 when there is one. */
int machine_first_line(const char *path, char *buf, size_t size);

#endif
