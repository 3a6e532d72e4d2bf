/* Buffers that lie in one memory. L1, L2: half of what a thread has of it. L3: four times the L2,
 * so that little of it stays there and other users of the L3 leave it room. DRAM: eight times the
 * last caches, for a cache that is read in circles keeps its share of the circle: with 32 MiB of L3
 * (Zen 5) one thread reads 1, 2, 4, 6 and 8 times as much at 82, 55, 45, 42 and 41 GB/s, and more
 * at 41. Limits: a cache too small beside the one before it cannot be measured; the largest caches
 * hold more than the largest buffer. */
#include "roof/sizes.h"
#include "machine/machine.h"
#include "roof/loops.h"
#include "roof/roof.h"
#include <stdint.h>
#include <unistd.h>

enum { CIRCLE = 8 }; /* times the last caches */
static const size_t UNKNOWN_CACHE = (size_t)64 << 20;
static const size_t DRAM_LEAST = (size_t)64 << 20, DRAM_MOST = (size_t)512 << 20;

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Bytes of all caches of one level that the first `threads` threads reach, as sm_machine_pin()
 * places them: neighbouring cores in turn, then their siblings. */
static size_t reached(size_t memory, size_t threads) {
    sm_machine_sizes s;
    sm_machine_get_sizes(&s);
    const struct {
        size_t bytes, count;
    } caches[] = {{s.l1d, s.l1d_count}, {s.l2, s.l2_count}, {s.l3, s.l3_count}};
    const size_t count = caches[memory].count;
    if (count == 0 || s.cores == 0) return 0;
    const size_t cores = least(threads ? threads : 1, s.cores);
    const size_t cores_each = (s.cores + count - 1) / count;
    return caches[memory].bytes * ((cores + cores_each - 1) / cores_each);
}

static size_t share(size_t memory, size_t threads) {
    return reached(memory, threads) / (threads ? threads : 1);
}

size_t sm_roof_cached(size_t threads) {
    size_t most = 0;
    for (size_t memory = SM_ROOF_L1; memory <= SM_ROOF_L3; memory++)
        if (reached(memory, threads) > most) most = reached(memory, threads);
    return most;
}

static size_t machine_memory(void) {
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages > 0 && page > 0 ? (size_t)pages * (size_t)page : SIZE_MAX;
}

size_t sm_roof_ring(size_t threads, size_t rings) {
    const size_t cached = sm_roof_cached(threads), cache = cached ? cached : UNKNOWN_CACHE;
    const size_t fits = least(CIRCLE * cache, machine_memory() / 4 / (rings ? rings : 1));
    return fits > 2 * cache ? fits : 2 * cache;
}

/* A quarter of the machine's memory at most: it is touched. */
static size_t dram_window(size_t threads) {
    const size_t most = least(DRAM_MOST, machine_memory() / 4);
    const size_t wanted = CIRCLE * sm_roof_cached(threads);
    return least(wanted > DRAM_LEAST ? wanted : DRAM_LEAST, most) / (threads ? threads : 1);
}

static size_t l3_window(size_t threads) {
    const size_t l2 = share(SM_ROOF_L2, threads), l3 = share(SM_ROOF_L3, threads);
    const size_t window = least(l2 ? 4 * l2 : l3 / 2, l3 / 4 * 3);
    return window >= 2 * l2 ? window : 0;
}

size_t sm_roof_window(size_t memory, size_t threads) {
    size_t window = 0;
    switch (memory) {
    case SM_ROOF_L1:
        window = share(SM_ROOF_L1, threads) / 2;
        break;
    case SM_ROOF_L2:
        window = share(SM_ROOF_L2, threads) / 2;
        if (window < 2 * share(SM_ROOF_L1, threads)) window = 0;
        break;
    case SM_ROOF_L3:
        window = l3_window(threads);
        break;
    case SM_ROOF_DRAM:
        window = dram_window(threads);
        break;
    default:
        break;
    }
    return window / SM_ROOF_GRAIN * SM_ROOF_GRAIN;
}

size_t sm_roof_memory(size_t bytes, size_t threads) {
    for (size_t memory = SM_ROOF_L1; memory <= SM_ROOF_L3; memory++)
        if (sm_roof_window(memory, threads) > 0 && reached(memory, threads) >= bytes) return memory;
    return SM_ROOF_DRAM;
}

const char *sm_roof_memory_name(size_t memory) {
    static const char *const names[SM_ROOF_MEMORIES] = {"L1", "L2", "L3", "DRAM"};
    return memory < SM_ROOF_MEMORIES ? names[memory] : NULL;
}
