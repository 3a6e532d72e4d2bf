/* The order of weights in a model file's metadata, so that who reads it next need not be told. */
#include "store/store.h"

sm_status model_file_orders(const char *path, const sm_model_file *file, const char *given,
                            sm_orders *orders) {
    if (given) SM_TRY(orders_parse(given, orders));
    return orders_follow(path, json_string_value(json_object_get(file->metadata, SM_ORDERS_KEY)),
                         orders);
}

sm_status model_file_keep_orders(const char *path, sm_model_file *file, const sm_orders *orders) {
    if (!file->metadata) file->metadata = json_object();
    if (json_object_set_new(file->metadata, SM_ORDERS_KEY, json_string(orders_text(orders))) == 0)
        return SM_OK;
    return sm_fail(SM_E_NOMEM, "%s: no memory for its metadata", path);
}
