/* What the place of a .smtx file says about it. */
#ifndef INPUT_PLACE_H
#define INPUT_PLACE_H

#include "input/input.h"

/* Sets layer, provenance and n of a source whose path is set; below is its path below the folder
 * that was asked for. DLMC's MODEL/METHOD/SPARSITY/LAYER.smtx gives LAYER and the network; any
 * other place gives below without ".smtx" and "pattern-file". */
sm_status place_describe(sm_source *source, const char *below);

#endif
