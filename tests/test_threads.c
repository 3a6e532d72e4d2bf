/* Threads: the same bits for every number of them but where rows are paired, own threads or the
 * caller's, late ones, and plans that are shared. */
#include "choose.h"
#include "driver.h"
#include "plan_problem.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { M = 70, K = 90, N = 150 };

static int third(size_t r, size_t c) {
    return (r * 31 + c * 17) % 3 == 0;
}

/* The caller's own way to run tasks: backwards, on this thread. */
static void backwards(void *pool, size_t tasks, void (*task)(void *arg, size_t i), void *arg) {
    ++*(int *)pool;
    while (tasks-- > 0) task(arg, tasks);
}

static sm_plan *make_plan(const problem *p, const char *kernel, size_t threads,
                          sm_parallel_for *parallel_for, void *pool) {
    const sm_plan_options o = {.size = sizeof o,
                               .n = N,
                               .threads = threads,
                               .kernel = kernel,
                               .kt = 32,
                               .mc = 16,
                               .parallel_for = parallel_for,
                               .pool = pool};
    sm_plan *plan;
    assert_int_equal(sm_plan_create(&p->w, &o, &plan), SM_OK);
    return plan;
}

/* Which rows of W share columns of X, and with it the order of their sums, depends on where it is
 * cut for threads. */
static int pairs_rows(const sm_kernel *k) {
    return strcmp(k->format, "sell") == 0;
}

static void test_the_same_bits_for_every_number_of_threads(void **state) {
    (void)state;
    static const size_t counts[] = {2, 3, 5, 40, 100};
    enum { COUNTS = sizeof counts / sizeof *counts };
    float *one = sm_alloc(M * N, sizeof *one), *again = sm_alloc(M * N, sizeof *again);
    for (size_t i = 0; i < sm_kernel_count() * 2; i++) {
        const sm_kernel *k = sm_kernel_at(i / 2);
        if (!(sm_isa_mask() >> k->level & 1)) continue;
        problem p;
        make_problem(M, K, N, i & 1, third, &p);
        sm_plan *plan = make_plan(&p, k->name, 1, NULL, NULL);
        run_plan(plan, &p);
        sm_plan_free(plan);
        assert_true(error_of(&p) <= 1.0);
        memcpy(one, p.y, M * N * sizeof *one);
        for (size_t c = 0; c <= COUNTS; c++) {
            int calls = 0;
            plan = c < COUNTS ? make_plan(&p, k->name, counts[c], NULL, NULL)
                              : make_plan(&p, k->name, 4, backwards, &calls);
            run_plan(plan, &p);
            if (pairs_rows(k)) { /* a plan's own bits are always the same */
                memcpy(again, p.y, M * N * sizeof *again);
                run_plan(plan, &p);
                assert_memory_equal(p.y, again, M * N * sizeof *again);
            }
            sm_plan_free(plan);
            assert_int_equal(calls, c == COUNTS ? 1 + pairs_rows(k) : 0);
            assert_true(error_of(&p) <= 1.0);
            if (!pairs_rows(k)) assert_memory_equal(p.y, one, M * N * sizeof *one);
        }
        free_problem(&p);
    }
    sm_free(again);
    sm_free(one);
}

/* The last of the tasks comes first and leaves nothing for the others to do. */
static void one_is_early(void *pool, size_t tasks, void (*task)(void *arg, size_t i), void *arg) {
    const problem *p = pool;
    const size_t size = p->w.rows * p->args.n * sizeof *p->y;
    float *early = sm_alloc(size, 1);
    assert_non_null(early);
    task(arg, tasks - 1);
    assert_true(error_of(p) <= 1.0);
    memset(p->y, 0xff, size);
    memcpy(early, p->y, size);
    for (size_t i = 0; i + 1 < tasks; i++) task(arg, i);
    assert_memory_equal(p->y, early, size);
    sm_free(early);
}

