/* A network with each layer alone pruned, in every pattern, to every sparsity, and with all at
 * once: how many images it still gets right. Nothing is trained, nothing timed. */
#ifndef SENSITIVITY_SWEEP_H
#define SENSITIVITY_SWEEP_H

#include "measure/axes.h"
#include "model/report.h"
#include "model/subject.h"
#include "sensitivity/claims.h"

enum { SWEEP_ALL = NET_LAYERS, SWEEP_WHY = 160 };

typedef struct sweep_options {
    const char *weights, *data;
    const char *weights_order; /* NULL: the file's own, or in-out,hwio */
    const char *layers, *out;  /* globs, NULL: every layer; NULL: no file */
    size_t images;             /* the first so many; 0 = all */
    int random, seeded;        /* scores by chance, not magnitude; the seed was given */
    sm_run_options axes;       /* only patterns, sparsities, threads, levels and seed */
} sweep_options;

typedef struct sweep_cell {
    size_t pattern, layer;  /* SWEEP_ALL: every layer that takes the pattern */
    double sparsity, zeros; /* asked for; share of the pruned layers' weights */
    size_t right;           /* images */
    size_t worse, better;   /* right before only, right now only */
    size_t changed;         /* predictions */
    interval lost;          /* share of the images */
} sweep_cell;

typedef struct sweep {
    const sweep_options *o;
    model_subject subject;
    model_accuracy dense;
    int chosen[NET_LAYERS];
    /* Why a layer does not take a pattern; "" where it does. */
    char why[MAX_AXIS][NET_LAYERS][SWEEP_WHY];
    size_t settings[MAX_AXIS]; /* sparsities of a pattern */
    sweep_cell *cells;
    size_t count;
    /* [pattern][layer][image]: in how many settings the image was right with this layer pruned. */
    uint16_t *hits;
    char wrong[200]; /* not "": logits are not those of the definition, and where */
} sweep;

/* SM_OK with wrong set where a kernel computed a wrong result. sweep_free() it in any case. */
sm_status sweep_run(const sweep_options *options, sweep *out);
void sweep_free(sweep *s);

/* Whether the layer was chosen and takes the pattern. */
int sweep_takes(const sweep *s, size_t pattern, size_t layer);
const uint16_t *sweep_hits(const sweep *s, size_t pattern, size_t layer);

/* "conv1", "all" */
const char *sweep_layer_name(const sweep *s, size_t layer);

#endif
