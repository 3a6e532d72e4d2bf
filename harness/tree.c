/* Where this program is. */
#include "tree.h"
#include <string.h>
#include <unistd.h>

int sm_program_folder(int up, char *folder, size_t size) {
    const ssize_t length = readlink("/proc/self/exe", folder, size);
    if (length <= 0 || (size_t)length >= size) return -1;
    folder[length] = '\0';
    for (; up >= 0; up--) {
        char *slash = strrchr(folder, '/');
        if (!slash) return -1;
        *slash = '\0';
    }
    return 0;
}
