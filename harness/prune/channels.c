/* Structured pruning that leaves a smaller dense network: rows of a layer go, and with them the
 * entries of its bias and BatchNorm and the inputs of the layer behind. */
#include "prune/channels.h"
#include "prune/names.h"
#include "prune/rules.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t output_axis(sm_weights_order order) {
    return order == SM_ORDER_IN_OUT ? 1 : order == SM_ORDER_HWIO ? 3 : 0;
}

static size_t input_axis(sm_weights_order order) {
    return order == SM_ORDER_IN_OUT ? 0 : order == SM_ORDER_HWIO ? 2 : 1;
}

size_t sm_layer_outputs(const sm_prune_row *row) {
    return row->shape_before[output_axis(row->order)];
}

size_t sm_layer_inputs(const sm_prune_row *row) {
    return row->shape_before[input_axis(row->order)];
}

void sm_tensor_select(sm_tensor *tensor, size_t axis, const uint8_t *keep) {
    if (tensor->count == 0) return;
    const size_t element = tensor->bytes / tensor->count, places = tensor->shape[axis];
    size_t outer = 1, kept = 0, inner = 1;
    for (size_t i = 0; i < axis; i++) outer *= tensor->shape[i];
    for (size_t i = axis + 1; i < tensor->rank; i++) inner *= tensor->shape[i];
    unsigned char *to = tensor->data;
    const unsigned char *from = tensor->data;
    for (size_t o = 0; o < outer; o++) {
        for (size_t a = 0; a < places; a++, from += inner * element) {
            if (!keep[a]) continue;
            memmove(to, from, inner * element);
            to += inner * element;
        }
    }
    for (size_t a = 0; a < places; a++) kept += keep[a] != 0;
    tensor->shape[axis] = kept;
    tensor->count = outer * kept * inner;
    tensor->bytes = tensor->count * element;
}

/* What one layer loses. */
typedef struct cut {
    size_t layer, outputs;
    uint8_t *keep, *links; /* one an output, one a tensor */
} cut;

/* An entry a row of W, out of a mask of whole rows. */
static void rows_of_mask(const sm_prune_row *row, const uint8_t *mask, cut *c) {
    const size_t per_row = row->tensor->count / c->outputs;
    const size_t step = output_axis(row->order) == 0 ? per_row : 1;
    for (size_t i = 0; i < c->outputs; i++) c->keep[i] = mask[i * step];
}

static sm_status choose_rows(const sm_prune_job *job, const float *score, sm_prune_row *row,
                             cut *c) {
    const sm_tensor *t = row->tensor;
    const sm_prune_options options = {.size = sizeof options,
                                      .pattern = row->rule->pattern,
                                      .sparsity = row->asked,
                                      .order = row->order};
    sm_prune_result result;
    uint8_t *mask = malloc(t->count);
    if (!mask) return sm_fail(SM_E_NOMEM, "%s: no memory for its mask", t->name);
    sm_status status = sm_prune_mask(score, t->shape, t->rank, &options, mask, &result);
    if (status == SM_OK) {
        rows_of_mask(row, mask, c);
        row->threshold = result.threshold;
        row->reached = 1.0 - (double)result.kept / (double)t->count;
    } else {
        char why[400];
        snprintf(why, sizeof why, "%s", sm_message());
        status = sm_fail(status, "%s: %s: %s", job->request->input, t->name, why);
    }
    free(mask);
    return status;
}

/* keep, spread over the inputs of a tensor: behind a convolution and a flattening every channel has
 * several, apart (NHWC) or side by side (NCHW). */
static void spread(const cut *c, size_t inputs, int nhwc, uint8_t *wide) {
    const size_t places = inputs / c->outputs;
    for (size_t i = 0; i < inputs; i++) wide[i] = c->keep[nhwc ? i % c->outputs : i / places];
}

static sm_status cut_inputs(const sm_prune_job *job, const cut *c, const sm_prune_row *to,
                            sm_tensor *tensor) {
    const size_t inputs = sm_layer_inputs(to);
    uint8_t *wide = calloc(inputs, 1);
    if (!wide) return sm_fail(SM_E_NOMEM, "%s: no memory for its inputs", tensor->name);
    spread(c, inputs, job->orders.hwio, wide);
    sm_tensor_select(tensor, input_axis(to->order), wide);
    free(wide);
    return SM_OK;
}

