/* Where this program is, and what lies beside it. */
#ifndef TREE_H
#define TREE_H

#include <stddef.h>

/* The folder `up` levels above the one that holds this program: 0 for build/<preset>, 2 for the
 * root of the source tree it was built in. 0 when it is known and fits. */
int sm_program_folder(int up, char *folder, size_t size);

#endif
