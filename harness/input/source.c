/* Lists of weight matrices to measure, and the matrices themselves. */
#include "input/input.h"
#include "input/place.h"
#include "input/smtx.h"
#include "input/text.h"
#include "prune/prune.h"
#include <errno.h>
#include <fnmatch.h>
#include <fts.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void source_free(sm_source *source) {
    free(source->layer);
    free(source->path);
    free(source->provenance);
    *source = (sm_source){0};
}

/* A call that fails leaves the list as it was before. */
static void cut_back(sm_source_list *list, size_t count) {
    while (list->count > count) source_free(&list->items[--list->count]);
}

void sm_source_list_free(sm_source_list *list) {
    cut_back(list, 0);
    free(list->items);
    *list = (sm_source_list){0};
}

/* Takes source over, also on failure. */
static sm_status append(sm_source_list *list, sm_source *source) {
    /* Room doubles whenever count reaches a power of two. */
    if ((list->count & (list->count - 1)) == 0) {
        const size_t room = list->count == 0 ? 1 : 2 * list->count;
        sm_source *items = reallocarray(list->items, room, sizeof *items);
        if (!items) {
            source_free(source);
            return sm_fail(SM_E_NOMEM, "no memory for a list of %zu layers", room);
        }
        list->items = items;
    }
    list->items[list->count++] = *source;
    return SM_OK;
}

static int is_listed(const sm_source_list *list, const sm_layer *l) {
    for (size_t i = 0; i < list->count; i++) {
        const sm_source *s = &list->items[i];
        if (!s->path && s->m == l->m && s->k == l->k && s->n == l->n &&
            strcmp(s->layer, l->name) == 0)
            return 1;
    }
    return 0;
}

static sm_status append_shape(sm_source_list *list, text_span name, size_t m, size_t k, size_t n) {
    sm_source source = {.m = m, .k = k, .n = n};
    source.layer = strndup(name.at, name.size);
    source.provenance = strdup("seeded-gaussian");
    if (!source.layer || !source.provenance) {
        source_free(&source);
        return sm_fail(SM_E_NOMEM, "no memory for a layer's name");
    }
    return append(list, &source);
}

static sm_status append_matching(sm_source_list *list, const char *pattern) {
    size_t matches = 0;
    for (size_t i = 0; i < sm_layer_count(); i++) {
        const sm_layer *l = sm_layer_at(i);
        if (strcmp(pattern, "all") != 0 && fnmatch(pattern, l->name, 0) != 0) continue;
        matches++;
        /* Overlapping patterns name a layer once. */
        if (is_listed(list, l)) continue;
        const text_span name = {l->name, strlen(l->name)};
        SM_TRY(append_shape(list, name, l->m, l->k, l->n));
    }
    if (matches == 0)
        return sm_fail(SM_E_ARG,
                       "no layer or file \"%s\": expected built-in names, globs, \"all\" or a file "
                       "of lines \"name m k n\"",
                       pattern);
    return SM_OK;
}

static sm_status add_names(sm_source_list *list, const char *spec) {
    char *names = strdup(spec), *rest = names, *name;
    if (!names) return sm_fail(SM_E_NOMEM, "no memory for a list of layer names");
    sm_status status = SM_OK;
    while (status == SM_OK && (name = strsep(&rest, ",")))
        status = *name != '\0'
                     ? append_matching(list, name)
                     : sm_fail(SM_E_ARG, "layers \"%s\": expected a name, got an empty one", spec);
    free(names);
    return status;
}

/* Names end up in tables, records and comma-separated lists. */
static int is_name(text_span name) {
    for (size_t i = 0; i < name.size; i++)
        if (name.at[i] <= ' ' || name.at[i] > '~' || strchr("\",\\", name.at[i])) return 0;
    return name.size > 0;
}

static sm_status add_line(sm_source_list *list, size_t first, const char *path, size_t number,
                          text_span line) {
    text_span rest = line, field[4], excess;
    uint64_t size[3];
    int good = 1;
    for (int i = 0; i < 4; i++) good &= text_token(&rest, &field[i]);
    good &= is_name(field[0]) && !text_token(&rest, &excess);
    for (int i = 0; i < 3; i++)
        good = good && text_number(field[i + 1], &size[i]) && size[i] >= 1 &&
               size[i] <= UINT64_C(1) << 31;
    if (!good)
        return sm_fail(SM_E_FORMAT,
                       "%s:%zu: expected \"name m k n\", sizes from 1 to 2^31, got \"%s\"", path,
                       number, text_show(line).s);
    for (size_t i = first; i < list->count; i++)
        if (strlen(list->items[i].layer) == field[0].size &&
            memcmp(list->items[i].layer, field[0].at, field[0].size) == 0)
            return sm_fail(SM_E_FORMAT, "%s:%zu: expected a new layer name, got \"%s\" again", path,
                           number, text_show(field[0]).s);
    return append_shape(list, field[0], (size_t)size[0], (size_t)size[1], (size_t)size[2]);
}

static sm_status add_lines(sm_source_list *list, const char *path, text_span text) {
    const size_t first = list->count;
    text_span line;
    for (size_t number = 1; text_line(&text, &line); number++) {
        const char *comment = line.size > 0 ? memchr(line.at, '#', line.size) : NULL;
        if (comment) line.size = (size_t)(comment - line.at);
        if (text_token_count(line) > 0) SM_TRY(add_line(list, first, path, number, line));
    }
    if (list->count == first)
        return sm_fail(SM_E_FORMAT, "%s: expected lines \"name m k n\", got none", path);
    return SM_OK;
}

