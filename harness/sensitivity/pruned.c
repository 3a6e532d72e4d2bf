/* A network of which some layers are pruned. Masks are made on the tensors as the file has them, in
 * the file's order and before BatchNorm is folded in, so that they are those of `sparsemark prune`.
 * Limit: memory; the model is held twice. */
#include "sensitivity/pruned.h"
#include "prune/scores.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 64 };

struct pruned {
    const char *path;
    const sm_orders *orders;
    const network *dense;
    sm_model_file file;             /* tensors of its own; names are the source's */
    const sm_tensor *from;          /* the source's tensors */
    size_t at[NET_LAYERS];          /* the weights among them */
    const float *score[NET_LAYERS]; /* of the weights */
    sm_tensor random[NET_LAYERS];   /* where those come from, if from chance */
    uint8_t *keep[NET_LAYERS];      /* masks */
    unsigned char rows[NET_LAYERS]; /* whole outputs went */
};

static sm_status copy_tensors(pruned *p, const sm_model_file *file) {
    p->file.items = calloc(file->count, sizeof *p->file.items);
    if (!p->file.items) return sm_fail(SM_E_NOMEM, "%s: no memory for a copy", p->path);
    p->file.count = file->count;
    for (size_t i = 0; i < file->count; i++) {
        sm_tensor *t = &p->file.items[i];
        *t = file->items[i];
        t->data = malloc(t->bytes ? t->bytes : 1);
        if (!t->data)
            return sm_fail(SM_E_NOMEM, "%s: no memory for a copy of %s", p->path, t->name);
    }
    return SM_OK;
}

static sm_status find_weights(pruned *p, sm_model_file *file, int random, uint64_t seed) {
    for (size_t i = 0; i < NET_LAYERS; i++) {
        char name[NAME];
        (void)snprintf(name, sizeof name, "%s.weight", p->dense->layers[i].name);
        const sm_tensor *t = model_file_find(file, name);
        if (!t) return sm_fail(SM_E_FORMAT, "%s: expected a tensor %s", p->path, name);
        p->at[i] = (size_t)(t - file->items);
        if (random) SM_TRY(sm_scores_random(t, seed, &p->random[i]));
        p->score[i] = random ? p->random[i].data : t->data;
        p->keep[i] = malloc(t->count);
        if (!p->keep[i]) return sm_fail(SM_E_NOMEM, "%s: no memory for a mask", p->path);
    }
    return SM_OK;
}

sm_status pruned_create(const char *path, sm_model_file *file, const sm_orders *orders,
                        const network *dense, int random, uint64_t seed, pruned **out) {
    pruned *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p) return sm_fail(SM_E_NOMEM, "%s: no memory for a copy", path);
    p->path = path;
    p->orders = orders;
    p->dense = dense;
    p->from = file->items;
    sm_status status = copy_tensors(p, file);
    if (status == SM_OK) status = find_weights(p, file, random, seed);
    if (status == SM_OK) {
        pruned_reset(p);
        *out = p;
    } else {
        pruned_free(p);
    }
    return status;
}

void pruned_free(pruned *p) {
    if (!p) return;
    for (size_t i = 0; i < p->file.count; i++) free(p->file.items[i].data);
    free(p->file.items);
    for (size_t i = 0; i < NET_LAYERS; i++) {
        sm_free(p->random[i].data);
        free(p->keep[i]);
    }
    free(p);
}

void pruned_reset(pruned *p) {
    for (size_t i = 0; i < p->file.count; i++)
        if (p->from[i].bytes) memcpy(p->file.items[i].data, p->from[i].data, p->from[i].bytes);
    memset(p->rows, 0, sizeof p->rows);
}

sm_status pruned_layer(pruned *p, size_t layer, const sm_pattern *pattern, double sparsity) {
    const sm_tensor *t = &p->file.items[p->at[layer]];
    const sm_prune_options options = {.size = sizeof options,
                                      .pattern = *pattern,
                                      .sparsity = sparsity,
                                      .order = orders_of(p->orders, t->rank)};
    sm_prune_result result;
    if (pattern->kind == SM_PATTERN_ROWS && layer + 1 == NET_LAYERS)
        return sm_fail(SM_E_ARG, "last layer: its rows are the network's outputs");
    SM_TRY(sm_prune_mask(p->score[layer], t->shape, t->rank, &options, p->keep[layer], &result));
    sm_prune_apply(p->keep[layer], t->count, t->data);
    p->rows[layer] = pattern->kind == SM_PATTERN_ROWS;
    return SM_OK;
}

void pruned_count(const pruned *p, size_t layer, size_t *weights, size_t *zeros) {
    const sm_tensor *t = &p->file.items[p->at[layer]];
    const float *w = t->data;
    *weights = t->count;
    *zeros = 0;
    for (size_t i = 0; i < t->count; i++) *zeros += w[i] == 0.0f;
}

static void say_nothing(const char *text) {
    (void)text;
}

sm_status pruned_network(pruned *p, network *out) {
    SM_TRY(network_build(p->path, &p->file, p->orders, p->dense->height, p->dense->width,
                         say_nothing, out));
    for (size_t i = 0; i < NET_LAYERS; i++) {
        if (!p->rows[i]) continue;
        const sm_tensor *t = &p->file.items[p->at[i]];
        const size_t count = out->layers[i].out;
        const int last = t->rank == 4 ? p->orders->hwio : p->orders->in_out; /* outputs' axis */
        for (size_t m = 0; m < count; m++)
            if (!p->keep[i][last ? m : m * (t->count / count)]) out->layers[i].bias[m] = 0;
    }
    return SM_OK;
}
