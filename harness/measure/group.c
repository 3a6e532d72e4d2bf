/* One point: make the matrix, verify every candidate, choose the dense opponent, time in rounds,
 * write cells. */
#include "measure/group.h"
#include "measure/axes.h"
#include "measure/rounds.h"
#include "peers/peer.h"
#include "roof/sizes.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Share of a group's time that may be spent waiting for a neighbour to go, on top of it. */
static const double PATIENCE = 0.5;
enum { GLANCES = 5 };
static const char CHOSEN[] = "plan"; /* name of the candidate that a plan chose */
/* A glance at a dense candidate lasts about so long, or a call, or CALLS of them. */
static const double GLANCE_NS = 5e5;
enum { CALLS = 50 };

sm_plan_options sm_group_plan_options(const group *g) {
    return (sm_plan_options){.size = sizeof(sm_plan_options),
                             .n = g->point->n,
                             .layout = g->point->layout,
                             .threads = g->point->threads,
                             .cpus = g->session->cpus + 1,
                             .budget_s = 0.1};
}

static sm_status plan_in_quiet(group *g, const sm_plan_options *options, sm_candidate *c) {
    sm_watch_wait(g->session->watch);
    return sm_candidate_plan(&g->operands, options, c);
}

/* Where the next candidate goes. */
static sm_status room_for_one(group *g, sm_candidate **c) {
    *c = &g->items[g->count];
    if (g->count < MAX_CANDIDATES) return SM_OK;
    return sm_fail(SM_E_LIMIT, "more than %d kernels and libraries in a group: expected fewer",
                   (int)MAX_CANDIDATES);
}

sm_status sm_group_add_plan(group *g, const sm_plan_options *options) {
    sm_candidate *c;
    SM_TRY(room_for_one(g, &c));
    SM_TRY(plan_in_quiet(g, options, c));
    for (size_t i = 0; i < g->count; i++) {
        if (strcmp(g->items[i].name, c->name) != 0) continue;
        if (options->kt && g->items[i].info.kt != c->info.kt) continue;
        if (c->dense) g->own_dense = (int)i;
        sm_candidate_free(c);
        return SM_OK;
    }
    c->watch = g->session->watch;
    if (c->dense) g->own_dense = (int)g->count;
    g->count++;
    return SM_OK;
}

/* The best kernel of each format and level that was asked for. */
static sm_status add_best(group *g) {
    const sm_run_options *o = g->session->options;
    for (size_t f = 0; f < o->format_count; f++) {
        for (size_t i = 0; i < o->isa_count; i++) {
            sm_plan_options options = sm_group_plan_options(g);
            options.format_mask = o->format[f].mask;
            options.isa_mask = o->isa[i].mask;
            /* Not every format has a kernel for every level. */
            if (!sm_axes_any_kernel(options.isa_mask, options.format_mask)) continue;
            SM_TRY(sm_group_add_plan(g, &options));
        }
    }
    return SM_OK;
}

int sm_group_allows(const sm_run_options *o, const sm_kernel *k) {
    return (sm_axes_masks(o->isa, o->isa_count) >> k->level & 1) &&
           (sm_axes_masks(o->format, o->format_count) & sm_axes_format_mask(k->format));
}

static int kernel_wanted(const sm_run_options *o, const sm_kernel *k) {
    for (size_t i = 0; i < o->kernels_count; i++)
        if (strcmp(o->kernels[i], k->name) == 0) return 1;
    return o->kernels_all && sm_group_allows(o, k);
}

/* What a plan chooses that has the time it takes unasked: as a candidate of its own, whether its
 * kernel is there already or not. */
static sm_status add_choice(group *g, const sm_plan_options *options) {
    sm_plan_options unasked = *options;
    unasked.budget_s = 0;
    sm_candidate *c;
    SM_TRY(room_for_one(g, &c));
    SM_TRY(plan_in_quiet(g, &unasked, c));
    g->count++;
    c->watch = g->session->watch;
    g->plan_choice = c->name;
    c->name = CHOSEN;
    return SM_OK;
}

static sm_status ask_plan(group *g, const sm_plan_options *options) {
    sm_plan *plan;
    sm_plan_info info;
    sm_watch_wait(g->session->watch);
    SM_TRY(sm_plan_create(&g->operands.w, options, &plan));
    sm_plan_get_info(plan, &info);
    sm_plan_free(plan);
    g->plan_choice = info.kernel->name;
    return SM_OK;
}

