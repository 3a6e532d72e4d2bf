/* Lists of sources. */
#include "input/list.h"
#include <stdlib.h>

void list_drop(sm_source *source) {
    free(source->layer);
    free(source->path);
    free(source->tensor);
    free(source->provenance);
    *source = (sm_source){0};
}

void list_cut(sm_source_list *list, size_t count) {
    while (list->count > count) list_drop(&list->items[--list->count]);
}

void sm_source_list_free(sm_source_list *list) {
    list_cut(list, 0);
    free(list->items);
    *list = (sm_source_list){0};
}

sm_status list_append(sm_source_list *list, sm_source *source) {
    /* Room doubles whenever count reaches a power of two. */
    if ((list->count & (list->count - 1)) == 0) {
        const size_t room = list->count == 0 ? 1 : 2 * list->count;
        sm_source *items = reallocarray(list->items, room, sizeof *items);
        if (!items) {
            list_drop(source);
            return sm_fail(SM_E_NOMEM, "no memory for a list of %zu layers", room);
        }
        list->items = items;
    }
    list->items[list->count++] = *source;
    return SM_OK;
}
