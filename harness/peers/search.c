/* Finds libraries that came from PyPI: below SPARSEMARK_PEER_PATH, then in the virtual environment
 * of the source tree the program was built in. */
#include "peers/family.h"
#include "tree.h"
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Copies a folder so that glob() takes every character of it literally. */
static int escape(const char *folder, size_t length, char *out, size_t size) {
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        if (used + 3 > size) return -1;
        if (strchr("*?[]\\", folder[i]) != NULL) out[used++] = '\\';
        out[used++] = folder[i];
    }
    out[used] = 0;
    return 0;
}

static int search_folder(const char *folder, size_t length, const char *name, char *path,
                         size_t size) {
    /* Two levels down, and the places inside a virtual environment. */
    static const char *const below[] = {"", "*/", "*/*/", "lib/python3*/site-packages/*/lib/",
                                        "lib/python3*/site-packages/*.libs/"};
    char escaped[PATH_MAX], pattern[PATH_MAX + 128];
    if (escape(folder, length, escaped, sizeof escaped) != 0) return -1;
    for (size_t i = 0; i < sizeof below / sizeof below[0]; i++) {
        (void)snprintf(pattern, sizeof pattern, "%s/%s%s", escaped, below[i], name);
        glob_t found = {0};
        int status = -1;
        if (glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc > 0) {
            /* The last in order has the highest version. */
            const char *last = found.gl_pathv[found.gl_pathc - 1];
            if (strlen(last) < size) {
                (void)snprintf(path, size, "%s", last);
                status = 0;
            }
        }
        globfree(&found);
        if (status == 0) return 0;
    }
    return -1;
}

int peer_search(const char *name, char *path, size_t size) {
    const char *rest = getenv("SPARSEMARK_PEER_PATH");
    while (rest != NULL && *rest != 0) {
        const size_t length = strcspn(rest, ":");
        if (length > 0 && search_folder(rest, length, name, path, size) == 0) return 0;
        rest += length + (rest[length] == ':');
    }
    char root[PATH_MAX], environment[PATH_MAX + 8];
    if (sm_program_folder(2, root, sizeof root) != 0) return -1;
    const int written = snprintf(environment, sizeof environment, "%s/.venv", root);
    return search_folder(environment, (size_t)written, name, path, size);
}
