/* sparsemark selftest: does ab find what is there, and nothing else? */
#include "ab/selftest.h"
#include "harness.h"
#include "measure/axes.h"
#include "options.h"
#include "tree.h"
#include <getopt.h>
#include <limits.h>
#include <sparsemark/version.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: sparsemark selftest [OPTION...]\n"
    "Compares the library with itself three times, where nothing may come out SLOW or FAST, then\n"
    "with one kernel made 5 % slower, which must come out SLOW and no other.\n"
    "  --cells N    kernels x layers x N of a run (24)\n"
    "  --full       go on until 200 cells of each kind were judged, the slowed kernel changing\n"
    "  --time T     90s, 5m, 1h: fewer rounds where time is short (no limit)\n"
    "  --delta P    difference that matters (2%)\n"
    "  --rounds N   a block (as many as the cells need)\n"
    "  --seed N     weights, activations and order (1)\n"
    "  --lib FILE   library (libsparsemark.so beside this program)\n"
    "  --json       the result as JSON on stdout\n"
    "  --out FILE   the result as JSON in a file\n"
    "Exit codes: 0 passed, 1 a false alarm or a wrong answer, 2 usage or input/output, 3 the "
    "slowed\n"
    "kernel is AMBIGUOUS: too noisy or too short to tell, 4 and 5 as for ab.\n";

enum {
    OPT_CELLS = 256,
    OPT_FULL,
    OPT_TIME,
    OPT_DELTA,
    OPT_ROUNDS,
    OPT_SEED,
    OPT_LIB,
    OPT_JSON,
    OPT_OUT,
    OPT_HELP
};

static const struct option long_options[] = {
    {"cells", required_argument, NULL, OPT_CELLS},
    {"full", no_argument, NULL, OPT_FULL},
    {"time", required_argument, NULL, OPT_TIME},
    {"delta", required_argument, NULL, OPT_DELTA},
    {"rounds", required_argument, NULL, OPT_ROUNDS},
    {"seed", required_argument, NULL, OPT_SEED},
    {"lib", required_argument, NULL, OPT_LIB},
    {"json", no_argument, NULL, OPT_JSON},
    {"out", required_argument, NULL, OPT_OUT},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

typedef struct options {
    selftest_options test;
    const char *out;
    int json;
} options;

static sm_status set_option(void *arg, int option, char *value) {
    options *o = arg;
    ab_request *r = &o->test.request;
    switch (option) {
    case OPT_CELLS:
        return sm_axis_count("--cells", value, 1000, &o->test.cells);
    case OPT_TIME:
        return sm_axis_time("--time", value, &r->time_s);
    case OPT_DELTA:
        return sm_axis_share("--delta", value, &r->delta);
    case OPT_ROUNDS:
        return sm_axis_count("--rounds", value, 1000, &r->rounds);
    case OPT_SEED:
        return sm_axis_seed(&r->run, value);
    case OPT_LIB:
        r->base = value;
        break;
    case OPT_OUT:
        o->out = value;
        break;
    case OPT_FULL:
        o->test.full = 1;
        break;
    default:
        o->json = 1;
        break;
    }
    return SM_OK;
}

static int report(const options *o, json_t *result, int code) {
    static const char *const words[] = {[EXIT_CODE_OK] = "passed",
                                        [EXIT_CODE_REGRESSION] = "failed",
                                        [EXIT_CODE_UNDECIDED] = "undecided: too noisy to tell"};
    (void)json_object_set_new(result, "exit_code", json_integer(code));
    const int saved = o->out ? ab_save(o->out, result) : EXIT_CODE_OK;
    if (saved != EXIT_CODE_OK) return saved;
    if (o->json) {
        (void)json_dumpf(result, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
        (void)putchar('\n');
        return finish_stdout(code);
    }
    const int printed = selftest_print(result);
    if (printed != EXIT_CODE_OK) return printed;
    (void)printf("\nselftest %s\n", words[code]);
    return finish_stdout(code);
}

static int run(options *o) {
    json_t *result = NULL;
    int code = o->out ? ab_save_check(o->out) : EXIT_CODE_OK;
    if (code == EXIT_CODE_OK) code = selftest_run(&o->test, &result);
    if (result) code = report(o, result, code);
    json_decref(result);
    return code;
}

static int run_beside_program(options *o) {
    char folder[PATH_MAX], library[PATH_MAX + 32];
    if (sm_program_folder(0, folder, sizeof folder) != 0)
        return complain(EXIT_CODE_USAGE,
                        "where this program is cannot be read: expected --lib FILE");
    (void)snprintf(library, sizeof library, "%s/libsparsemark.so.%d", folder, SM_ABI);
    o->test.request.base = library;
    const int code = run(o);
    o->test.request.base = NULL;
    return code;
}

int cmd_selftest(int argc, char **argv) {
    options o = {.test = {.cells = 24, .request = {.run = {.seed = 1}, .delta = 0.02}}};
    const int code = read_options(argc, argv, long_options, usage, set_option, &o);
    if (code >= 0) return code;
    return o.test.request.base ? run(&o) : run_beside_program(&o);
}
