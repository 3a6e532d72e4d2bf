/* How many bytes a tensor takes in each of the library's formats. */
#ifndef PRUNE_SIZES_H
#define PRUNE_SIZES_H

#include "prune/job.h"

/* Sets formats of a row whose tensor has rank 2 or 4. */
sm_status sm_prune_pack(sm_prune_row *row);

#endif
