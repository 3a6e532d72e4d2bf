/* The order of weights in a file's metadata, so that who reads it next need not be told. */
#include "prune/order_option.h"

sm_status sm_prune_order(sm_prune_job *job) {
    const char *given = job->request->weights_order;
    if (given) SM_TRY(orders_parse(given, &job->orders));
    return orders_follow(job->request->input,
                         json_string_value(json_object_get(job->model.metadata, SM_ORDERS_KEY)),
                         &job->orders);
}

sm_status sm_prune_order_keep(sm_prune_job *job) {
    if (!job->model.metadata) job->model.metadata = json_object();
    if (json_object_set_new(job->model.metadata, SM_ORDERS_KEY,
                            json_string(orders_text(&job->orders))) == 0)
        return SM_OK;
    return sm_fail(SM_E_NOMEM, "%s: no memory for its metadata", job->request->input);
}
