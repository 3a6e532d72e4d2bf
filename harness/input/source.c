/* Lists of weight matrices to measure, and the matrices themselves. */
#include "input/input.h"
#include "input/list.h"
#include "input/mtx.h"
#include "input/text.h"
#include "prune/prune.h"
#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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
        list_drop(&source);
        return sm_fail(SM_E_NOMEM, "no memory for a layer's name");
    }
    return list_append(list, &source);
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
    if (status != SM_OK) list_cut(list, before);
    return status;
}

const char *sm_source_order(const sm_source *source) {
    const int fixed = source->kind == SM_SOURCE_SEEDED || source->kind == SM_SOURCE_SMTX;
    return fixed ? NULL : array_order_name(source->array.order);
}

/* The nonzeros of a file whose shape was read before. */
static sm_status read_nonzeros(const sm_source *source, uint64_t seed, sm_csr *out) {
    SM_TRY(source->kind == SM_SOURCE_SMTX
               ? sm_smtx_read(source->path, out)
               : mtx_read(source->path, source->array.order == SM_ORDER_IN_OUT, out));
    if (out->rows != source->m || out->cols != source->k) {
        const sm_status status =
            sm_fail(SM_E_FORMAT, "%s: expected %zu x %zu as before, got %zu x %zu", source->path,
                    source->m, source->k, out->rows, out->cols);
        sm_csr_free(out);
        return status;
    }
    if (source->valueless) sm_fill_values(out, seed);
    return SM_OK;
}

static sm_status fill_dense(const sm_source *source, uint64_t seed, float *w) {
    sm_csr csr = {0};
    size_t zeros;
    switch (source->kind) {
    case SM_SOURCE_SEEDED:
        sm_fill_normal(w, source->m * source->k, seed); /* both at most 2^31 */
        break;
    case SM_SOURCE_ARRAY:
        return array_read(source->path, source->tensor, &source->array, w, &zeros);
    default:
        SM_TRY(read_nonzeros(source, seed, &csr));
        sm_csr_to_dense(&csr, w);
        sm_csr_free(&csr);
        break;
    }
    return SM_OK;
}

sm_status sm_source_dense(const sm_source *source, uint64_t seed, float **w) {
    const size_t count = source->m * source->k;
    *w = sm_alloc(count, sizeof **w);
    if (!*w)
        return sm_fail(SM_E_NOMEM, "%s: no memory for %zu x %zu weights", source->layer, source->m,
                       source->k);
    const sm_status status = fill_dense(source, seed, *w);
    if (status != SM_OK) {
        sm_free(*w);
        *w = NULL;
    }
    return status;
}

sm_status sm_source_matrix(const sm_source *source, const sm_pattern *pattern, double sparsity,
                           uint64_t seed, sm_csr *out) {
    *out = (sm_csr){0};
    const int has_nonzeros = source->kind == SM_SOURCE_SMTX || source->kind == SM_SOURCE_MTX;
    if (source->sparse && has_nonzeros) return read_nonzeros(source, seed, out);
    /* Before the work, not after it. */
    const int fixed = source->sparse || !isnan(sm_pattern_sparsity(pattern));
    if (!fixed && !(sparsity >= 0.0 && sparsity <= 1.0))
        return sm_fail(SM_E_ARG, "%s: sparsity: expected 0 to 1, got %g", source->layer, sparsity);
    float *w;
    SM_TRY(sm_source_dense(source, seed, &w));
    sm_status status = SM_OK;
    if (!source->sparse) status = sm_prune(pattern, sparsity, w, source->m, source->k);
    if (status == SM_OK)
        status = sm_csr_from_dense(w, source->m, source->k, (ptrdiff_t)source->k, 1, out);
    sm_free(w);
    return status;
}
