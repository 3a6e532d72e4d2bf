/* Threads of a plan or of several. Callers take turns. A thread that is out of work spins for
 * longer than a network usually takes between two layers, and then sleeps: in a virtual machine,
 * whose CPU the host has to wake first, a sleeper begins 50 to 100 us late. It gives way to nobody
 * meanwhile, who might keep the CPU for milliseconds. */
#include "clock.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sparsemark/matrix.h>
#include <sparsemark/pool.h>
#include <stdatomic.h>
#include <unistd.h>

static const double SPIN_S = 200e-6;

struct sm_pool {
    pthread_mutex_t turn;      /* one caller at a time */
    pthread_mutex_t lock;      /* for sleeping only */
    pthread_cond_t work, done; /* for sleeping workers, for the sleeping caller */
    atomic_size_t left;        /* tasks that nobody has taken; a task is its number below this */
    atomic_size_t finished;    /* tasks of this turn */
    atomic_size_t sleepers;    /* workers that sleep, or are about to */
    atomic_int waiting, stop;  /* the caller sleeps, or is about to */
    void (*task)(void *arg, size_t i);
    void *arg;
    size_t tasks;
    size_t threads;
    pid_t process; /* that has them: a fork has not */
    pthread_t thread[];
};

/* Takes tasks until there are none. What a taken task reads of the pool stays until it is finished.
 */
static void drain(sm_pool *p) {
    size_t left = atomic_load(&p->left);
    while (left > 0) {
        if (!atomic_compare_exchange_weak(&p->left, &left, left - 1)) continue;
        const size_t tasks = p->tasks;
        p->task(p->arg, left - 1);
        if (atomic_fetch_add(&p->finished, 1) + 1 == tasks && atomic_load(&p->waiting)) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->done);
            pthread_mutex_unlock(&p->lock);
        }
        left = atomic_load(&p->left);
    }
}

static int has_work(sm_pool *p) {
    return atomic_load(&p->left) > 0 || atomic_load(&p->stop);
}

static int is_finished(sm_pool *p) {
    return atomic_load(&p->finished) == p->tasks;
}

static int spin(sm_pool *p, int (*over)(sm_pool *p)) {
    enum { PAUSES = 64 }; /* between two looks at the clock */
    const double end = sm_seconds() + SPIN_S;
    do {
        for (int i = 0; i < PAUSES; i++) {
            if (over(p)) return 1;
            __builtin_ia32_pause();
        }
    } while (sm_seconds() < end);
    return 0;
}

static void *worker(void *arg) {
    sm_pool *p = arg;
    while (!atomic_load(&p->stop)) {
        drain(p);
        if (spin(p, has_work)) continue;
        pthread_mutex_lock(&p->lock);
        atomic_fetch_add(&p->sleepers, 1);
        while (!has_work(p)) pthread_cond_wait(&p->work, &p->lock);
        atomic_fetch_sub(&p->sleepers, 1);
        pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

static void wake_workers(sm_pool *p) {
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
}

void sm_pool_free(sm_pool *p) {
    if (!p) return;
    if (p->process == getpid()) {
        atomic_store(&p->stop, 1);
        wake_workers(p);
        for (size_t i = 0; i < p->threads; i++) pthread_join(p->thread[i], NULL);
        pthread_cond_destroy(&p->work);
        pthread_cond_destroy(&p->done);
        pthread_mutex_destroy(&p->lock);
        pthread_mutex_destroy(&p->turn);
    }
    sm_free(p);
}

/* Signals are for the application's own threads. */
static int create(sm_pool *p, size_t i, const pthread_attr_t *attributes) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&p->thread[i], attributes, worker, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

/* Starts thread i of the pool, on its CPU where cpus says one. */
static sm_status start(sm_pool *p, size_t i, const int *cpus) {
    pthread_attr_t attributes;
    cpu_set_t *set = NULL;
    size_t size = 0;
    int error = pthread_attr_init(&attributes);
    if (error) return sm_fail(SM_E_NOMEM, "cannot start a thread");
    if (cpus && (cpus[i] < 0 || (set = CPU_ALLOC((size_t)cpus[i] + 1)) == NULL)) error = -1;
    if (set) {
        size = CPU_ALLOC_SIZE((size_t)cpus[i] + 1);
        CPU_ZERO_S(size, set);
        CPU_SET_S((size_t)cpus[i], size, set);
        error = pthread_attr_setaffinity_np(&attributes, size, set);
    }
    if (!error) error = create(p, i, &attributes);
    CPU_FREE(set);
    pthread_attr_destroy(&attributes);
    if (error && cpus && error != EAGAIN && error != ENOMEM)
        return sm_fail(SM_E_ARG, "cannot start a thread on CPU %d", cpus[i]);
    if (error) return sm_fail(SM_E_NOMEM, "cannot start %zu threads", i + 1);
    p->threads++;
    return SM_OK;
}

sm_status sm_pool_create(size_t threads, const int *cpus, sm_pool **out) {
    const size_t most = (SIZE_MAX - sizeof(sm_pool)) / sizeof(pthread_t);
    sm_status status = SM_OK;
    *out = NULL;
    sm_pool *p = threads > most ? NULL : sm_alloc(1, sizeof *p + threads * sizeof p->thread[0]);
    if (!p) return sm_fail(SM_E_NOMEM, "no memory for a pool of %zu threads", threads);
    *p = (sm_pool){.process = getpid()};
    pthread_mutex_init(&p->turn, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);
    for (size_t i = 0; i < threads && status == SM_OK; i++) status = start(p, i, cpus);
    if (status != SM_OK) {
        sm_pool_free(p);
        return status;
    }
    *out = p;
    return SM_OK;
}

static void wait_for_workers(sm_pool *p) {
    if (spin(p, is_finished)) return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->waiting, 1);
    while (!is_finished(p)) pthread_cond_wait(&p->done, &p->lock);
    atomic_store(&p->waiting, 0);
    pthread_mutex_unlock(&p->lock);
}

void sm_pool_run(void *pool, size_t tasks, void (*task)(void *arg, size_t i), void *arg) {
    sm_pool *p = pool;
    if (tasks == 0) return;
    pthread_mutex_lock(&p->turn);
    p->task = task;
    p->arg = arg;
    p->tasks = tasks;
    atomic_store(&p->finished, 0);
    atomic_store(&p->left, tasks); /* from here on workers take them */
    if (atomic_load(&p->sleepers) > 0) wake_workers(p);
    drain(p);
    wait_for_workers(p);
    pthread_mutex_unlock(&p->turn);
}
