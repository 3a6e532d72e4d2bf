/* The library's own version; SM_VERSION comes from CMake. */
#include <sparsemark/version.h>

unsigned sm_abi(void) {
    return SM_ABI;
}

const char *sm_version(void) {
    return SM_VERSION;
}
