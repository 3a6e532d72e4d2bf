/* Names of tensors as PyTorch ("conv1.weight"), Keras ("conv1/kernel:0") and MXNet ("conv1_weight")
 * write them. Nothing but names is looked at. */
#include "prune/names.h"
#include <string.h>

static const struct {
    const char *name;
    sm_role role;
} roles[] = {
    {"weight", SM_ROLE_WEIGHT},
    {"kernel", SM_ROLE_WEIGHT},
    {"bias", SM_ROLE_BIAS},
    {"gamma", SM_ROLE_NORM},
    {"beta", SM_ROLE_NORM},
    {"moving_mean", SM_ROLE_STATISTIC},
    {"moving_variance", SM_ROLE_STATISTIC},
    {"moving_var", SM_ROLE_STATISTIC},
    {"running_mean", SM_ROLE_STATISTIC},
    {"running_var", SM_ROLE_STATISTIC},
    {"num_batches_tracked", SM_ROLE_STATISTIC},
};

static int is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Without Keras's ":0". */
static size_t bare_length(const char *name) {
    const char *colon = strrchr(name, ':');
    if (!colon || !is_digit(colon[1]) || colon[2]) return strlen(name);
    return (size_t)(colon - name);
}

sm_name sm_name_read(const char *name) {
    const size_t length = bare_length(name);
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        const size_t word = strlen(roles[i].name);
        if (length <= word || strncmp(name + length - word, roles[i].name, word) != 0) continue;
        if (!strchr("./_", name[length - word - 1])) continue;
        return (sm_name){length - word - 1, roles[i].role};
    }
    return (sm_name){length, SM_ROLE_OTHER};
}

int sm_name_same_module(const char *a, const char *b) {
    const size_t of_a = sm_name_read(a).module;
    return of_a == sm_name_read(b).module && memcmp(a, b, of_a) == 0;
}

int sm_name_says(const char *said, const char *name) {
    const size_t module = sm_name_read(name).module;
    return strcmp(said, name) == 0 || (strlen(said) == module && memcmp(said, name, module) == 0);
}

/* Without a last "_1". */
static size_t numbered_length(const char *name, size_t length) {
    size_t end = length;
    while (end > 0 && is_digit(name[end - 1])) end--;
    return end < length && end > 1 && name[end - 1] == '_' ? end - 1 : length;
}

sm_stem sm_name_stem(const char *name, size_t *numbers) {
    sm_stem stem = {""};
    const size_t length = numbered_length(name, sm_name_read(name).module);
    size_t used = 0;
    *numbers = 0;
    for (size_t i = 0; i < length && used + 1 < sizeof stem.s; i++) {
        const int dimension = i + 1 < length && name[i + 1] == 'd';
        if (!is_digit(name[i]) || dimension) {
            stem.s[used++] = name[i];
            continue;
        }
        stem.s[used++] = '#';
        ++*numbers;
        while (i + 1 < length && is_digit(name[i + 1])) i++;
    }
    return stem;
}
