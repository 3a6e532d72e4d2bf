/* The order of weights in a file's metadata, so that who reads it next need not be told. */
#include "prune/order_option.h"
#include "measure/axes.h"
#include <stdio.h>
#include <string.h>

static const char KEY[] = "sparsemark.weights_order";

/* Sets what the words say and leaves the rest. */
static sm_status parse(const char *text, sm_prune_job *job) {
    sm_run_options o = {.sources.options = {.in_out = job->in_out, .hwio = job->hwio}};
    SM_TRY(sm_axis_weights_order(&o, text));
    job->in_out = o.sources.options.in_out;
    job->hwio = o.sources.options.hwio;
    return SM_OK;
}

sm_status sm_prune_order(sm_prune_job *job) {
    const char *given = job->request->weights_order, *path = job->request->input;
    const char *kept = json_string_value(json_object_get(job->model.metadata, KEY));
    if (kept && parse(kept, job) != SM_OK)
        return sm_fail(SM_E_FORMAT,
                       "%s: metadata %s is '%.80s': expected orders as --weights-order takes them",
                       path, KEY, kept);
    const int in_out = job->in_out, hwio = job->hwio;
    if (given) SM_TRY(parse(given, job));
    if (!kept || (in_out == job->in_out && hwio == job->hwio)) return SM_OK;
    return sm_fail(SM_E_ARG, "--weights-order %s: %s says of itself that it is %s", given, path,
                   kept);
}

sm_order_text sm_prune_order_text(const sm_prune_job *job) {
    sm_order_text text;
    snprintf(text.s, sizeof text.s, "%s,%s", job->in_out ? "in-out" : "out-in",
             job->hwio ? "hwio" : "oihw");
    return text;
}

sm_status sm_prune_order_keep(sm_prune_job *job) {
    const sm_order_text text = sm_prune_order_text(job);
    if (!job->model.metadata) job->model.metadata = json_object();
    if (json_object_set_new(job->model.metadata, KEY, json_string(text.s)) == 0) return SM_OK;
    return sm_fail(SM_E_NOMEM, "%s: no memory for its metadata", job->request->input);
}
