/* Numbers as the user writes them: counts, shares, times. */
#include "input/text.h"
#include "measure/axes.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

sm_status sm_axis_number(const char *option, const char *word, double low, double high,
                         const char **end, double *out) {
    char *stop;
    errno = 0;
    const double v = strtod(word, &stop);
    *end = stop;
    *out = v;
    const int plain = (size_t)(stop - word) <= strspn(word, "0123456789.eE+-");
    if (stop == word || !strchr("0123456789.", word[0]) || !plain || errno == ERANGE ||
        !(v >= low && v <= high))
        return sm_fail(SM_E_ARG, "%s '%s': expected a number from %g to %g", option, word, low,
                       high);
    return SM_OK;
}

sm_status sm_axis_count(const char *option, const char *word, size_t high, size_t *out) {
    uint64_t v;
    *out = 0;
    if (!text_number((text_span){word, strlen(word)}, &v) || v < 1 || v > high)
        return sm_fail(SM_E_ARG, "%s '%s': expected a whole number from 1 to %zu", option, word,
                       high);
    *out = (size_t)v;
    return SM_OK;
}

sm_status sm_axis_share(const char *option, const char *text, double *out) {
    const char *end;
    SM_TRY(sm_axis_number(option, text, 0, 100, &end, out));
    const int percent = strcmp(end, "%") == 0;
    if (percent) *out /= 100;
    /* As many digits as records keep: a resumed run compares it with what it wrote. */
    *out = round(*out * 1e9) / 1e9;
    if ((*end && !percent) || *out <= 0 || *out > 1)
        return sm_fail(SM_E_ARG, "%s '%s': expected a share above 0 such as 1%% or 0.01", option,
                       text);
    return SM_OK;
}

sm_status sm_axis_time(const char *option, const char *text, double *out) {
    const char *end = text;
    static const double MOST_S = 1e6;
    const int number = sm_axis_number(option, text, 0, MOST_S, &end, out) == SM_OK;
    const double unit = *end == '\0' || strcmp(end, "s") == 0 ? 1
                        : strcmp(end, "m") == 0               ? 60
                        : strcmp(end, "h") == 0               ? 3600
                                                              : 0;
    *out *= unit;
    if (!number || !(*out > 0 && *out <= MOST_S))
        return sm_fail(SM_E_ARG,
                       "%s '%s': expected a time above 0 and up to 1e6 s, such as 90s, 5m or 1h",
                       option, text);
    return SM_OK;
}
