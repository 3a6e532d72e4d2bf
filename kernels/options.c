/* Options as an older or a later caller knows them. No struct has a size off its alignment; the
 * upper end keeps a size that was never set from reading far. */
#include "options.h"
#include <string.h>

sm_status sm_options_copy(const char *name, const void *given, void *own, size_t known) {
    enum { LARGEST = 4096 };
    size_t size;
    memcpy(&size, given, sizeof size);
    if (size == 0 || size > LARGEST || size % _Alignof(size_t) != 0)
        return sm_fail(SM_E_ARG, "%s.size is %zu: expected sizeof(%s), which is %zu here", name,
                       size, name, known);
    const unsigned char *bytes = given;
    for (size_t i = known; i < size; i++)
        if (bytes[i] != 0)
            return sm_fail(SM_E_ARG,
                           "%s: byte %zu is set: expected zeros from %zu on, where the options of "
                           "this version end",
                           name, i, known);
    memcpy(own, given, size < known ? size : known);
    return SM_OK;
}