/* Whatever others have not begun is done by who has nothing left to do. */
static void test_a_late_thread_is_not_waited_for(void **state) {
    (void)state;
    for (size_t i = 0; i < sm_kernel_count() * 2; i++) {
        const sm_kernel *k = sm_kernel_at(i / 2);
        if (!(sm_isa_mask() >> k->level & 1)) continue;
        problem p;
        make_problem(M, K, N, i & 1, third, &p);
        sm_plan *plan = make_plan(&p, k->name, 4, one_is_early, &p);
        run_plan(plan, &p);
        sm_plan_free(plan);
        free_problem(&p);
    }
}

typedef struct caller {
    const sm_plan *plan;
    problem p;
} caller;

static void *call_often(void *arg) {
    caller *c = arg;
    void *workspace = sm_alloc(sm_plan_workspace(c->plan, N), 1);
    for (int i = 0; i < 20 && workspace; i++) sm_plan_run(c->plan, &c->p.args, workspace);
    sm_free(workspace);
    return workspace;
}

static void test_two_callers_share_a_plan(void **state) {
    (void)state;
    for (size_t threads = 1; threads <= 3; threads += 2) {
        caller c[2];
        pthread_t t[2];
        for (size_t i = 0; i < 2; i++) make_problem(M, K, N, (int)i, third, &c[i].p);
        sm_plan *plan = make_plan(&c[0].p, NULL, threads, NULL, NULL);
        for (size_t i = 0; i < 2; i++) {
            c[i].plan = plan;
            assert_int_equal(pthread_create(&t[i], NULL, call_often, &c[i]), 0);
        }
        for (size_t i = 0; i < 2; i++) {
            void *workspace;
            pthread_join(t[i], &workspace);
            assert_non_null(workspace);
            assert_true(error_of(&c[i].p) <= 1.0);
            free_problem(&c[i].p);
        }
        sm_plan_free(plan);
    }
}

static void test_pools_come_and_go(void **state) {
    (void)state;
    problem p;
    make_problem(8, 8, N, 0, third, &p);
    for (int i = 0; i < 50; i++) {
        sm_plan *plan = make_plan(&p, "spmm_csr_f32_scalar_row_1x8", 3, NULL, NULL);
        if (i & 1) run_plan(plan, &p);
        sm_plan_free(plan);
    }
    free_problem(&p);
}

static int upper_half(size_t r, size_t c) {
    (void)c;
    return r < M / 2;
}

/* Nonzeros, not rows, are what threads share; the cuts do not depend on panels. */
static void test_parts_have_equal_cost(void **state) {
    (void)state;
    problem p;
    make_problem(M, K, 1, 0, upper_half, &p);
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        for (size_t parts = 1; parts <= 4; parts++) {
            sm_packed w;
            assert_int_equal(sm_pack(&p.w, k, 32, 16 * k->mr, parts, &w), SM_OK);
            const size_t all =
                strcmp(k->format, "dense") == 0 || strcmp(k->format, "bitmap") == 0 ? M : M / 2;
            for (size_t q = 0; q < w.parts; q++) {
                const size_t row = w.block_row[w.part_block[q]];
                assert_true(q == 0 ? row == 0 : row % k->mr == 0 || row == M);
                /* Empty rows cost a little: up to three rows' worth here, and mr by rounding. */
                const double share = (double)(all * q) / (double)w.parts;
                if (w.parts == parts) assert_true(fabs((double)row - share) <= 3.0 + (double)k->mr);
            }
            assert_int_equal(w.block_row[w.blocks], M);
            assert_int_equal(w.part_block[w.parts], w.blocks);
            sm_packed_free(&w);
        }
    }
    free_problem(&p);
}

/* Two tasks that meet: neither ends before the other has begun, for 10 s at most. */
typedef struct meeting {
    atomic_int begun;
    int met[2], cpu[2];
} meeting;