static sm_status apply_link(sm_prune_job *job, const cut *c, size_t i, sm_tensor *scores) {
    sm_prune_row *row = &job->rows[i];
    const char *from = job->rows[c->layer].tensor->name;
    if (c->links[i] == SM_LINK_NONE) return SM_OK;
    if (row->follows[0] != '\0')
        return sm_fail(SM_E_ARG,
                       "%s: rows: %s has lost what another layer lost (%s): expected one layer to "
                       "feed it; leave one with --skip",
                       from, row->tensor->name, row->follows);
    const int inputs = c->links[i] == SM_LINK_INPUTS;
    snprintf(row->follows, sizeof row->follows, "%s of %.160s", inputs ? "inputs" : "channels",
             from);
    if (!inputs) {
        sm_tensor_select(row->tensor, 0, c->keep);
        return SM_OK;
    }
    SM_TRY(cut_inputs(job, c, row, row->tensor));
    return scores && scores->data ? cut_inputs(job, c, row, scores) : SM_OK;
}

static sm_status apply_cut(sm_prune_job *job, const cut *c, sm_scores *scores) {
    const sm_prune_row *row = &job->rows[c->layer];
    sm_tensor_select(row->tensor, output_axis(row->order), c->keep);
    for (size_t i = 0; i < job->model.count; i++)
        SM_TRY(apply_link(job, c, i, scores->of ? &scores->of[i] : NULL));
    return SM_OK;
}

static int is_pruned_by_rows(const sm_prune_row *row) {
    return row->reason[0] == '\0' && row->rule->pattern.kind == SM_PATTERN_ROWS;
}

static sm_status check_next(const sm_prune_job *job) {
    for (size_t i = 0; i < job->request->next_count; i++) {
        const sm_prune_next *next = &job->request->nexts[i];
        size_t found = 0;
        for (size_t r = 0; r < job->model.count; r++)
            found += is_pruned_by_rows(&job->rows[r]) &&
                     sm_name_says(next->from, job->rows[r].tensor->name);
        if (found == 0)
            return sm_fail(SM_E_ARG, "--next '%s': '%s' names no layer that is pruned by rows",
                           next->text, next->from);
    }
    return SM_OK;
}

/* c->layer is set; on success without c->keep the layer is left alone. */
static sm_status make_cut(sm_prune_job *job, const float *score, cut *c) {
    sm_prune_row *row = &job->rows[c->layer];
    int last;
    c->outputs = sm_layer_outputs(row);
    c->links = malloc(job->model.count);
    if (!c->links) return sm_fail(SM_E_NOMEM, "%s: no memory", row->tensor->name);
    SM_TRY(sm_channels_connect(job, c->layer, c->links, &last));
    if (last) {
        sm_prune_leave(row, "last layer: its rows are the network's outputs");
        return SM_OK;
    }
    c->keep = calloc(c->outputs, 1);
    if (!c->keep) return sm_fail(SM_E_NOMEM, "%s: no memory", row->tensor->name);
    return choose_rows(job, score, row, c);
}

sm_status sm_channels_remove(sm_prune_job *job, sm_scores *scores) {
    const size_t tensors = job->model.count;
    size_t count = 0;
    SM_TRY(check_next(job));
    cut *cuts = calloc(tensors, sizeof *cuts);
    if (!cuts) return sm_fail(SM_E_NOMEM, "no memory for %zu tensors", tensors);
    sm_status status = SM_OK;
    for (size_t i = 0; i < tensors && status == SM_OK; i++) {
        if (!is_pruned_by_rows(&job->rows[i])) continue;
        cuts[count].layer = i;
        status = make_cut(job, sm_scores_at(scores, job, i), &cuts[count++]);
    }
    for (size_t i = 0; i < count && status == SM_OK; i++)
        if (cuts[i].keep) status = apply_cut(job, &cuts[i], scores);
    for (size_t i = 0; i < count; i++) {
        free(cuts[i].keep);
        free(cuts[i].links);
    }
    free(cuts);
    return status;
}
