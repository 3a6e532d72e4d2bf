/* Packages, caches, cores and hardware threads (PUs), as hwloc sees them. Read once. */
#include "machine/parts.h"
#include <hwloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Immutable after read_once(). allowed is where the process might run before anything was pinned.
 */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static hwloc_topology_t topology;
static hwloc_bitmap_t allowed;

static void read_once(void) {
    hwloc_topology_t made;
    if (hwloc_topology_init(&made) != 0) return;
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    (void)hwloc_topology_set_icache_types_filter(made, HWLOC_TYPE_FILTER_KEEP_ALL);
    if (set == NULL || hwloc_topology_load(made) != 0) {
        hwloc_bitmap_free(set);
        hwloc_topology_destroy(made);
        return;
    }
    if (hwloc_get_cpubind(made, set, HWLOC_CPUBIND_THREAD) != 0)
        (void)hwloc_bitmap_copy(set, hwloc_topology_get_allowed_cpuset(made));
    (void)hwloc_bitmap_and(set, set, hwloc_topology_get_allowed_cpuset(made));
    allowed = set;
    topology = made;
}

static int is_read(void) {
    (void)pthread_once(&once, read_once);
    return topology != NULL;
}

/* Some virtual machines show no cores: every PU counts as one then. */
static hwloc_obj_type_t core_type(void) {
    return hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE) > 0 ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
}

static hwloc_obj_t core_at(unsigned i) {
    return hwloc_get_obj_by_type(topology, core_type(), i);
}

/* Cores or caches that this process may use. */
static size_t count_usable(hwloc_obj_type_t type) {
    size_t count = 0;
    hwloc_obj_t object;
    for (unsigned i = 0; (object = hwloc_get_obj_by_type(topology, type, i)) != NULL; i++)
        count += (size_t)hwloc_bitmap_intersects(object->cpuset, allowed);
    return count;
}

static size_t cache_bytes(hwloc_obj_type_t type) {
    const hwloc_obj_t cache = hwloc_get_obj_by_type(topology, type, 0);
    return cache != NULL ? (size_t)cache->attr->cache.size : 0;
}

void sm_machine_get_sizes(sm_machine_sizes *out) {
    *out = (sm_machine_sizes){0};
    if (!is_read()) return;
    out->l1d = cache_bytes(HWLOC_OBJ_L1CACHE);
    out->l2 = cache_bytes(HWLOC_OBJ_L2CACHE);
    out->l3 = cache_bytes(HWLOC_OBJ_L3CACHE);
    out->l1d_count = count_usable(HWLOC_OBJ_L1CACHE);
    out->l2_count = count_usable(HWLOC_OBJ_L2CACHE);
    out->l3_count = count_usable(HWLOC_OBJ_L3CACHE);
    out->threads = (size_t)hwloc_bitmap_weight(allowed);
    out->cores = count_usable(core_type());
}

void machine_totals(size_t *cores, size_t *threads) {
    *cores = *threads = 0;
    if (!is_read()) return;
    *cores = (size_t)hwloc_get_nbobjs_by_type(topology, core_type());
    *threads = (size_t)hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);
}

size_t machine_numa_nodes(void) {
    return is_read() ? (size_t)hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE) : 0;
}

void machine_cpuset(char *buf, size_t size) {
    (void)snprintf(buf, size, "unknown");
    if (is_read()) (void)hwloc_bitmap_list_snprintf(buf, size, allowed);
}

/* The rank-th PU of a core that this process may use, or -1. */
static int pu_of(hwloc_obj_t core, size_t rank) {
    int pu = -1;
    do {
        do pu = hwloc_bitmap_next(core->cpuset, pu);
        while (pu >= 0 && !hwloc_bitmap_isset(allowed, (unsigned)pu));
    } while (pu >= 0 && rank-- > 0);
    return pu;
}

int sm_machine_cpu(size_t i) {
    if (!is_read()) return -1;
    for (size_t rank = 0, found = 1; found; rank++) {
        found = 0;
        for (unsigned c = 0; core_at(c) != NULL; c++) {
            const int pu = pu_of(core_at(c), rank);
            if (pu < 0) continue;
            found = 1;
            if (i-- == 0) return pu;
        }
    }
    return -1;
}

void sm_machine_cpus(int *cpus, size_t room) {
    sm_machine_sizes sizes;
    sm_machine_get_sizes(&sizes);
    for (size_t i = 0; i < sizes.threads && i < room; i++) cpus[i] = sm_machine_cpu(i);
}