static void meet(void *arg, size_t i) {
    static const struct timespec nap = {.tv_nsec = 100000};
    meeting *m = arg;
    m->cpu[i] = sched_getcpu();
    (void)atomic_fetch_add(&m->begun, 1);
    for (int naps = 0; m->begun < 2 && naps < 100000; naps++) (void)nanosleep(&nap, NULL);
    m->met[i] += m->begun == 2;
}

/* The pool's thread comes, and every task runs once, whether it still spins, has just gone to sleep
 * or has slept long. */
static void test_a_thread_comes_after_any_pause(void **state) {
    (void)state;
    enum { ROUNDS = 50 };
    static const long pauses_ns[] = {0, 100000, 200000, 250000, 1000000};
    meeting m = {0};
    sm_pool *pool;
    assert_int_equal(sm_pool_create(1, NULL, &pool), SM_OK);
    for (int i = 1; i <= ROUNDS; i++) {
        const struct timespec pause = {.tv_nsec = pauses_ns[i % 5]};
        m.begun = 0;
        sm_pool_run(pool, 2, meet, &m);
        assert_int_equal(m.met[0], i);
        assert_int_equal(m.met[1], i);
        (void)nanosleep(&pause, NULL);
    }
    sm_pool_free(pool);
}

static void block_of(void *arg, size_t i) {
    sigset_t blocked;
    meet(arg, i);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    ((meeting *)arg)->cpu[i] = sigismember(&blocked, SIGTERM);
}

