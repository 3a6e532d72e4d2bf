/* From which sparsity on does sparse win? Curves of speedup over sparsity from recorded cells,
 * where they cross 1, and geometric means over layers. */
#ifndef BREAKEVEN_H
#define BREAKEVEN_H

#include "records/record.h"

typedef enum sm_crossing_kind {
    SM_CROSSING_UNKNOWN, /* no points, or no interval */
    SM_CROSSING_AT,      /* between two measured sparsities */
    SM_CROSSING_BELOW,   /* sparse wins already at the smallest one measured: `sparsity` */
    SM_CROSSING_NEVER    /* not even at the largest one measured: `sparsity` */
} sm_crossing_kind;

typedef struct sm_crossing {
    sm_crossing_kind kind;
    double sparsity;
} sm_crossing;

/* Cells of one sparsity; duplicates are averaged by geometric mean. */
typedef struct sm_curve_point {
    double sparsity, speedup, ci_low, ci_high; /* ci: NaN where a cell has none */
    uint64_t asked[2];  /* bit p: p % were asked for, or are its own where nothing was */
    double bytes_share; /* packed weights / dense weights */
    size_t cells;
    int marked; /* a cell of it carries a taint */
    int apart;  /* a cell of it carries a taint that keeps it out of means */
} sm_curve_point;

/* One run x layer x provenance x pattern x format x ISA x N x layout x threads x cache. */
typedef struct sm_curve {
    const sm_cell *cell;    /* one of its cells; borrowed from the record set */
    size_t run;             /* index in the record set's runs */
    int best;               /* best of our sparse formats and ISAs at each point; else one format */
    int fixed;              /* the pattern fixes the sparsity: one point, at 1 - N/M */
    int redundant;          /* best, and only one series stands behind it: the same curve twice */
    sm_curve_point *points; /* increasing sparsity */
    size_t count;
    size_t measured; /* points of its layer's best curve: more than count where the series was not
                        timed at each, as with the best level chosen anew at each sparsity */
    char *marks;     /* taints of its cells, space-separated, sorted */
    sm_crossing crossing;  /* of the speedup */
    sm_crossing from_high; /* of ci_high: the earliest that the interval allows */
    sm_crossing from_low;  /* of ci_low: the latest */
} sm_curve;

/* Geometric mean over the layers of curves that differ in the layer alone, at one sparsity; without
 * rows whose opponent was weak, whose weights were not cold, or that are convolutions unfolded. */
typedef struct sm_mean {
    const sm_curve *curve; /* first of them */
    double sparsity;       /* rounded to a percent */
    double speedup, worst;
    const char *worst_layer; /* borrowed */
    size_t points, marked;   /* marked: those that carry a taint */
    int redundant;           /* all curves are, and the series behind them is the same */
} sm_mean;

typedef struct sm_breakeven {
    sm_curve *curves; /* in the order of the file, each layer's best first */
    size_t curve_count;
    sm_mean *means;
    size_t mean_count;
    size_t wrong;    /* sparse cells left out: tainted `wrong` */
    size_t no_dense; /* sparse cells left out: no dense time to compare with */
    size_t apart;    /* sparse cells in curves and in no mean, see sm_mean */
} sm_breakeven;

/* The sparsity from which on ratio >= 1 at every higher one measured; log(ratio) is linear between
 * neighbours. Sparsities increase. Any NaN makes it unknown. */
sm_crossing sm_crossing_find(const double *sparsity, const double *ratio, size_t count);

/* out borrows from set and is zeroed on failure. */
sm_status sm_breakeven_compute(const sm_record_set *set, sm_breakeven *out);
void sm_breakeven_free(sm_breakeven *breakeven);

/* Fills means from the curves; a step of sm_breakeven_compute(). */
sm_status sm_means_compute(sm_breakeven *breakeven);

/* The point nearest to sparsity and within 0.02 of it, or NULL. */
const sm_curve_point *sm_curve_near(const sm_curve *curve, double sparsity);

/* "best", the peer's name, or the format. */
const char *sm_curve_format(const sm_curve *curve);

/* One sentence, e.g. "sparse wins from 34 % on (31 % to 38 %)". */
void sm_curve_verdict(const sm_curve *curve, char *buf, size_t size);

/* All of it as one object; NULL where memory ran out. */
json_t *sm_breakeven_json(const sm_record_set *set, const sm_breakeven *breakeven);

#endif
