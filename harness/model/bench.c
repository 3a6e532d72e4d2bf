/* Times engines in turn, by the rounds that time kernels: every estimate is paired. */
#include "model/bench.h"
#include "measure/axes.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DENSE, AUTO, TORCH, ARMS }; /* auto borrows from dense */
/* For choosing a layer's kernel: four layers and a network that is timed for seconds. */
static const double CHOOSE_S = 0.15;
/* A layer that is sparse takes at most this share of what it takes dense. */
static const double SETTLED = 0.97;

typedef struct arm {
    engine *engine;
    const float *images;
    size_t batch;
    float *logits;
    sm_candidate candidate;
} arm;

typedef struct measuring {
    const model_bench *bench;
    arm arms[ARMS];
    size_t arm_count;
    torch_child *torch;
    model_point *point;
} measuring;

double model_difference(const float *a, const float *b, size_t count) {
    double largest = 0, difference = 0;
    for (size_t i = 0; i < count; i++) {
        if (isnan(a[i]) || isnan(b[i])) return INFINITY;
        largest = fmax(largest, fabs((double)b[i]));
        difference = fmax(difference, fabs((double)a[i] - (double)b[i]));
    }
    return largest > 0 ? difference / largest : difference > 0 ? INFINITY : 0;
}

size_t model_weight_bytes(const model_layer *layer) {
    const sm_bytes *b = &layer->info.bytes;
    return b->values + b->indices + b->pointers;
}

static void call_engine(void *arg) {
    arm *a = arg;
    engine_run(a->engine, a->images, a->batch, a->logits, NULL);
}

static sm_status add_engine(measuring *m, size_t i, uint32_t formats) {
    const model_bench *b = m->bench;
    const engine_options options = {.batch = m->point->batch,
                                    .threads = m->point->threads,
                                    .format_mask = formats,
                                    .isa_mask = b->isa_mask,
                                    .budget_s = CHOOSE_S,
                                    .cpus = b->cpus,
                                    .like = i == AUTO ? m->arms[DENSE].engine : NULL};
    arm *a = &m->arms[i];
    SM_TRY(engine_create(b->net, &options, &a->engine));
    a->images = b->images;
    a->batch = m->point->batch;
    a->candidate = (sm_candidate){.name = i == DENSE ? "dense" : "auto",
                                  .own = 1,
                                  .cpus = b->cpus,
                                  .info.threads = m->point->threads,
                                  .watch = b->watch,
                                  .other = call_engine,
                                  .other_arg = a};
    return SM_OK;
}

static void add_torch(measuring *m) {
    sm_candidate *c = &m->arms[TORCH].candidate;
    *c = (sm_candidate){.name = "pytorch",
                        .info.threads = 1, /* of this process */
                        .watch = m->bench->watch,
                        .other = torch_call,
                        .other_timer = torch_timer,
                        .other_arg = m->torch};
    m->arm_count = ARMS;
}

/* Every arm gives the logits that all must give. */
static sm_status compare(measuring *m) {
    const model_bench *b = m->bench;
    const size_t batch = m->point->batch, values = batch * b->net->classes;
    for (size_t i = 0; i < m->arm_count; i++) {
        arm *a = &m->arms[i];
        a->logits = sm_alloc(values, sizeof *a->logits);
        if (!a->logits) return sm_fail(SM_E_NOMEM, "no memory for the logits of %zu images", batch);
        memset(a->logits, 0xff, values * sizeof *a->logits);
        if (i == TORCH)
            SM_TRY(torch_prepare(m->torch, batch, a->logits, &m->point->torch_format));
        else
            call_engine(a);
        m->point->error = fmax(m->point->error, model_difference(a->logits, b->logits, values));
    }
    return SM_OK;
}

static double sum_of(const engine_times *t) {
    double sum = t->input;
    for (size_t i = 0; i < NET_LAYERS; i++) sum += t->product[i] + t->pool[i];
    return sum;
}

/* Times of the layers: of the fastest of some calls, the two engines in turn. */
static void time_layers(measuring *m, engine_times best[2]) {
    enum { CALLS = 9 };
    for (int call = 0; call < CALLS; call++)
        for (size_t i = 0; i < 2; i++) {
            engine_times t = {0};
            arm *a = &m->arms[i];
            engine_run(a->engine, a->images, a->batch, a->logits, &t);
            if (call == 0 || sum_of(&t) < sum_of(&best[i])) best[i] = t;
        }
}

