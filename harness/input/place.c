/* DLMC's naming: MODEL/METHOD/SPARSITY/LAYER.smtx, and rn50_batchsizes.txt beside the models with
 * lines "LAYER,N". */
#include "input/place.h"
#include "input/text.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The collection's methods. Asking for them keeps a folder that merely looks alike from being
 * reported as a pruned network. */
static const char *const methods[] = {"extended_magnitude_pruning", "l0_regularization",
                                      "magnitude_pruning", "random_pruning", "variational_dropout"};

static int is_method(const char *name) {
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(name, methods[i]) == 0) return 1;
    return 0;
}

/* "0.5", "0.98": a zero, a point, digits. */
static int is_sparsity(const char *name) {
    if (strncmp(name, "0.", 2) != 0 || name[2] == '\0') return 0;
    return name[2 + strspn(name + 2, "0123456789")] == '\0';
}

/* Cuts the last component off an absolute path and returns it; "" when none is left. */
static const char *cut_last(char *path) {
    char *slash = strrchr(path, '/');
    if (!slash) return "";
    *slash = '\0';
    return slash + 1;
}

/* The absolute folder of a file. Links above the file are resolved and the file itself is not, so
 * that linked files are judged by where they were put. */
static sm_status folder_of(const char *path, char **folder) {
    const char *slash = strrchr(path, '/');
    char *given = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!given) return sm_fail(SM_E_NOMEM, "%s: no memory for its folder's name", path);
    *folder = realpath(given, NULL);
    const int error = errno;
    free(given);
    if (!*folder) return sm_fail(SM_E_IO, "%s: cannot find its folder: %s", path, strerror(error));
    return SM_OK;
}

static char *without_extension(const char *name) {
    const size_t size = strlen(name);
    return strndup(name, size > 5 && strcmp(name + size - 5, ".smtx") == 0 ? size - 5 : size);
}

static sm_status name_source(sm_source *source, const char *folder, const char *file,
                             const char *below) {
    char *rest = strdup(folder);
    if (!rest) return sm_fail(SM_E_NOMEM, "%s: no memory for its name", source->path);
    const int sparsity = is_sparsity(cut_last(rest));
    const char *method = cut_last(rest), *model = cut_last(rest);
    const int dlmc = sparsity && is_method(method) && *model != '\0';
    source->layer = without_extension(dlmc ? file : below);
    if (!dlmc)
        source->provenance = strdup("pattern-file");
    else if (asprintf(&source->provenance, "pruned-network:%s/%s", model, method) < 0)
        source->provenance = NULL;
    free(rest);
    if (!source->layer || !source->provenance)
        return sm_fail(SM_E_NOMEM, "%s: no memory for its name", source->path);
    return SM_OK;
}

static sm_status find_batch(const char *table, text_span text, const char *layer, size_t *n) {
    text_span line;
    for (size_t number = 1; text_line(&text, &line); number++) {
        if (text_token_count(line) == 0) continue;
        const char *comma = memchr(line.at, ',', line.size);
        const size_t name_size = comma ? (size_t)(comma - line.at) : 0;
        uint64_t value = 0;
        if (name_size == 0 ||
            !text_number((text_span){comma + 1, line.size - name_size - 1}, &value) || value < 1 ||
            value > UINT64_C(1) << 31)
            return sm_fail(SM_E_FORMAT,
                           "%s:%zu: expected \"layer,n\", n from 1 to 2^31, got \"%s\"", table,
                           number, text_show(line).s);
        if (name_size != strlen(layer) || memcmp(line.at, layer, name_size) != 0) continue;
        *n = (size_t)value;
        return SM_OK;
    }
    return SM_OK;
}

/* Looks layer up in folder's table; *found tells whether there is a table at all. */
static sm_status look_up(const char *folder, const char *layer, size_t *n, int *found) {
    char *table, *data;
    size_t size;
    uint64_t file_size;
    if (asprintf(&table, "%s/rn50_batchsizes.txt", folder) < 0)
        return sm_fail(SM_E_NOMEM, "%s: no memory for a file's name", folder);
    *found = access(table, F_OK) == 0;
    sm_status status = SM_OK;
    if (*found) {
        status = text_read(table, SIZE_MAX - 1, &data, &size, &file_size);
        if (status == SM_OK) {
            status = find_batch(table, (text_span){data, size}, layer, n);
            free(data);
        }
    }
    free(table);
    return status;
}

/* The nearest table counts. */
static sm_status native_n(char *folder, const char *layer, size_t *n) {
    enum { LEVELS = 4 };
    *n = 0;
    for (int level = 0; level < LEVELS; level++) {
        int found = 0;
        SM_TRY(look_up(folder, layer, n, &found));
        if (found || *folder == '\0') break;
        cut_last(folder);
    }
    return SM_OK;
}

sm_status place_describe(sm_source *source, const char *below) {
    char *folder = NULL;
    const char *slash = strrchr(source->path, '/');
    const char *file = slash ? slash + 1 : source->path;
    SM_TRY(folder_of(source->path, &folder));
    sm_status status = name_source(source, folder, file, below);
    char *layer = status == SM_OK ? without_extension(file) : NULL;
    if (status == SM_OK && !layer)
        status = sm_fail(SM_E_NOMEM, "%s: no memory for its name", source->path);
    if (status == SM_OK) status = native_n(folder, layer, &source->n);
    free(layer);
    free(folder);
    return status;
}
