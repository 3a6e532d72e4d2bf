/* Opens a peer's shared library and resolves the functions its family calls. */
#include "peers/family.h"
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* RTLD_LOCAL keeps a peer's names from the others, but not the others' from it: MKL opens its parts
 * with RTLD_GLOBAL, after which BLIS's cblas_sgemm would call MKL's sgemm_, and the program itself
 * carries GSL's cblas. RTLD_DEEPBIND makes a library prefer its own names. */
enum { OPEN_FLAGS = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND };

/* 1: there is nothing at this place, try the next one. */
static int open_place(const char *place, void **handle, char *reason, size_t size) {
    char path[PATH_MAX];
    if (place[0] == '@') {
        if (peer_search(place + 1, path, sizeof path) != 0) return 1;
        place = path;
    } else if (strchr(place, '/') != NULL && access(place, F_OK) != 0) {
        return 1;
    }
    *handle = dlopen(place, OPEN_FLAGS);
    if (*handle != NULL) return 0;
    const char *error = dlerror();
    const size_t length = strlen(place);
    /* The loader found no such library, rather than one it could not open. */
    const int absent = strchr(place, '/') == NULL && strncmp(error, place, length) == 0 &&
                       strstr(error, "No such file") != NULL;
    if (!absent) (void)snprintf(reason, size, "cannot be opened: %s", error);
    return absent ? 1 : -1;
}

static int resolve(peer_library *library, char *reason, size_t size) {
    for (const peer_symbol *s = library->family->symbols; s->name != NULL; s++) {
        void *address = dlsym(library->handle, s->name);
        if (address == NULL) {
            (void)snprintf(reason, size, "%s has no %s", library->path, s->name);
            return -1;
        }
        memcpy((char *)library->api + s->offset, &address, sizeof address);
    }
    return 0;
}

/* Keeps the path of what was loaded, so that a later load cannot find another file. */
static int keep_path(peer_library *library, char *reason, size_t size) {
    struct link_map *map = NULL;
    char resolved[PATH_MAX];
    if (dlinfo(library->handle, RTLD_DI_LINKMAP, &map) == 0 &&
        realpath(map->l_name, resolved) != NULL) {
        const size_t length = strlen(resolved);
        if (length < sizeof library->path) {
            memcpy(library->path, resolved, length + 1);
            return 0;
        }
    }
    (void)snprintf(reason, size, "its path is unknown or longer than %zu bytes",
                   sizeof library->path - 1);
    return -1;
}

static void absent(const char *where, char *reason, size_t size) {
    /* Named by the first place: the path's last part, or the glob. */
    const size_t length = strcspn(where, ":");
    const char *name = where + (where[0] == '@');
    for (const char *c = where; c < where + length; c++)
        if (*c == '/') name = c + 1;
    (void)snprintf(reason, size, "no %.*s found%s", (int)(where + length - name), name,
                   strchr(where, '@') != NULL ? "; SPARSEMARK_PEER_PATH may name folders to look in"
                                              : "");
}

int peer_library_open(const peer_family *family, const char *where, peer_library *out, char *reason,
                      size_t reason_size) {
    char places[512];
    *out = (peer_library){.family = family};
    (void)snprintf(places, sizeof places, "%s", where);
    char *rest = NULL;
    int status = 1;
    for (char *place = strtok_r(places, ":", &rest); place != NULL && status == 1;
         place = strtok_r(NULL, ":", &rest))
        status = open_place(place, &out->handle, reason, reason_size);
    if (status == 1) absent(where, reason, reason_size);
    if (status != 0) return -1;
    out->api = calloc(1, family->api_size);
    if (out->api == NULL) (void)snprintf(reason, reason_size, "out of memory");
    if (out->api == NULL || keep_path(out, reason, reason_size) != 0 ||
        resolve(out, reason, reason_size) != 0) {
        peer_library_close(out);
        return -1;
    }
    if (family->start != NULL && family->start(out->api) != 0) {
        (void)snprintf(reason, reason_size, "%s refuses the interface or threads asked for",
                       out->path);
        peer_library_close(out);
        return -1;
    }
    return 0;
}

void peer_library_close(peer_library *library) {
    free(library->api);
    library->api = NULL;
    if (library->handle != NULL) (void)dlclose(library->handle);
    library->handle = NULL;
}

sm_status peer_fits_int(const sm_peer_problem *problem) {
    if (problem->m <= INT_MAX && problem->k <= INT_MAX && problem->n <= INT_MAX) return SM_OK;
    return sm_fail(SM_E_LIMIT, "m %zu, k %zu, n %zu: the library's integers end at %d", problem->m,
                   problem->k, problem->n, INT_MAX);
}

sm_status peer_csr_fits_int(const sm_peer_problem *problem) {
    SM_TRY(peer_fits_int(problem));
    if (problem->csr->nnz <= INT_MAX) return SM_OK;
    return sm_fail(SM_E_LIMIT, "%zu nonzeros: the library's integers end at %d", problem->csr->nnz,
                   INT_MAX);
}
