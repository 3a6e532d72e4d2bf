/* A build of the library, opened at run time as a table of its functions. The loader takes a file
 * it knows (by name or by inode) for the library it has, so each instance is a file in memory. */
#include "ab/library.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

void ab_library_own(ab_library *out) {
#define AB_OWN(name) out->name = sm_##name;
    AB_FUNCTIONS(AB_OWN)
#undef AB_OWN
}

/* A copy with a number of its own. It is not closed: a later copy would get the number, hence the
 * name, of an earlier one. */
static int copy_file(int from) {
    struct stat info;
    off_t at = 0;
    const int to = memfd_create("instance", MFD_CLOEXEC);
    if (to < 0 || fstat(from, &info) != 0) return -1;
    while (at < info.st_size)
        if (sendfile(to, from, &at, (size_t)(info.st_size - at)) <= 0) return -1;
    return to;
}

static sm_status resolve(void *handle, ab_library *out) {
#define AB_RESOLVE(name) {"sm_" #name, offsetof(ab_library, name)},
    static const struct {
        const char *name;
        size_t offset;
    } symbols[] = {AB_FUNCTIONS(AB_RESOLVE)};
#undef AB_RESOLVE
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        void *address = dlsym(handle, symbols[i].name);
        if (!address)
            return sm_fail(SM_E_FORMAT, "not a sparsemark library: it has no %s()",
                           symbols[i].name);
        memcpy((char *)out + symbols[i].offset, &address, sizeof address);
        /* The first of the list: another ABI may lack the rest, and is the better reason. */
        if (i == 0 && out->abi() != SM_ABI)
            return sm_fail(SM_E_FORMAT, "its ABI is %u: expected %d, that of this program",
                           out->abi(), SM_ABI);
    }
    return SM_OK;
}

sm_status ab_library_open(int fd, ab_library *out) {
    char name[64];
    const int copy = copy_file(fd);
    if (copy < 0) return sm_fail(SM_E_IO, "no memory for a copy of it: %s", strerror(errno));
    (void)snprintf(name, sizeof name, "/proc/self/fd/%d", copy);
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (handle) return resolve(handle, out);
    const char *error = dlerror(), *reason = strstr(error, ": ");
    return sm_fail(SM_E_IO, "cannot be loaded: %s", reason ? reason + 2 : error);
}
