/* The registry of peers: what was found is remembered, libraries are loaded when first prepared. */
#include "peers/family.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static const struct peer_entry {
    const char *name, *kind;
    const peer_family *family;
    const char *where;
} entries[] = {
#define SM_PEER(name, kind, family, where) {name, kind, &peer_##family, where},
#include "peers/peers.inc"
#undef SM_PEER
};
enum { PEERS = sizeof entries / sizeof entries[0] };

/* Peers are process-wide: so are the libraries and their thread counts. */
static struct peer_slot {
    sm_peer_info info;
    int probed, loaded;
    int threads;           /* what the library was last told */
    const peer_lift *lift; /* how it must be loaded, or NULL */
    peer_library library;
} slots[PEERS];

typedef struct peer_state {
    int threads;
    void *inner;
} peer_state;

size_t sm_peer_count(void) {
    return PEERS;
}

/* Tries again where the library fell back to less than the machine has. */
static void lift(size_t i) {
    struct peer_slot *slot = &slots[i];
    sm_peer_info lifted = {.name = entries[i].name, .kind = entries[i].kind};
    slot->lift = peer_find_lift(entries[i].family, slot->info.core);
    if (slot->lift == NULL) return;
    if (peer_lift_begin(slot->lift) == 0) peer_trial(entries[i].family, entries[i].where, &lifted);
    peer_lift_end(slot->lift);
    if (lifted.usable && strcmp(lifted.core, slot->lift->becomes) == 0)
        slot->info = lifted;
    else
        slot->lift = NULL;
}

const sm_peer_info *sm_peer_probe(size_t i) {
    if (i >= PEERS) return NULL;
    struct peer_slot *slot = &slots[i];
    if (slot->probed) return &slot->info;
    slot->probed = 1;
    slot->info = (sm_peer_info){.name = entries[i].name, .kind = entries[i].kind};
    if (SANITIZED)
        (void)snprintf(slot->info.reason, sizeof slot->info.reason, "off under sanitizers");
    else
        peer_trial(entries[i].family, entries[i].where, &slot->info);
    if (slot->info.usable) lift(i);
    return &slot->info;
}

int sm_peer_takes(size_t i, sm_layout layout) {
    return i < PEERS && (layout == SM_FEATURE_MAJOR || !entries[i].family->feature_only);
}

static sm_status load(size_t i) {
    struct peer_slot *slot = &slots[i];
    /* A process with an OpenMP library's threads in it cannot fork a child that uses that library,
     * so every first look comes before the first load. */
    for (size_t other = 0; other < PEERS; other++) (void)sm_peer_probe(other);
    if (!slot->info.usable)
        return sm_fail(SM_E_ARG, "peer %s cannot be used: %s", entries[i].name, slot->info.reason);
    if (slot->loaded) return SM_OK;
    char reason[sizeof slot->info.reason];
    if (peer_lift_begin(slot->lift) != 0)
        return sm_fail(SM_E_NOMEM, "no memory to set %s", slot->lift->variable);
    int status = peer_library_open(entries[i].family, slot->info.path, &slot->library, reason,
                                   sizeof reason);
    /* BLIS reads its variable when it first multiplies. */
    if (status == 0 && slot->lift != NULL)
        status = peer_verify(&slot->library, reason, sizeof reason);
    peer_lift_end(slot->lift);
    if (status != 0) peer_library_close(&slot->library);
    if (status != 0) return sm_fail(SM_E_IO, "peer %s: %s", entries[i].name, reason);
    slot->loaded = 1;
    return SM_OK;
}

static void set_threads(struct peer_slot *slot, int threads) {
    slot->library.family->set_threads(slot->library.api, threads);
    slot->threads = threads;
}

sm_status sm_peer_prepare(size_t i, const sm_peer_problem *problem, void **state) {
    *state = NULL;
    if (i >= PEERS) return sm_fail(SM_E_ARG, "peer %zu: there are %d", i, PEERS);
    if (problem->m == 0 || problem->k == 0 || problem->n == 0 || problem->threads > INT_MAX)
        return sm_fail(SM_E_ARG, "peer %s: m %zu, k %zu, n %zu must be at least 1, threads sane",
                       entries[i].name, problem->m, problem->k, problem->n);
    if (!sm_peer_takes(i, problem->layout))
        return sm_fail(SM_E_ARG, "peer %s takes feature-major activations only", entries[i].name);
    SM_TRY(load(i));
    peer_state *made = malloc(sizeof *made);
    if (made == NULL) return sm_fail(SM_E_NOMEM, "peer %s: out of memory", entries[i].name);
    made->threads = problem->threads == 0 ? 1 : (int)problem->threads;
    set_threads(&slots[i], made->threads);
    const sm_status status =
        slots[i].library.family->prepare(slots[i].library.api, problem, &made->inner);
    if (status == SM_OK) {
        *state = made;
        return SM_OK;
    }
    free(made);
    return sm_fail(status, "peer %s, %zu x %zu, n %zu: %s: leave it out of --peers",
                   entries[i].name, problem->m, problem->k, problem->n, sm_message());
}

void sm_peer_run(size_t i, void *state, const float *x, float *y) {
    const peer_state *made = state;
    /* Another problem of the same library may have been prepared for more threads. */
    if (slots[i].threads != made->threads) set_threads(&slots[i], made->threads);
    slots[i].library.family->run(made->inner, x, y);
}

void sm_peer_destroy(size_t i, void *state) {
    peer_state *made = state;
    if (made == NULL) return;
    slots[i].library.family->destroy(made->inner);
    free(made);
}