static sm_status add_listed(sm_source_list *list, const char *path) {
    char *data;
    size_t size;
    uint64_t file_size;
    SM_TRY(text_read(path, SIZE_MAX - 1, &data, &size, &file_size));
    const sm_status status = add_lines(list, path, (text_span){data, size});
    free(data);
    return status;
}

sm_status sm_source_add_layers(sm_source_list *list, const char *spec) {
    const size_t before = list->count;
    struct stat st;
    const int is_file = stat(spec, &st) == 0 && S_ISREG(st.st_mode);
    const sm_status status = is_file ? add_listed(list, spec) : add_names(list, spec);
    if (status != SM_OK) cut_back(list, before);
    return status;
}

static sm_status add_file(sm_source_list *list, const char *path, const char *below) {
    smtx_shape shape;
    SM_TRY(smtx_read_shape(path, &shape));
    sm_source source = {.m = shape.rows, .k = shape.cols, .sparse = 1};
    source.sparsity = 1.0 - (double)shape.nnz / ((double)shape.rows * (double)shape.cols);
    source.path = strdup(path);
    const sm_status status = source.path ? place_describe(&source, below)
                                         : sm_fail(SM_E_NOMEM, "%s: no memory for its name", path);
    if (status == SM_OK) return append(list, &source);
    source_free(&source);
    return status;
}

static int is_smtx(const char *name) {
    const size_t size = strlen(name);
    return size > 5 && strcmp(name + size - 5, ".smtx") == 0;
}

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* One entry of a walk. root_size is the length of the walked folder's name. */
static sm_status add_entry(sm_source_list *list, FTS *walk, FTSENT *entry, size_t root_size) {
    /* Hidden entries are no data: archives made on a Mac carry a ._NAME.smtx for every file. */
    if (entry->fts_level > 0 && entry->fts_name[0] == '.') {
        fts_set(walk, entry, FTS_SKIP);
        return SM_OK;
    }
    switch (entry->fts_info) {
    case FTS_D:
    case FTS_DP:
        return SM_OK;
    case FTS_DC:
        return sm_fail(SM_E_IO, "%s: expected a tree, got a cycle", entry->fts_path);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        return sm_fail(SM_E_IO, "%s: cannot read: %s", entry->fts_path, strerror(entry->fts_errno));
    default:
        break;
    }
    if (!is_smtx(entry->fts_name)) return SM_OK;
    const char *below = entry->fts_path + root_size;
    return add_file(list, entry->fts_path, below + strspn(below, "/"));
}

static sm_status add_folder(sm_source_list *list, const char *path) {
    const size_t before = list->count;
    char *root = strdup(path);
    if (!root) return sm_fail(SM_E_NOMEM, "%s: no memory for its name", path);
    char *const roots[] = {root, NULL};
    FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    sm_status status = SM_OK;
    FTSENT *entry = NULL;
    int error = errno;
    while (walk && status == SM_OK) {
        errno = 0;
        entry = fts_read(walk);
        error = errno;
        if (!entry) break;
        status = add_entry(list, walk, entry, strlen(path));
    }
    if (!walk || (!entry && error != 0))
        status = sm_fail(SM_E_IO, "%s: cannot read: %s", path, strerror(error));
    else if (status == SM_OK && list->count == before)
        status = sm_fail(SM_E_IO, "%s: expected a .smtx file in it or below, found none", path);
    if (walk) fts_close(walk);
    free(root);
    return status;
}

sm_status sm_source_add_path(sm_source_list *list, const char *path) {
    const size_t before = list->count;
    struct stat st;
    if (stat(path, &st) != 0) return sm_fail(SM_E_IO, "%s: cannot open: %s", path, strerror(errno));
    const char *slash = strrchr(path, '/');
    const sm_status status = S_ISDIR(st.st_mode) ? add_folder(list, path)
                                                 : add_file(list, path, slash ? slash + 1 : path);
    if (status != SM_OK) cut_back(list, before);
    return status;
}

static sm_status pattern_matrix(const sm_source *source, uint64_t seed, sm_csr *out) {
    SM_TRY(sm_smtx_read(source->path, out));
    if (out->rows != source->m || out->cols != source->k) {
        const sm_status status =
            sm_fail(SM_E_FORMAT, "%s:1: expected %zu x %zu as before, got %zu x %zu", source->path,
                    source->m, source->k, out->rows, out->cols);
        sm_csr_free(out);
        return status;
    }
    sm_fill_values(out, seed);
    return SM_OK;
}

sm_status sm_source_matrix(const sm_source *source, const sm_pattern *pattern, double sparsity,
                           uint64_t seed, sm_csr *out) {
    *out = (sm_csr){0};
    if (source->sparse) return pattern_matrix(source, seed, out);
    const size_t count = source->m * source->k; /* both at most 2^31 */
    /* Before the work, not after it. */
    if (isnan(sm_pattern_sparsity(pattern)) && !(sparsity >= 0.0 && sparsity <= 1.0))
        return sm_fail(SM_E_ARG, "%s: sparsity: expected 0 to 1, got %g", source->layer, sparsity);
    float *w = sm_alloc(count, sizeof *w);
    if (!w)
        return sm_fail(SM_E_NOMEM, "%s: no memory for %zu x %zu weights", source->layer, source->m,
                       source->k);
    sm_fill_normal(w, count, seed);
    sm_status status = sm_prune(pattern, sparsity, w, source->m, source->k);
    if (status == SM_OK)
        status = sm_csr_from_dense(w, source->m, source->k, (ptrdiff_t)source->k, 1, out);
    sm_free(w);
    return status;
}