int sm_machine_pin(size_t i) {
    const int cpu = sm_machine_cpu(i);
    hwloc_bitmap_t set = cpu < 0 ? NULL : hwloc_bitmap_alloc();
    if (set == NULL) return -1;
    (void)hwloc_bitmap_only(set, (unsigned)cpu);
    const int status = hwloc_set_cpubind(topology, set, HWLOC_CPUBIND_THREAD);
    hwloc_bitmap_free(set);
    return status;
}

int sm_machine_unpin(void) {
    return is_read() ? hwloc_set_cpubind(topology, allowed, HWLOC_CPUBIND_THREAD) : -1;
}

static void describe(FILE *out, hwloc_obj_t object) {
    char type[64], attributes[128];
    (void)hwloc_obj_type_snprintf(type, sizeof type, object, 0);
    (void)hwloc_obj_attr_snprintf(attributes, sizeof attributes, object, " ", 0);
    (void)fprintf(out, "%s", type);
    if (object->depth != 0) (void)fprintf(out, " L#%u", object->logical_index);
    const int numbered = object->type == HWLOC_OBJ_PU || object->type == HWLOC_OBJ_NUMANODE;
    if (!numbered && attributes[0] == 0) return;
    (void)fputs(" (", out);
    if (numbered) (void)fprintf(out, "P#%u%s", object->os_index, attributes[0] ? " " : "");
    (void)fprintf(out, "%s)", attributes);
}

/* Objects below a package that hold one another alone share a line. The tree is a dozen deep. */
static void draw(FILE *out, hwloc_obj_t object, int indent) {
    (void)fprintf(out, "%*s", indent, "");
    describe(out, object);
    while (object->arity == 1 && object->memory_arity == 0 &&
           hwloc_obj_type_is_cache(object->type)) {
        object = object->first_child;
        (void)fputs(" + ", out);
        describe(out, object);
    }
    if (object->type == HWLOC_OBJ_CORE && object->arity == 1) {
        object = object->first_child;
        (void)fputs(" + ", out);
        describe(out, object);
    }
    (void)fputc('\n', out);
    for (hwloc_obj_t child = object->memory_first_child; child; child = child->next_sibling)
        draw(out, child, indent + 2);
    for (hwloc_obj_t child = object->first_child; child; child = child->next_sibling)
        draw(out, child, indent + 2);
}

void sm_machine_picture(FILE *out) {
    if (is_read())
        draw(out, hwloc_get_root_obj(topology), 0);
    else
        (void)fputs("topology not readable\n", out);
}

static json_t *caches_json(void) {
    static const struct {
        hwloc_obj_type_t type;
        const char *name;
    } types[] = {{HWLOC_OBJ_L1ICACHE, "L1i"},
                 {HWLOC_OBJ_L1CACHE, "L1d"},
                 {HWLOC_OBJ_L2CACHE, "L2"},
                 {HWLOC_OBJ_L3CACHE, "L3"},
                 {HWLOC_OBJ_L4CACHE, "L4"}};
    json_t *caches = json_array();
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const hwloc_obj_t cache = hwloc_get_obj_by_type(topology, types[i].type, 0);
        if (cache == NULL) continue;
        (void)json_array_append_new(
            caches,
            json_pack("{s:s, s:I, s:i, s:i, s:i, s:i}", "name", types[i].name, "bytes",
                      (json_int_t)cache->attr->cache.size, "line_bytes",
                      (int)cache->attr->cache.linesize, "ways", cache->attr->cache.associativity,
                      "count", hwloc_get_nbobjs_by_type(topology, types[i].type), "threads_each",
                      hwloc_bitmap_weight(cache->cpuset)));
    }
    return caches;
}

json_t *machine_topology_json(void) {
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL) return json_null();
    sm_machine_picture(out);
    (void)fclose(out);
    size_t cores, threads;
    machine_totals(&cores, &threads);
    json_t *json = json_pack("{s:i, s:I, s:I, s:I, s:o, s:s}", "packages",
                             topology ? hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PACKAGE) : 0,
                             "numa_nodes", (json_int_t)machine_numa_nodes(), "cores",
                             (json_int_t)cores, "threads", (json_int_t)threads, "caches",
                             topology ? caches_json() : json_array(), "picture", text);
    free(text);
    return json;
}
