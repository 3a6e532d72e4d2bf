/* Plans: hold the packed weights, run them. How a kernel is chosen is in choose.c. */
#include "choose.h"
#include "clock.h"
#include "driver.h"
#include "options.h"
#include "trial.h"
#include <math.h>

enum { MAX_THREADS = 4096 };

struct sm_plan {
    sm_packed packed;
    sm_plan_info info;
    size_t n; /* that it was made for */
    sm_parallel_for *parallel_for;
    void *pool;
    sm_pool *own_pool;
};

/* The options that were given, completed with defaults, or what is wrong with them. */
static sm_status complete(const sm_plan_options *given, sm_plan_options *o) {
    *o = (sm_plan_options){0};
    if (given) SM_TRY(sm_options_copy("sm_plan_options", given, o, sizeof *o));
    if (o->n == 0) o->n = 128;
    if (o->threads == 0) o->threads = 1;
    if (o->threads > MAX_THREADS)
        return sm_fail(SM_E_ARG, "sm_plan_options.threads is %zu: expected at most %d", o->threads,
                       MAX_THREADS);
    if ((unsigned)o->layout > SM_IMAGE)
        return sm_fail(SM_E_ARG, "sm_plan_options.layout is %d: expected an sm_layout",
                       (int)o->layout);
    if (isnan(o->budget_s)) return sm_fail(SM_E_ARG, "sm_plan_options.budget_s is not a number");
    if (o->budget_s == 0) o->budget_s = 0.05;
    const uint32_t usable = sm_isa_mask();
    if (o->isa_mask & ~usable) {
        char reason[128];
        sm_cpuid cpuid;
        sm_cpuid_read(&cpuid);
        const size_t level = (size_t)__builtin_ctz(o->isa_mask & ~usable);
        const char *name = sm_isa_name(level);
        return sm_fail(SM_E_ISA, "instruction-set level %s: %s", name ? name : "(unknown)",
                       sm_isa_reason(&cpuid, level, reason, sizeof reason));
    }
    if (o->isa_mask == 0) o->isa_mask = usable;
    if (o->format_mask == 0) o->format_mask = ~0u;
    if (!o->kernel) return SM_OK;
    const sm_kernel *k = sm_kernel_find(o->kernel);
    if (!k) return sm_fail(SM_E_ARG, "unknown kernel '%s'", o->kernel);
    if (!(o->isa_mask >> k->level & 1))
        return sm_fail(SM_E_ISA, "%s: level %s is not among those allowed or usable", k->name,
                       k->isa);
    return SM_OK;
}

static sm_status check(const sm_csr *w) {
    if (!w) return sm_fail(SM_E_ARG, "no matrix: expected one of at least one row and one column");
    if (w->rows == 0 || w->cols == 0)
        return sm_fail(SM_E_ARG, "matrix of %zu x %zu: expected at least one row and one column",
                       w->rows, w->cols);
    return sm_csr_check(w);
}

/* Packs w as was chosen, unless choosing did. */
static sm_status pack(const sm_csr *w, const sm_plan_options *o, sm_choice *c) {
    if (c->packed.kernel) return SM_OK;
    const double start = sm_seconds();
    SM_TRY(sm_pack(w, c->kernel, c->kt, c->mc, sm_row_parts(o, c->kernel), &c->packed));
    c->pack_s = sm_seconds() - start;
    return SM_OK;
}

