/* The order of weights in a file's metadata, so that who reads it next need not be told. */
#include "prune/order_option.h"
#include "input/orders.h"
#include <stdio.h>

sm_status sm_prune_order(sm_prune_job *job) {
    sm_orders orders = {0};
    if (job->request->weights_order) SM_TRY(orders_parse(job->request->weights_order, &orders));
    SM_TRY(orders_follow(job->request->input,
                         json_string_value(json_object_get(job->model.metadata, SM_ORDERS_KEY)),
                         &orders));
    job->in_out = orders.in_out;
    job->hwio = orders.hwio;
    return SM_OK;
}

sm_order_text sm_prune_order_text(const sm_prune_job *job) {
    const sm_orders orders = {.in_out = job->in_out, .hwio = job->hwio};
    sm_order_text text;
    snprintf(text.s, sizeof text.s, "%s", orders_text(&orders));
    return text;
}

sm_status sm_prune_order_keep(sm_prune_job *job) {
    const sm_order_text text = sm_prune_order_text(job);
    if (!job->model.metadata) job->model.metadata = json_object();
    if (json_object_set_new(job->model.metadata, SM_ORDERS_KEY, json_string(text.s)) == 0)
        return SM_OK;
    return sm_fail(SM_E_NOMEM, "%s: no memory for its metadata", job->request->input);
}
