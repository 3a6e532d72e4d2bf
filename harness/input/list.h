/* How lists of sources grow and shrink. */
#ifndef INPUT_LIST_H
#define INPUT_LIST_H

#include "input/input.h"

/* Releases what a source owns. */
void list_drop(sm_source *source);

/* Takes source over, also on failure. */
sm_status list_append(sm_source_list *list, sm_source *source);

/* Drops all but the first count sources: a call that fails leaves the list as it was before. */
void list_cut(sm_source_list *list, size_t count);

#endif