sm_status sm_plan_create(const sm_csr *w, const sm_plan_options *options, sm_plan **out) {
    *out = NULL;
    sm_plan_options o;
    SM_TRY(complete(options, &o));
    SM_TRY(check(w));
    sm_plan *p = sm_alloc(1, sizeof *p);
    if (!p) return sm_fail(SM_E_NOMEM, "no memory for a plan");
    *p = (sm_plan){.n = o.n, .parallel_for = o.parallel_for, .pool = o.pool};
    sm_choice choice = {0};
    sm_status status = sm_choose(w, &o, &choice);
    if (status == SM_OK) status = pack(w, &o, &choice);
    p->packed = choice.packed;
    p->info = (sm_plan_info){.kernel = choice.kernel,
                             .rows = w->rows,
                             .cols = w->cols,
                             .nnz = w->nnz,
                             .kt = p->packed.kt,
                             .mc = p->packed.mc,
                             .threads = o.threads,
                             .index_bits = p->packed.index_bits,
                             .bytes = p->packed.bytes,
                             .pack_s = choice.pack_s,
                             .choose_s = choice.choose_s,
                             .expected_s = choice.expected_s,
                             .dense_s = choice.dense_s,
                             .sparse_s = choice.sparse_s,
                             .candidates = choice.candidates};
    if (status == SM_OK && o.threads > 1 && !o.parallel_for) {
        status = sm_pool_create(o.threads - 1, o.cpus, &p->own_pool);
        p->parallel_for = sm_pool_run;
        p->pool = p->own_pool;
    }
    if (status != SM_OK) {
        sm_plan_free(p);
        return status;
    }
    *out = p;
    return SM_OK;
}

void sm_plan_free(sm_plan *plan) {
    if (!plan) return;
    sm_pool_free(plan->own_pool);
    sm_packed_free(&plan->packed);
    sm_free(plan);
}

void sm_plan_get_info(const sm_plan *plan, sm_plan_info *out) {
    *out = plan->info;
}

size_t sm_plan_workspace(const sm_plan *plan, size_t n) {
    return sm_driver_workspace(&plan->packed, n, plan->info.threads);
}

static size_t threads_for(const sm_plan *p, size_t n) {
    return sm_busy_threads(p->info.kernel->nr, p->info.expected_s, p->n, n, p->info.threads);
}

void sm_plan_run(const sm_plan *plan, const sm_args *args, void *workspace) {
    sm_driver_run(&plan->packed, args, threads_for(plan, args->n), plan->parallel_for, plan->pool,
                  workspace);
}

void sm_plan_pack_x(const sm_plan *plan, const sm_args *args, void *workspace) {
    sm_driver_pack_x(&plan->packed, args, workspace);
}

static sm_status check_conv(const sm_plan *plan, const sm_conv_args *c) {
    size_t cols;
    if (__builtin_mul_overflow(c->channels, c->kernel_h, &cols) ||
        __builtin_mul_overflow(cols, c->kernel_w, &cols) || cols != plan->info.cols)
        return sm_fail(SM_E_ARG,
                       "convolution of %zu channels by %zu x %zu: expected %zu weights an output "
                       "channel, as the plan has",
                       c->channels, c->kernel_h, c->kernel_w, plan->info.cols);
    const ptrdiff_t most = INT32_MAX;
    if (c->stride_h - 1 >= (size_t)most || c->stride_w - 1 >= (size_t)most)
        return sm_fail(SM_E_ARG, "convolution with strides of %zu and %zu: expected 1 to 2^31 - 1",
                       c->stride_h, c->stride_w);
    size_t n;
    if (__builtin_mul_overflow(c->out_h, c->out_w, &n) || __builtin_mul_overflow(n, c->batch, &n))
        return sm_fail(SM_E_ARG, "convolution to %zu x %zu x %zu: expected less than 2^64 columns",
                       c->out_h, c->out_w, c->batch);
    if (c->pad_top > most || c->pad_top < -most || c->pad_left > most || c->pad_left < -most)
        return sm_fail(SM_E_ARG, "convolution padded by %td and %td: expected less than 2^31",
                       c->pad_top, c->pad_left);
    return SM_OK;
}

sm_status sm_plan_run_conv(const sm_plan *plan, const sm_conv_args *args, void *workspace) {
    SM_TRY(check_conv(plan, args));
    const size_t n = args->out_h * args->out_w * args->batch;
    sm_driver_run_conv(&plan->packed, args, threads_for(plan, n), plan->parallel_for, plan->pool,
                       workspace);
    return SM_OK;
}

sm_status sm_plan_pack_conv(const sm_plan *plan, const sm_conv_args *args, void *workspace) {
    SM_TRY(check_conv(plan, args));
    sm_driver_pack_conv(&plan->packed, args, workspace);
    return SM_OK;
}

sm_status sm_plan_unpack(const sm_plan *plan, sm_csr *out) {
    return sm_unpack(&plan->packed, out);
}