static sm_status add_own(group *g) {
    const sm_run_options *o = g->session->options;
    if (sm_axes_best(o)) SM_TRY(add_best(g));
    if (o->sweep) SM_TRY(sm_group_sweep(g));
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        if (!kernel_wanted(o, k)) continue;
        sm_plan_options options = sm_group_plan_options(g);
        options.kernel = k->name;
        SM_TRY(sm_group_add_plan(g, &options));
    }
    sm_plan_options options = sm_group_plan_options(g);
    const uint32_t dense = sm_axes_format_mask("dense");
    options.isa_mask = sm_axes_masks(o->isa, o->isa_count);
    options.format_mask = sm_axes_masks(o->format, o->format_count) | dense;
    if (!sm_axes_any_kernel(options.isa_mask, options.format_mask))
        options.isa_mask = sm_axes_levels(o);
    SM_TRY(o->plan ? add_choice(g, &options) : ask_plan(g, &options));
    /* The control is the best dense of the machine, whatever levels --isa names: the peers do not
     * hold back either, but for --ceiling. */
    options.isa_mask = sm_axes_levels(o);
    options.format_mask = dense;
    return sm_group_add_plan(g, &options);
}

static sm_status add_peer(group *g, size_t peer) {
    sm_candidate *c;
    SM_TRY(room_for_one(g, &c));
    const sm_status status = sm_candidate_peer(&g->operands, peer, g->point->threads, c);
    c->watch = g->session->watch;
    if (status == SM_OK) g->count++;
    return status;
}

static sm_dense_choice *find_choice(sm_session *s, const sm_point *p) {
    for (size_t i = 0; i < s->dense_count; i++) {
        sm_dense_choice *d = &s->dense[i];
        if (d->m == p->source->m && d->k == p->source->k && d->n == p->n &&
            d->layout == p->layout && d->threads == p->threads && d->cold == p->cold)
            return d;
    }
    return NULL;
}

/* Times every dense candidate in turn on samples that are not reported, and remembers the best. */
static sm_status choose_dense(group *g) {
    sm_session *s = g->session;
    const sm_point *p = g->point;
    sm_dense_choice choice = {.m = p->source->m,
                              .k = p->source->k,
                              .n = p->n,
                              .threads = p->threads,
                              .layout = p->layout,
                              .cold = p->cold,
                              .peer = -1};
    double best[MAX_CANDIDATES];
    for (size_t i = 0; i < MAX_CANDIDATES; i++) best[i] = INFINITY;
    for (int r = 0; r < GLANCES; r++) {
        for (size_t i = 0; i < g->count; i++) {
            if (!g->items[i].dense || g->items[i].err_bound_ratio > 1.0) continue;
            sm_candidate_place(&g->items[i]);
            sm_watch_wait(s->watch);
            const double calls = fmin(CALLS, GLANCE_NS / best[i]);
            best[i] = fmin(best[i], sm_candidate_glance(&g->items[i], calls < 1 ? 1 : (int)calls));
        }
    }
    double peer_best = INFINITY;
    for (size_t i = 0; i < g->count; i++) {
        if (!g->items[i].dense || g->items[i].own || best[i] >= peer_best) continue;
        peer_best = best[i];
        choice.peer = (int)g->items[i].peer_index;
    }
    choice.own_wins = g->own_dense >= 0 && best[g->own_dense] <= peer_best;
    sm_dense_choice *grown = realloc(s->dense, (s->dense_count + 1) * sizeof *grown);
    if (!grown) return sm_fail(SM_E_NOMEM, "no memory for the choice of the best dense");
    s->dense = grown;
    s->dense[s->dense_count++] = choice;
    return SM_OK;
}

static void drop(group *g, size_t i) {
    sm_candidate_free(&g->items[i]);
    memmove(&g->items[i], &g->items[i + 1], (g->count - i - 1) * sizeof g->items[0]);
    g->count--;
    if (g->own_dense > (int)i) g->own_dense--;
}

