/* A file of weights does not say how layers are connected. Plain chains can be told from names and
 * shapes: convolutions before dense layers, numbered within each, every layer fitting the one
 * before it. Everything else is refused: a wrong guess would write a network that computes
 * nonsense. */
#include "prune/order.h"
#include "prune/channels.h"
#include "prune/names.h"
#include <stdlib.h>
#include <string.h>

int sm_is_layer(const sm_prune_row *row) {
    const sm_role role = sm_name_read(row->tensor->name).role;
    return (row->tensor->rank == 2 || row->tensor->rank == 4) &&
           strcmp(row->tensor->type, "F32") == 0 &&
           (role == SM_ROLE_WEIGHT || role == SM_ROLE_OTHER);
}

int sm_layer_fits(const sm_prune_row *a, const sm_prune_row *b) {
    const size_t out = sm_layer_outputs(a), in = sm_layer_inputs(b);
    if (out == in) return 1;
    return a->tensor->rank == 4 && b->tensor->rank == 2 && out > 0 && in > 0 && in % out == 0;
}

static sm_status doubt(const sm_prune_row *row, const char *why, const char *one,
                       const char *other) {
    return sm_fail(SM_E_ARG,
                   "%s: rows: cannot tell which layer reads its outputs: %s (%s, %s): say it with "
                   "--next '%.*s=LAYER', or leave it with --skip",
                   row->tensor->name, why, one, other, (int)sm_name_read(row->tensor->name).module,
                   row->tensor->name);
}

/* A last layer has a name of its own in many networks. */
static int has_last_name(const char *name) {
    static const char *const names[] = {"out",    "output", "head",       "classifier",
                                        "logits", "fc",     "predictions"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == sm_name_read(name).module && sm_name_says(names[i], name)) return 1;
    return 0;
}

static int is_attention(const char *name) {
    static const char *const words[] = {"attention", "attn", "query", "q_proj"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(name, words[i])) return 1;
    return 0;
}

/* Names that no chain of layers has. */
static sm_status check_names(const sm_prune_job *job, const sm_prune_row *row) {
    for (size_t i = 0; i < job->model.count; i++) {
        const sm_tensor *t = job->rows[i].tensor;
        size_t numbers;
        if (is_attention(t->name))
            return doubt(row, "heads and residual sums of a Transformer tie rows together", t->name,
                         "unstructured, block and nm prune it");
        if (t->rank < 2) continue;
        (void)sm_name_stem(t->name, &numbers);
        if (numbers > 1)
            return doubt(row, "layers are numbered within blocks", t->name, row->tensor->name);
        if (!sm_is_layer(&job->rows[i]))
            return doubt(row, "not every tensor is a layer's", t->name, t->type);
    }
    return SM_OK;
}

typedef struct layer {
    const sm_prune_row *row;
} layer;

/* One row of names for convolutions and one for dense layers: *other is one that has another. */
static int one_stem_each(const layer *layers, size_t count, const char **one, const char **other) {
    const char *first[2] = {NULL, NULL};
    for (size_t i = 0; i < count; i++) {
        const char *name = layers[i].row->tensor->name;
        const int conv = layers[i].row->tensor->rank == 4;
        if (!conv && i + 1 == count && has_last_name(name)) continue;
        if (!first[conv]) first[conv] = name;
        size_t numbers;
        const sm_stem a = sm_name_stem(first[conv], &numbers), b = sm_name_stem(name, &numbers);
        if (strcmp(a.s, b.s) == 0) continue;
        *one = first[conv];
        *other = name;
        return 0;
    }
    return 1;
}

static int by_name(const void *left, const void *right) {
    const sm_tensor *a = ((const layer *)left)->row->tensor;
    const sm_tensor *b = ((const layer *)right)->row->tensor;
    if (a->rank != b->rank) return a->rank > b->rank ? -1 : 1;
    const int last = has_last_name(a->name) - has_last_name(b->name);
    return last && a->rank == 2 ? last : strverscmp(a->name, b->name);
}

/* The first layer that the one behind it does not fit; count - 1 where all fit. */
static size_t chain_end(const layer *layers, size_t count) {
    size_t i = 0;
    while (i + 1 < count && sm_layer_fits(layers[i].row, layers[i + 1].row)) i++;
    return i;
}

static int is_alphabetical(const layer *layers, size_t count) {
    for (size_t i = 0; i + 1 < count; i++)
        if (strcmp(layers[i].row->tensor->name, layers[i + 1].row->tensor->name) > 0) return 0;
    return 1;
}

/* Puts the layers, in the order of the file, into that of the network. An alphabetical file says
 * nothing but what names say. */
static sm_status sort(const sm_prune_row *row, layer *layers, size_t count, layer *named) {
    const char *one = "", *other = "";
    memcpy(named, layers, count * sizeof *named);
    qsort(named, count, sizeof *named, by_name);
    const int clear = one_stem_each(named, count, &one, &other);
    const size_t end = chain_end(named, count);
    const int by_names = clear && end + 1 == count;
    const int by_file = !is_alphabetical(layers, count) && chain_end(layers, count) + 1 == count;
    if (by_names && by_file && memcmp(named, layers, count * sizeof *named) != 0)
        return doubt(row, "names and places in the file say different orders",
                     named[0].row->tensor->name, layers[0].row->tensor->name);
    if (by_names) memcpy(layers, named, count * sizeof *named);
    if (by_names || by_file) return SM_OK;
    if (!clear) return doubt(row, "names give no order", one, other);
    return doubt(row, "outputs and inputs of neighbours do not fit", named[end].row->tensor->name,
                 named[end + 1].row->tensor->name);
}

sm_status sm_layer_next(const sm_prune_job *job, size_t of, size_t *next) {
    SM_TRY(check_names(job, &job->rows[of]));
    const size_t tensors = job->model.count;
    layer *layers = calloc(2 * tensors, sizeof *layers);
    if (!layers) return sm_fail(SM_E_NOMEM, "no memory for the order of %zu layers", tensors);
    size_t count = 0;
    for (size_t i = 0; i < tensors; i++)
        if (sm_is_layer(&job->rows[i])) layers[count++].row = &job->rows[i];
    const sm_status status = sort(&job->rows[of], layers, count, layers + tensors);
    *next = SIZE_MAX;
    for (size_t i = 0; status == SM_OK && i + 1 < count; i++)
        if (layers[i].row == &job->rows[of]) *next = (size_t)(layers[i + 1].row - job->rows);
    free(layers);
    return status;
}
