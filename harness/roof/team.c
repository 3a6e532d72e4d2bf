/* Runs the loops on a team of pinned threads. A round runs every figure for every number of threads
 * once, every other round backwards, so that a slow spell of the machine hits all of them alike; a
 * figure is its best run. Limit: what else runs on the machine; the best of few rounds may be low.
 */
#include "machine/machine.h"
#include "measure/clock.h"
#include "roof/measure.h"
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <sparsemark/matrix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Long beside the clock's steps and the skew of a barrier, short beside a slow spell. */
static const double RUN_NS = 1e6;

typedef struct figure {
    size_t line, memory;
} figure;

typedef struct team team;

typedef struct member {
    team *team;
    size_t index;
    pthread_t thread;
    char *allocated, *buffer; /* of the largest window that it needs */
    double begin_ns, end_ns;  /* of its last run */
    uint64_t done;
    sm_status status;
    char message[256];
} member;

struct team {
    sm_roof *roof;
    member *members;
    figure *figures;
    size_t figure_count, size; /* threads */
    double end_ns;
    uint64_t *passes;        /* a slot */
    pthread_barrier_t block; /* sleeps: idle threads leave the cores alone */
    _Atomic size_t arrived;  /* and `turn`: a barrier that spins, for a common start */
    _Atomic unsigned turn;
    pthread_mutex_t start; /* held until all threads are there */
    int incomplete;        /* or until one could not be created */
    _Atomic int failed;
    int again, stop; /* thread 0 decides, the others read after a barrier */
};

/* Yields after a while: there may be fewer CPUs than threads at the moment. */
static void meet(team *t, size_t threads) {
    enum { SPINS = 4000 };
    const unsigned turn = t->turn;
    if (++t->arrived == threads) {
        t->arrived = 0;
        t->turn = turn + 1;
        return;
    }
    for (int spins = 0; t->turn == turn; spins++) {
        if (spins < SPINS)
            __builtin_ia32_pause();
        else
            (void)sched_yield();
    }
}

/* Takes the rate from first start to last end. Too short a run is repeated with more passes. */
static void judge(team *t, size_t slot, size_t threads) {
    double begin = INFINITY, end = 0, done = 0;
    for (size_t i = 0; i < threads; i++) {
        begin = fmin(begin, t->members[i].begin_ns);
        end = fmax(end, t->members[i].end_ns);
        done += (double)t->members[i].done;
    }
    const double ns = fmax(end - begin, 1);
    t->again = ns < RUN_NS / 2;
    if (t->again)
        t->passes[slot] *= (uint64_t)fmin(fmax(RUN_NS / ns, 2), 100);
    else
        t->roof->rate[slot] = fmax(t->roof->rate[slot], done / ns); /* NaN gives way */
}

/* Some passes before each run bring the buffer back into its cache and the clock to where wide
 * vectors want it. DRAM has one pass and none before it: all of the buffer, because its parts
 * differ with the place of their pages, and the best part is not the best of the memory. */
static void run_figure(member *m, size_t c, const figure *f) {
    team *const t = m->team;
    const size_t slot = sm_roof_slot(c, f->line, f->memory);
    const sm_roof_width *const width = &t->roof->widths[c];
    const sm_roof_line *const line = sm_roof_line_at(f->line);
    const size_t bytes = width->window[f->memory];
    if (line->kind != SM_ROOF_fma && bytes == 0) return;
    do {
        const size_t passes = t->passes[slot];
        (void)line->run(m->buffer, bytes, passes / 8);
        meet(t, width->threads);
        m->begin_ns = clock_ns();
        m->done = line->run(m->buffer, bytes, passes);
        m->end_ns = clock_ns();
        meet(t, width->threads);
        if (m->index == 0) judge(t, slot, width->threads);
        meet(t, width->threads);
    } while (t->again);
}

static void run_rounds(member *m) {
    team *const t = m->team;
    for (size_t round = 0; !t->stop; round++) {
        for (size_t c = 0; c < t->roof->count; c++) {
            for (size_t i = 0; m->index < t->roof->widths[c].threads && i < t->figure_count; i++) {
                const size_t at = round % 2 ? t->figure_count - 1 - i : i;
                run_figure(m, c, &t->figures[at]);
            }
            (void)pthread_barrier_wait(&t->block);
        }
        if (m->index == 0) {
            t->stop = clock_ns() >= t->end_ns;
            t->roof->rounds = round + 1;
        }
        (void)pthread_barrier_wait(&t->block);
    }
}

/* Pins the thread and touches its pages, so that they are near it. Memory comes from where the
 * operands of kernels come from: both have pages of the same size. The buffer begins at a round
 * address: some CPUs predict the way in L1 from a hash of the address, and pages on both sides of a
 * very round one evict each other. */
