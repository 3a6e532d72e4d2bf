/* Memory with a page on either side that may not be touched. */
#include "check/check.h"
#include <sys/mman.h>
#include <unistd.h>

int sm_guarded_alloc(size_t bytes, int at_end, sm_guarded *out) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t inner = (bytes + page - 1) / page * page + page;
    *out = (sm_guarded){0};
    char *map = mmap(NULL, inner + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) return -1;
    out->map = map;
    out->map_bytes = inner + 2 * page;
    if (mprotect(map + page, inner, PROT_READ | PROT_WRITE) != 0) {
        sm_guarded_free(out);
        return -1;
    }
    out->data = at_end ? map + page + inner - bytes : map + page;
    return 0;
}

void sm_guarded_free(sm_guarded *g) {
    if (g->map) munmap(g->map, g->map_bytes);
    *g = (sm_guarded){0};
}