/* Signals are for the caller's thread. A child of fork() may free a pool without threads. */
static void test_signals_and_fork(void **state) {
    (void)state;
    meeting m = {0};
    sm_pool *pool;
    assert_int_equal(sm_pool_create(1, NULL, &pool), SM_OK);
    sm_pool_run(pool, 2, block_of, &m);
    assert_int_equal(m.cpu[0] + m.cpu[1], 1);
    const pid_t child = fork();
    if (child == 0) {
        (void)alarm(10);
        sm_pool_free(pool);
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    sm_pool_free(pool);
}

static void run_in_turn(void *pool, size_t tasks, void (*task)(void *arg, size_t i), void *arg) {
    *(size_t *)pool = tasks;
    for (size_t i = 0; i < tasks; i++) task(arg, i);
}

/* A call and a convolution with n columns of a plan for four threads have as many tasks as the
 * plan's time says, or run in the caller's thread. */
static void expect_tasks(const problem *p, size_t planned, const char *kernel, size_t n) {
    size_t tasks = 1;
    const sm_plan_options o = {.size = sizeof o,
                               .n = planned,
                               .threads = 4,
                               .kernel = kernel,
                               .parallel_for = run_in_turn,
                               .pool = &tasks};
    sm_plan *plan;
    sm_plan_info info;
    sm_args args = p->args;
    args.n = n;
    assert_int_equal(sm_plan_create(&p->w, &o, &plan), SM_OK);
    sm_plan_get_info(plan, &info);
    assert_int_equal(info.expected_s > 0, kernel == NULL);
    const size_t busy = sm_busy_threads(info.kernel->nr, info.expected_s, planned, n, 4);
    void *workspace = sm_alloc(sm_plan_workspace(plan, n), 1);
    assert_non_null(workspace);
    sm_plan_run(plan, &args, workspace);
    assert_int_equal(tasks, busy);
    const sm_conv_args conv = {.x = p->x,
                               .x_rs = p->args.x_rs,
                               .y = p->y,
                               .y_rs = p->args.y_rs,
                               .channels = p->w.cols,
                               .height = 1,
                               .width = n,
                               .batch = 1,
                               .kernel_h = 1,
                               .kernel_w = 1,
                               .stride_h = 1,
                               .stride_w = 1,
                               .out_h = 1,
                               .out_w = n,
                               .lo = -INFINITY,
                               .hi = INFINITY};
    tasks = 1;
    assert_int_equal(sm_plan_run_conv(plan, &conv, workspace), SM_OK);
    assert_int_equal(tasks, busy);
    sm_free(workspace);
    sm_plan_free(plan);
}

static void test_threads_that_are_busy(void **state) {
    (void)state;
    static const struct {
        size_t nr;
        double call_us;
        size_t planned, n, busy;
    } cases[] = {
        {64, 0, 64, 64, 4},       {64, 0.1, 64, 64, 1},   {64, 0.79, 64, 64, 1},
        {64, 0.81, 64, 64, 2},    {64, 1.3, 64, 64, 3},   {64, 1.61, 64, 64, 4},
        {64, 90, 64, 64, 4},      {64, 1.3, 64, 1, 3},    {64, 1.7, 128, 64, 2},
        {64, 1.7, 128, 65, 4},    {64, 0.1, 1, 16, 4},    {64, 0.3, 16, 48, 2},
        {1, 3.3, 8, 2, 2},        {64, 1.7, 512, 511, 4}, {64, 1.7, 64, 0, 1},
        {64, 90, 1, SIZE_MAX, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(
            sm_busy_threads(cases[i].nr, cases[i].call_us * 1e-6, cases[i].planned, cases[i].n, 4),
            cases[i].busy);
}

/* Small or not, and whatever N it was made for; of a kernel that was named it knows no time. */
static void test_a_plan_runs_in_as_many(void **state) {
    (void)state;
    problem p;
    make_problem(8, 8, 16, 0, third, &p);
    expect_tasks(&p, 16, NULL, 16);
    expect_tasks(&p, 1, NULL, 16);
    expect_tasks(&p, 16, NULL, 1);
    expect_tasks(&p, 1, "spmm_csr_f32_scalar_row_1x8", 1);
    free_problem(&p);
    make_problem(512, 512, 256, 0, third, &p);
    expect_tasks(&p, 256, NULL, 256);
    expect_tasks(&p, 1, NULL, 256);
    free_problem(&p);
}

/* The pool's one thread runs where it was told to, and a CPU that is not there is an error. */
static void test_threads_are_pinned(void **state) {
    (void)state;
    cpu_set_t mask;
    sm_pool *pool;
    assert_int_equal(sched_getaffinity(0, sizeof mask, &mask), 0);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET((size_t)cpu, &mask)) continue;
        meeting m = {0};
        assert_int_equal(sm_pool_create(1, &cpu, &pool), SM_OK);
        sm_pool_run(pool, 2, meet, &m);
        sm_pool_free(pool);
        assert_true(m.cpu[0] == cpu || m.cpu[1] == cpu);
    }
    assert_int_equal(sm_pool_create(SIZE_MAX / 4, NULL, &pool), SM_E_NOMEM);
    assert_null(pool);
    problem p;
    make_problem(8, 8, 8, 0, third, &p);
    const int nowhere = CPU_SETSIZE + 5;
    const sm_plan_options o = {.size = sizeof o, .threads = 2, .cpus = &nowhere};
    sm_plan *plan;
    assert_int_equal(sm_plan_create(&p.w, &o, &plan), SM_E_ARG);
    assert_non_null(strstr(sm_message(), "on CPU 1029"));
    assert_null(plan);
    free_problem(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_bits_for_every_number_of_threads),
        cmocka_unit_test(test_a_late_thread_is_not_waited_for),
        cmocka_unit_test(test_two_callers_share_a_plan),
        cmocka_unit_test(test_pools_come_and_go),
        cmocka_unit_test(test_parts_have_equal_cost),
        cmocka_unit_test(test_a_thread_comes_after_any_pause),
        cmocka_unit_test(test_signals_and_fork),
        cmocka_unit_test(test_threads_that_are_busy),
        cmocka_unit_test(test_a_plan_runs_in_as_many),
        cmocka_unit_test(test_threads_are_pinned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