static sm_status prepare(member *m) {
    enum { ROUND = 1 << 16 };
    size_t bytes = 0;
    const sm_roof *roof = m->team->roof;
    for (size_t c = 0; c < roof->count; c++)
        for (size_t memory = 0; memory < SM_ROOF_MEMORIES; memory++)
            if (m->index < roof->widths[c].threads && roof->widths[c].window[memory] > bytes)
                bytes = roof->widths[c].window[memory];
    if (sm_machine_pin(m->index) != 0)
        return sm_fail(SM_E_IO, "roof: cannot pin thread %zu to a hardware thread", m->index);
    m->allocated = sm_alloc(bytes + ROUND, 1);
    if (!m->allocated)
        return sm_fail(SM_E_NOMEM, "roof: no memory for a buffer of %zu MiB", bytes >> 20);
    m->buffer = m->allocated + (ROUND - (uintptr_t)m->allocated % ROUND) % ROUND;
    memset(m->buffer, 0, bytes);
    return SM_OK;
}

static void *run_member(void *arg) {
    member *const m = arg;
    team *const t = m->team;
    (void)pthread_mutex_lock(&t->start);
    (void)pthread_mutex_unlock(&t->start);
    if (t->incomplete) return NULL;
    m->status = prepare(m);
    if (m->status != SM_OK) {
        t->failed = 1;
        (void)snprintf(m->message, sizeof m->message, "%s", sm_message());
    }
    (void)pthread_barrier_wait(&t->block);
    if (!t->failed) run_rounds(m);
    sm_free(m->allocated);
    return NULL;
}

/* Starts the team, waits for its end and returns the first failure. */
static sm_status run_team(team *t) {
    member *const members = t->members;
    size_t started = 0;
    int error = 0;
    (void)pthread_mutex_lock(&t->start);
    for (; started < t->size && error == 0; started += error == 0) {
        members[started] = (member){.team = t, .index = started};
        error = pthread_create(&members[started].thread, NULL, run_member, &members[started]);
    }
    t->incomplete = error != 0;
    (void)pthread_mutex_unlock(&t->start);
    for (size_t i = 0; i < started; i++) (void)pthread_join(members[i].thread, NULL);
    if (error != 0)
        return sm_fail(SM_E_IO, "roof: cannot start thread %zu of %zu: %s", started, t->size,
                       strerror(error));
    for (size_t i = 0; i < started; i++)
        if (members[i].status != SM_OK) return sm_fail(members[i].status, "%s", members[i].message);
    return SM_OK;
}

/* What is measured: usable loops, multiply-adds once, the others in every memory. One lane is no
 * bandwidth of a machine that has vectors. */
static void choose_figures(team *t) {
    char reason[128];
    sm_cpuid cpuid;
    sm_cpuid_read(&cpuid);
    for (size_t l = 0; l < sm_roof_line_count(); l++) {
        const sm_roof_line *const line = sm_roof_line_at(l);
        const int alone = sm_isa_mask() == 1 || strcmp(line->level, "scalar") != 0;
        if (!sm_roof_usable(&cpuid, line, reason, sizeof reason)) continue;
        if (line->kind == SM_ROOF_fma)
            t->figures[t->figure_count++] = (figure){l, SM_ROOF_L1};
        else if (line->kind != SM_ROOF_probe && alone)
            for (size_t memory = 0; memory < SM_ROOF_MEMORIES; memory++)
                t->figures[t->figure_count++] = (figure){l, memory};
    }
}

sm_status sm_roof_run(sm_roof *roof, double seconds) {
    const size_t slots = sm_roof_slot(roof->count, 0, 0);
    const double begin_ns = clock_ns();
    team t = {.roof = roof, .size = 1, .end_ns = begin_ns + 1e9 * seconds};
    for (size_t c = 0; c < roof->count; c++)
        if (roof->widths[c].threads > t.size) t.size = roof->widths[c].threads;
    t.figures = calloc(sm_roof_slot(1, 0, 0), sizeof *t.figures);
    t.passes = calloc(slots, sizeof *t.passes);
    t.members = calloc(t.size, sizeof *t.members);
    sm_status status = SM_OK;
    if (!t.figures || !t.passes || !t.members ||
        pthread_barrier_init(&t.block, NULL, (unsigned)t.size) != 0) {
        status = sm_fail(SM_E_NOMEM, "roof: no memory for %zu threads", t.size);
    } else {
        (void)pthread_mutex_init(&t.start, NULL);
        for (size_t i = 0; i < slots; i++) t.passes[i] = 1;
        choose_figures(&t);
        status = run_team(&t);
        (void)pthread_mutex_destroy(&t.start);
        (void)pthread_barrier_destroy(&t.block);
    }
    free(t.members);
    free(t.passes);
    free(t.figures);
    roof->seconds = (clock_ns() - begin_ns) * 1e-9;
    return status;
}