/* With cold weights every call takes another copy, from a ring that no cache holds. */
static sm_status make_cold(group *g) {
    if (!g->point->cold) return SM_OK;
    const size_t ring = sm_roof_ring(g->point->threads, g->count);
    for (size_t i = 0; i < g->count; i++)
        if (g->items[i].err_bound_ratio <= 1.0) SM_TRY(sm_candidate_copy(&g->items[i], ring));
    return SM_OK;
}

/* Adds peers, verifies everything, and keeps of the dense peers the one that won. */
static sm_status add_peers_and_verify(group *g) {
    sm_session *s = g->session;
    const sm_dense_choice *known = find_choice(s, g->point);
    for (size_t i = 0; i < sm_peer_count(); i++) {
        if (!(s->options->peers >> i & 1)) continue;
        const sm_peer_info *info = sm_peer_probe(i);
        if (!info->usable || !sm_peer_takes(i, g->point->layout)) continue;
        const int dense = strcmp(info->kind, "dense") == 0;
        if (dense && known && known->peer != (int)i) continue;
        SM_TRY(add_peer(g, i));
    }
    for (size_t i = 0; i < g->count; i++)
        if (!sm_candidate_verify(&g->items[i])) s->wrong |= g->items[i].own;
    SM_TRY(make_cold(g));
    if (!known) {
        SM_TRY(choose_dense(g));
        known = find_choice(s, g->point);
    }
    for (size_t i = g->count; i-- > 0;) {
        const sm_candidate *c = &g->items[i];
        if (c->dense && !c->own && (int)c->peer_index != known->peer) drop(g, i);
    }
    if (known->own_wins) {
        g->dense = g->own_dense;
        return SM_OK;
    }
    for (size_t i = 0; i < g->count && g->dense < 0; i++)
        if (g->items[i].dense && !g->items[i].own) g->dense = (int)i;
    return SM_OK;
}

/* The fastest dense of those that were timed, but for a plan's choice, which is held against it:
 * what was chosen before decides only when to stop. */
static void take_fastest_dense(group *g) {
    double best = INFINITY;
    for (size_t i = 0; i < g->count; i++) {
        if (!g->items[i].dense || g->items[i].err_bound_ratio > 1.0) continue;
        if (strcmp(g->items[i].name, CHOSEN) == 0) continue;
        const double ns = sm_rounds_time(&g->items[i], g->rounds).median;
        if (ns < best) g->dense = (int)i;
        best = fmin(best, ns);
    }
}

/* Times the candidates that computed the right result. */
static sm_status measure(group *g, double seconds) {
    sm_candidate *timed[MAX_CANDIDATES];
    size_t count = 0, base = 0;
    if (g->dense >= 0 && g->items[g->dense].err_bound_ratio > 1.0) g->dense = -1;
    for (size_t i = 0; i < g->count; i++) {
        if (g->items[i].err_bound_ratio > 1.0) continue;
        if ((int)i == g->dense) base = count;
        timed[count++] = &g->items[i];
    }
    if (count == 0) return SM_OK;
    SM_TRY(sm_rounds_run(timed, count, base, g->session->options->precision, seconds, &g->rounds));
    take_fastest_dense(g);
    return SM_OK;
}

static sm_status prepare(group *g) {
    const sm_point *p = g->point;
    const uint64_t seed = g->session->options->seed;
    sm_csr w;
    SM_TRY(sm_source_matrix(p->source, &p->pattern, p->sparsity, seed, &w));
    return sm_operands_create(&w, p->n, p->layout, seed + 1, &g->operands);
}

sm_status sm_group_run(sm_session *session, const sm_point *point, double seconds, sm_group *out) {
    *out = (sm_group){0};
    group *g = calloc(1, sizeof *g);
    if (!g) return sm_fail(SM_E_NOMEM, "no memory for a group of candidates");
    g->session = session;
    g->point = point;
    g->own_dense = g->dense = -1;
    sm_watch_patience(session->watch, PATIENCE * seconds);
    sm_status status = prepare(g);
    if (status == SM_OK) status = add_own(g);
    if (status == SM_OK) status = add_peers_and_verify(g);
    if (status == SM_OK) status = measure(g, seconds);
    if (status == SM_OK) status = sm_group_cells(g, out);
    for (size_t i = 0; i < g->count; i++) sm_candidate_free(&g->items[i]);
    sm_operands_free(&g->operands);
    free(g);
    return status;
}
