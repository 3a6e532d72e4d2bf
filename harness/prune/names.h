/* What a tensor's name says: the module it belongs to and what it is there. */
#ifndef PRUNE_NAMES_H
#define PRUNE_NAMES_H

#include <stddef.h>

typedef enum sm_role {
    SM_ROLE_OTHER,     /* the whole name is the module's */
    SM_ROLE_WEIGHT,    /* weight, kernel */
    SM_ROLE_BIAS,      /* bias */
    SM_ROLE_NORM,      /* gamma, beta */
    SM_ROLE_STATISTIC, /* moving_mean, running_var, ... */
} sm_role;

typedef struct sm_name {
    size_t module; /* length of the module's part: "conv1" of "conv1.weight", "conv1/kernel:0" */
    sm_role role;
} sm_name;

sm_name sm_name_read(const char *name);

int sm_name_same_module(const char *a, const char *b);

/* Whether name is the module or the tensor itself: "conv1" and "conv1.weight" both say
 * conv1.weight. */
int sm_name_says(const char *said, const char *name);

/* What modules of one row of layers have in common: numbers become '#', a last "_1" goes, the 2 of
 * "2d" stays. "conv1" and "conv2" give "conv#", "conv2d" and "conv2d_1" "conv2d". The number of '#'
 * is returned in *numbers. */
typedef struct sm_stem {
    char s[96];
} sm_stem;
sm_stem sm_name_stem(const char *name, size_t *numbers);

#endif
