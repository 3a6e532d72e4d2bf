/* sparsemark ab: two builds of the library in one process on the same buffers, and one verdict. */
#include "ab/ab.h"
#include "ab/round.h"
#include "harness.h"
#include "measure/axes.h"
#include "options.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: sparsemark ab --base FILE --cand FILE [OPTION...]\n"
    "       sparsemark ab --replay FILE [OPTION...]\n"
    "Is one build of libsparsemark.so slower than another? Both are loaded twice and timed in "
    "turn\n"
    "on the same buffers, round by round in fresh processes. SLOW and FAST must show twice.\n\n"
    "What:\n"
    "  --layers NAME,...       built-in layers or a file, as for run (two of them)\n"
    "  --input PATH            a file of weights or a folder of them, as for run\n"
    "  --pattern LIST          how dense weights are pruned (unstructured)\n"
    "  --sparsity LIST         of dense weights (0.7)\n"
    "  --n LIST|native         columns of X (32,128)\n"
    "  --layout LIST           feature (default), token\n"
    "  --isa auto|all|NAME,... levels (all that are usable)\n"
    "  --kernels all|NAME,...  (sparse SpMM kernels written by hand)\n"
    "  --common                leave out what only one build has, instead of refusing\n"
    "How:\n"
    "  --delta P               difference that matters (3%, 5% on a virtual machine)\n"
    "  --rounds N              a block (as many as the cells need, at least 10)\n"
    "  --time T                90s, 5m, 1h: no further round after that\n"
    "  --seed N                weights, activations and order (1)\n"
    "  --inject KERNEL=P       make this kernel slower in FILE of --cand, to try the verdict\n"
    "  --save FILE             keep all samples as JSON\n"
    "  --replay FILE           judge kept samples, measure nothing\n"
    "  --format text|md|json   (text)\n"
    "  --strict                exit code 3 where a cell is AMBIGUOUS\n"
    "Exit codes: 0 nothing is SLOW, 1 a kernel is, 2 usage or input/output, 3 undecided "
    "(--strict),\n"
    "4 a build computes a wrong result, 5 the builds cannot be compared or not here.\n";

typedef struct ab_options {
    ab_request request;
    const char *save, *replay, *measuring; /* measuring: an option that --replay excludes */
    char *inject;
    ab_format format;
    int strict;
} ab_options;

enum {
    OPT_BASE = 256,
    OPT_CAND,
    OPT_LAYERS,
    OPT_INPUT,
    OPT_PATTERN,
    OPT_SPARSITY,
    OPT_N,
    OPT_LAYOUT,
    OPT_ISA,
    OPT_KERNELS,
    OPT_COMMON,
    OPT_ROUNDS,
    OPT_TIME,
    OPT_SEED,
    OPT_INJECT,
    OPT_SAVE,
    OPT_LAST_MEASURING = OPT_SAVE,
    OPT_DELTA,
    OPT_REPLAY,
    OPT_FORMAT,
    OPT_STRICT,
    OPT_HELP
};

static const struct option long_options[] = {
    {"base", required_argument, NULL, OPT_BASE},
    {"cand", required_argument, NULL, OPT_CAND},
    {"layers", required_argument, NULL, OPT_LAYERS},
    {"input", required_argument, NULL, OPT_INPUT},
    {"pattern", required_argument, NULL, OPT_PATTERN},
    {"sparsity", required_argument, NULL, OPT_SPARSITY},
    {"n", required_argument, NULL, OPT_N},
    {"layout", required_argument, NULL, OPT_LAYOUT},
    {"isa", required_argument, NULL, OPT_ISA},
    {"kernels", required_argument, NULL, OPT_KERNELS},
    {"common", no_argument, NULL, OPT_COMMON},
    {"rounds", required_argument, NULL, OPT_ROUNDS},
    {"time", required_argument, NULL, OPT_TIME},
    {"seed", required_argument, NULL, OPT_SEED},
    {"inject", required_argument, NULL, OPT_INJECT},
    {"save", required_argument, NULL, OPT_SAVE},
    {"delta", required_argument, NULL, OPT_DELTA},
    {"replay", required_argument, NULL, OPT_REPLAY},
    {"format", required_argument, NULL, OPT_FORMAT},
    {"strict", no_argument, NULL, OPT_STRICT},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static sm_status set_format(ab_options *o, const char *value) {
    static const char *const names[] = {[AB_TEXT] = "text", [AB_MD] = "md", [AB_JSON] = "json"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], value) != 0) continue;
        o->format = (ab_format)i;
        return SM_OK;
    }
    return sm_fail(SM_E_ARG, "--format '%s': expected text, md or json", value);
}

static sm_status set_inject(ab_options *o, char *value) {
    char *equals = strchr(value, '=');
    if (!equals || equals == value)
        return sm_fail(SM_E_ARG, "--inject '%s': expected KERNEL=SHARE such as NAME=5%%", value);
    *equals = '\0';
    o->request.inject = value;
    return sm_axis_share("--inject", equals + 1, &o->request.inject_share);
}

