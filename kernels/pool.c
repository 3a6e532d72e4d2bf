/* A plan's own threads: they sleep between calls, callers take turns. */
#include "packed.h"
#include <pthread.h>

struct sm_pool {
    pthread_mutex_t turn; /* one caller at a time */
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t work, done;
    void (*task)(void *arg, size_t i);
    void *arg;
    size_t tasks, next, running;
    int stop;
    size_t threads;
    pthread_t thread[];
};

/* Takes tasks until there are none; called and returns with the lock held. */
static void drain(sm_pool *p) {
    while (p->next < p->tasks) {
        const size_t i = p->next++;
        p->running++;
        pthread_mutex_unlock(&p->lock);
        p->task(p->arg, i);
        pthread_mutex_lock(&p->lock);
        p->running--;
    }
    if (p->running == 0) pthread_cond_broadcast(&p->done);
}

static void *worker(void *arg) {
    sm_pool *p = arg;
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        drain(p);
        pthread_cond_wait(&p->work, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

void sm_pool_free(sm_pool *p) {
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->stop = 1;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->threads; i++) pthread_join(p->thread[i], NULL);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->turn);
    sm_free(p);
}

sm_status sm_pool_create(size_t threads, sm_pool **out) {
    sm_pool *p = sm_alloc(1, sizeof *p + threads * sizeof p->thread[0]);
    *out = NULL;
    if (!p) return sm_fail(SM_E_NOMEM, "no memory for a pool of %zu threads", threads);
    *p = (sm_pool){0};
    pthread_mutex_init(&p->turn, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);
    for (; p->threads < threads; p->threads++) {
        if (pthread_create(&p->thread[p->threads], NULL, worker, p) != 0) {
            sm_pool_free(p);
            return sm_fail(SM_E_NOMEM, "cannot start %zu threads", threads);
        }
    }
    *out = p;
    return SM_OK;
}

void sm_pool_run(void *pool, size_t tasks, void (*task)(void *arg, size_t i), void *arg) {
    sm_pool *p = pool;
    pthread_mutex_lock(&p->turn);
    pthread_mutex_lock(&p->lock);
    p->task = task;
    p->arg = arg;
    p->next = 0;
    p->tasks = tasks;
    pthread_cond_broadcast(&p->work);
    drain(p);
    while (p->running > 0) pthread_cond_wait(&p->done, &p->lock);
    p->tasks = p->next = 0;
    pthread_mutex_unlock(&p->lock);
    pthread_mutex_unlock(&p->turn);
}
