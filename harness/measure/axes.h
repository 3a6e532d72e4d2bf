/* The axes of a run as the user writes them. */
#ifndef AXES_H
#define AXES_H

#include "measure/session.h"

/* Each reads one option's argument into options; SM_E_ARG names option, offending part and what was
 * expected, SM_E_ISA a level that this machine cannot run. */
sm_status sm_axis_sparsity(sm_run_options *o, const char *text); /* 0:0.9:0.1,0.95 */
sm_status sm_axis_n(sm_run_options *o, const char *text);        /* 1,32 or native */
sm_status sm_axis_layout(sm_run_options *o, const char *text);   /* feature,token */
sm_status sm_axis_threads(sm_run_options *o, const char *text);  /* 1,2 or all */
sm_status sm_axis_isa(sm_run_options *o, const char *text);      /* auto, all, or names */
sm_status sm_axis_ceiling(sm_run_options *o,
                          const char *text); /* before levels and peers are named */
sm_status sm_axis_format(sm_run_options *o, const char *text); /* auto, all, or names */
sm_status sm_axis_kernels(sm_run_options *o, char *text); /* best; all, sweep, plan, names; kept */
sm_status sm_axis_peers(sm_run_options *o, const char *text);     /* auto, none, or names */
sm_status sm_axis_pattern(sm_run_options *o, const char *text);   /* nm:2:4,block:4x1 */
sm_status sm_axis_cache(sm_run_options *o, const char *text);     /* warm,cold-weights */
sm_status sm_axis_precision(sm_run_options *o, const char *text); /* 1% or 0.01 */
sm_status sm_axis_budget(sm_run_options *o, const char *text);    /* 90, 90s, 5m, 1h */
sm_status sm_axis_seed(sm_run_options *o, const char *text);
sm_status sm_axis_tensors(sm_run_options *o, const char *text);       /* globs; kept */
sm_status sm_axis_weights_order(sm_run_options *o, const char *text); /* in-out,hwio */

/* numbers.c: the same for options of other commands: 1% or 0.01; 90, 90s, 5m, 1h; 1 to high. */
sm_status sm_axis_share(const char *option, const char *text, double *out);
sm_status sm_axis_time(const char *option, const char *text, double *out);
sm_status sm_axis_count(const char *option, const char *text, size_t high, size_t *out);

/* A number at the beginning of text; *end is what follows it. */
sm_status sm_axis_number(const char *option, const char *text, double low, double high,
                         const char **end, double *out);

/* As sm_axis_sparsity(), but nobody asked for it: sources that are sparse already keep theirs. */
sm_status sm_axis_sparsity_default(sm_run_options *o, const char *text);

/* Levels that may run: all usable ones up to the ceiling. */
uint32_t sm_axes_levels(const sm_run_options *o);

/* Without --isa: what SPARSEMARK_ISA says, else all usable levels. SM_E_ARG where a kernel asked
 * for by name is of another. */
sm_status sm_axes_complete_isa(sm_run_options *o);

/* Every axis that was not given gets its default. SM_E_ARG where no kernel is in all of them. */
sm_status sm_axes_complete(sm_run_options *o);

/* Whether the best kernel of each format and level is wanted, and nothing by name. */
int sm_axes_best(const sm_run_options *o);

/* All levels or formats of some sets; the bit of the format with that name; whether there is a
 * kernel of these levels and formats. */
uint32_t sm_axes_masks(const sm_choice_set *sets, size_t count);
uint32_t sm_axes_format_mask(const char *name);
int sm_axes_any_kernel(uint32_t isa_mask, uint32_t format_mask);

#endif
