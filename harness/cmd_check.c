/* sparsemark check: every kernel against the oracle, on shapes that touch every edge of its tile.
 */
#include "check/check.h"
#include "harness.h"
#include "measure/axes.h"
#include "options.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: sparsemark check [--isa all|NAME,...] [--kernels NAME,...] [--seed N] [--repeat R]\n"
    "Holds every kernel that can run here against a double-precision oracle and prints the "
    "largest\n"
    "error as a share of its bound (<= 1 is right), with the case that had it. Exit code 4 where "
    "a\n"
    "kernel is wrong.\n"
    "  --isa      levels to check (all that are usable)\n"
    "  --kernels  only these\n"
    "  --seed     shapes and values (1)\n"
    "  --repeat   passes, each with the next seed (1)\n";

static int wanted(const sm_run_options *o, const sm_kernel *k) {
    for (size_t i = 0; i < o->kernels_count; i++)
        if (strcmp(o->kernels[i], k->name) == 0) return 1;
    const int all = o->kernels_count == 0 || o->kernels_all;
    return all && (sm_axes_masks(o->isa, o->isa_count) >> k->level & 1);
}

/* One pass over the kernels; adds to *checked and *wrong. */
static sm_status run_pass(const sm_run_options *o, size_t *checked, size_t *wrong) {
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        if (!wanted(o, k)) continue;
        sm_check_result r;
        SM_TRY(sm_check_kernel(k, o->seed, sm_check_by_plan, NULL, &r));
        const int right = r.worst <= 1;
        printf("%-42s %6zu %10.3g  %s%s\n", k->name, r.cases, r.worst, r.worst_case,
               right ? "" : "  WRONG");
        if (!right)
            complain(0, "wrong result; to reproduce: sparsemark check --kernels %s --seed %llu",
                     k->name, (unsigned long long)o->seed);
        *wrong += !right;
        ++*checked;
    }
    return SM_OK;
}

static int run_checks(sm_run_options *o, size_t repeat) {
    size_t checked = 0, wrong = 0;
    printf("%-42s %6s %10s  worst case\n", "kernel", "cases", "err/bound");
    for (; repeat > 0; repeat--, o->seed++) {
        const sm_status status = run_pass(o, &checked, &wrong);
        if (status != SM_OK) return complain_status(status);
    }
    printf("%zu kernels checked, %zu wrong\n", checked, wrong);
    return finish_stdout(wrong ? EXIT_CODE_WRONG : EXIT_CODE_OK);
}

typedef struct arguments {
    sm_run_options run;
    size_t repeat;
} arguments;

static sm_status set_option(void *arg, int option, char *value) {
    arguments *a = arg;
    sm_run_options *o = &a->run;
    switch (option) {
    case 'i':
        return sm_axis_isa(o, value);
    case 'k':
        SM_TRY(sm_axis_kernels(o, value));
        if (o->plan || o->sweep)
            return sm_fail(SM_E_ARG, "--kernels: plan and sweep choose by timing: check expected "
                                     "all, or names from 'list kernels'");
        break;
    case 's':
        return sm_axis_seed(o, value);
    default:
        return sm_axis_count("--repeat", value, 1000000, &a->repeat);
    }
    return SM_OK;
}

int cmd_check(int argc, char **argv) {
    static const struct option long_options[] = {
        {"isa", required_argument, NULL, 'i'},  {"kernels", required_argument, NULL, 'k'},
        {"seed", required_argument, NULL, 's'}, {"repeat", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0}};
    arguments a = {.run = {.seed = 1}, .repeat = 1};
    const int code = read_options(argc, argv, long_options, usage, set_option, &a);
    if (code >= 0) return code;
    const sm_status status = sm_axes_complete_isa(&a.run);
    return status == SM_OK ? run_checks(&a.run, a.repeat) : complain_status(status);
}