/* A plan times a slice of a layer by itself, and inside of the network caches hold other things: it
 * chose the sparse kernel, and whether a layer stays sparse is decided here. */
static void settle(measuring *m) {
    engine_times times[2];
    sm_candidate_place(&m->arms[AUTO].candidate);
    time_layers(m, times);
    for (size_t i = 0; i < NET_LAYERS; i++)
        if (times[AUTO].product[i] > SETTLED * times[DENSE].product[i])
            engine_take_dense(m->arms[AUTO].engine, i);
}

static void describe_layers(measuring *m) {
    engine_times times[2];
    model_point *p = m->point;
    sm_candidate_place(&m->arms[AUTO].candidate);
    time_layers(m, times);
    p->input_ns = times[AUTO].input;
    p->call_ns = sum_of(&times[AUTO]);
    for (size_t i = 0; i < NET_LAYERS; i++) {
        model_layer *l = &p->layers[i];
        engine *e = m->arms[AUTO].engine;
        size_t columns;
        engine_layer(m->arms[DENSE].engine, i, &l->dense_info, &columns);
        engine_layer(e, i, &l->info, &l->columns);
        l->layer = &m->bench->net->layers[i];
        l->ns = times[AUTO].product[i];
        l->dense_ns = times[DENSE].product[i];
        l->pool_ns = times[AUTO].pool[i];
        l->pack_share = fmin(1, engine_pack_ns(e, i) / (double)p->threads / l->ns);
        l->activation_bytes = engine_activation_bytes(e, i);
    }
}

static void estimate(measuring *m, size_t rounds) {
    model_point *p = m->point;
    const sm_candidate *own = &m->arms[AUTO].candidate, *dense = &m->arms[DENSE].candidate;
    p->rounds = rounds;
    p->time = sm_rounds_time(own, rounds);
    p->dense_time = sm_rounds_time(dense, rounds);
    p->speedup = sm_rounds_ratio(dense, own, rounds);
    for (size_t i = 0; i < m->arm_count; i++)
        for (size_t r = 0; r < rounds; r++) p->quiet += m->arms[i].candidate.taints[r] == 0;
    p->samples = m->arm_count * rounds;
    if (!m->torch) return;
    const sm_candidate *torch = &m->arms[TORCH].candidate;
    p->torch_time = sm_rounds_time(torch, rounds);
    p->torch_speedup = sm_rounds_ratio(torch, own, rounds);
    p->torch_dense = sm_rounds_ratio(torch, dense, rounds);
}

static sm_status run(measuring *m, double seconds) {
    const uint32_t dense = sm_axes_format_mask("dense");
    sm_candidate *candidates[ARMS];
    size_t rounds;
    SM_TRY(add_engine(m, DENSE, dense));
    SM_TRY(add_engine(m, AUTO, ~dense));
    if (m->torch) add_torch(m);
    SM_TRY(compare(m));
    if (!(m->point->error <= MODEL_TOLERANCE)) return SM_OK;
    settle(m);
    for (size_t i = 0; i < m->arm_count; i++) candidates[i] = &m->arms[i].candidate;
    SM_TRY(sm_rounds_run(candidates, m->arm_count, DENSE, m->bench->precision, seconds, &rounds));
    if (m->torch) SM_TRY(torch_state(m->torch));
    estimate(m, rounds);
    describe_layers(m);
    return SM_OK;
}

sm_status model_measure(const model_bench *bench, size_t batch, size_t threads, torch_child *torch,
                        double seconds, model_point *out) {
    measuring m = {.bench = bench, .arm_count = TORCH, .torch = torch, .point = out};
    *out = (model_point){.batch = batch, .threads = threads, .torch_format = ""};
    const sm_status status = run(&m, seconds);
    for (size_t i = ARMS; i-- > 0;) { /* dense last */
        engine_free(m.arms[i].engine);
        sm_free(m.arms[i].logits);
        free(m.arms[i].candidate.ns);
        free(m.arms[i].candidate.taints);
    }
    return status;
}
