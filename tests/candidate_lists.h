/* What plans would time, for the tests of it. */
#ifndef CANDIDATE_LISTS_H
#define CANDIDATE_LISTS_H

#include "candidates.h"
#include "core.h"
#include "plan_problem.h"
#include "registry.h"
#include <cpuid.h>

/* What a plan with these options would time; to be freed. */
static inline sm_candidate *candidates(const sm_csr *w, const sm_plan_options *o, size_t *count) {
    sm_candidate *list = sm_alloc(sm_candidates_max(), sizeof *list);
    assert_non_null(list);
    *count = sm_list_candidates(w, w, o, list);
    return list;
}

static inline sm_candidate *candidates_in(sm_layout layout, const sm_csr *w, size_t n,
                                          size_t *count) {
    const sm_plan_options o = {
        .n = n, .layout = layout, .isa_mask = sm_isa_mask(), .format_mask = ~0u};
    return candidates(w, &o, count);
}

static inline sm_candidate *candidates_of(const sm_csr *w, size_t n, size_t *count) {
    return candidates_in(SM_FEATURE_MAJOR, w, n, count);
}

static inline int of_intel(void) {
    unsigned r[4];
    assert_true(__get_cpuid(0, &r[0], &r[1], &r[2], &r[3]));
    const unsigned vendor[] = {r[1], r[3], r[2]};
    return memcmp(vendor, "GenuineIntel", sizeof vendor) == 0;
}

#endif