static sm_status set_measuring(ab_options *o, int option, char *value) {
    ab_request *r = &o->request;
    switch (option) {
    case OPT_BASE:
        r->base = value;
        break;
    case OPT_CAND:
        r->cand = value;
        break;
    case OPT_LAYERS:
        return sm_source_add_layers(&r->run.sources, value);
    case OPT_INPUT:
        return sm_source_add_path(&r->run.sources, value);
    case OPT_PATTERN:
        return sm_axis_pattern(&r->run, value);
    case OPT_SPARSITY:
        return sm_axis_sparsity(&r->run, value);
    case OPT_N:
        return sm_axis_n(&r->run, value);
    case OPT_LAYOUT:
        return sm_axis_layout(&r->run, value);
    case OPT_ISA:
        return sm_axis_isa(&r->run, value);
    case OPT_KERNELS:
        r->kernels = value;
        break;
    case OPT_COMMON:
        r->common = 1;
        break;
    case OPT_ROUNDS:
        return sm_axis_count("--rounds", value, 1000, &r->rounds);
    case OPT_TIME:
        return sm_axis_time("--time", value, &r->time_s);
    case OPT_SEED:
        return sm_axis_seed(&r->run, value);
    case OPT_INJECT:
        return set_inject(o, value);
    default:
        o->save = value;
        break;
    }
    return SM_OK;
}

static sm_status set_option(void *arg, int option, char *value) {
    ab_options *o = arg;
    if (option <= OPT_LAST_MEASURING) {
        o->measuring = long_options[option - OPT_BASE].name;
        return set_measuring(o, option, value);
    }
    switch (option) {
    case OPT_DELTA:
        return sm_axis_share("--delta", value, &o->request.delta);
    case OPT_REPLAY:
        o->replay = value;
        break;
    case OPT_FORMAT:
        return set_format(o, value);
    default:
        o->strict = 1;
        break;
    }
    return SM_OK;
}

static sm_status complete(ab_options *o) {
    ab_request *r = &o->request;
    if (o->replay && o->measuring)
        return sm_fail(SM_E_ARG, "--replay measures nothing: expected no --%s beside it",
                       o->measuring);
    if (o->replay) return SM_OK;
    if (!r->base || !r->cand)
        return sm_fail(SM_E_ARG, "ab: expected --base FILE and --cand FILE, or --replay FILE");
    return ab_request_complete(r);
}

/* Reads what --save kept; a --delta given now replaces the one of then. */
static int replay(const ab_options *o, json_t **record, json_t **verdict) {
    json_error_t error;
    *record = json_load_file(o->replay, JSON_REJECT_DUPLICATES, &error);
    if (!*record)
        return complain(EXIT_CODE_USAGE, "--replay %s:%d: %s", o->replay,
                        error.line > 0 ? error.line : 1, error.text);
    json_t *options = json_object_get(*record, "options");
    if (o->request.delta > 0)
        (void)json_object_set_new(options, "delta", json_real(o->request.delta));
    return ab_judge(*record, verdict);
}

static int compare(const ab_options *o) {
    json_t *record = NULL, *verdict = NULL;
    int code = o->save ? ab_save_check(o->save) : EXIT_CODE_OK;
    if (code == EXIT_CODE_OK)
        code =
            o->replay ? replay(o, &record, &verdict) : ab_compare(&o->request, &record, &verdict);
    if (code == EXIT_CODE_OK)
        code = ab_print(record, verdict, o->format, ab_exit_code(verdict, o->strict));
    /* Also where judging failed: what was measured can still be replayed. */
    if (o->save && json_array_size(json_object_get(record, "blocks")) > 0) {
        const int saved = ab_save(o->save, record);
        if (saved != EXIT_CODE_OK) code = saved;
    }
    json_decref(record);
    json_decref(verdict);
    return code;
}

int cmd_ab(int argc, char **argv) {
    ab_options o = {.request = {.run = {.seed = 1}}};
    int code = read_options(argc, argv, long_options, usage, set_option, &o);
    if (code < 0) code = complete(&o) == SM_OK ? compare(&o) : complain_status(SM_E_ARG);
    sm_source_list_free(&o.request.run.sources);
    return code;
}

/* What ab starts for every round; its output is what ab_process_ask() reads. A library may print:
 * that goes where messages go. */
int cmd_ab_child(int argc, char **argv) {
    (void)argv;
    const int answer = dup(STDOUT_FILENO);
    if (argc != 1 || answer < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return complain(EXIT_CODE_USAGE, "ab-child: expected to be started by sparsemark ab");
    json_error_t error;
    json_t *question = json_loadf(stdin, 0, &error);
    const char *task = ab_text(question, "task");
    json_t *told;
    if (strcmp(task, "look") == 0)
        told = ab_look(question, answer);
    else if (strcmp(task, "round") == 0)
        told = ab_round(question, answer);
    else
        told = ab_error(EXIT_CODE_USAGE, "ab-child: expected a question of sparsemark ab");
    const int failed = !told || ftruncate(answer, 0) != 0 || lseek(answer, 0, SEEK_SET) != 0 ||
                       json_dumpfd(told, answer, JSON_COMPACT | JSON_REAL_PRECISION(9)) != 0;
    json_decref(told);
    json_decref(question);
    return failed ? EXIT_CODE_USAGE : EXIT_CODE_OK;
}
