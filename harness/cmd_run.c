/* sparsemark run: measure sparse against dense over layers and axes. */
#include "harness.h"
#include "measure/axes.h"
#include "options.h"
#include "peers/peer.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: sparsemark run [OPTION...]\n"
    "Measures sparse kernels against the best dense one, layer by layer.\n\n"
    "What:\n"
    "  --quick              the quick sweep (harness/quick.inc), a few minutes\n"
    "  --layers NAME,...    built-in layers (globs, 'all'), or a file of lines 'name m k n'\n"
    "  --input PATH         a .smtx, .mtx, .npy or .safetensors file, or a folder of them; may be\n"
    "                       repeated; weights that are 25 % zero run once, as they are\n"
    "  --tensors GLOB,...   only these matrices of the inputs, by tensor's or file's name\n"
    "  --weights-order O    of .mtx, .npy, .safetensors: out-in (default) or in-out for 2-D, oihw\n"
    "                       (default) or hwio for 4-D weights, or one of each: in-out,hwio\n"
    "  --reprune            prune inputs further that are sparse already\n"
    "  --pattern LIST       unstructured (default), block:RxC, nm:N:M, nm:N:M@V, rows; N:M keeps\n"
    "                       N of M, where TFMOT's m_by_n counts the zeros\n"
    "  --sparsity LIST      S or FIRST:LAST:STEP, comma-separated (0:0.9:0.1,0.95); nm runs once,\n"
    "                       at its own 1 - N/M\n"
    "  --n LIST|native      columns of X (128); native takes the layer's own\n"
    "  --layout LIST        feature (X[K,N], default), token (X[N,K])\n"
    "  --threads LIST|all   (1)\n"
    "With what:\n"
    "  --format auto|all|NAME,...    best sparse format, or the best kernel of each\n"
    "  --isa auto|all|NAME,...       best level, or the best kernel of each\n"
    "  --ceiling avx2                nothing above this level, dense control and the libraries "
    "that\n"
    "                                can be told (all but librsb and xnnpack) included\n"
    "  --kernels best|WORD,...       what is timed beside the dense control: all, names, plan "
    "(what\n"
    "                       a plan chooses for itself), sweep (the fastest few of every kernel at\n"
    "                       every K tile)\n"
    "  --peers auto|none|NAME,...    other libraries\n"
    "How:\n"
    "  --precision P        relative half-width of the speedup's 95 % interval (2%)\n"
    "  --budget T           time to aim at, 90s, 5m, 1h (no limit); a point has 9 rounds at least\n"
    "  --cache LIST         warm (default), cold-weights: W comes from memory at every call\n"
    "  --seed N             weights and activations (1)\n"
    "  --out FILE           append records to FILE (JSON lines), benchmark.json beside it\n"
    "  --resume             continue the run that FILE holds\n"
    "  --list               print the points and the estimate, run nothing\n"
    "  --json               cells as JSON lines on stdout instead of the table; records that\n"
    "                       other commands read are what --out writes\n";

enum { OPT_FIRST = 256 };
enum {
    OPT_LAYERS = OPT_FIRST,
    OPT_INPUT,
    OPT_TENSORS,
    OPT_WEIGHTS_ORDER,
    OPT_REPRUNE,
    OPT_PATTERN,
    OPT_FORMAT,
    OPT_SPARSITY,
    OPT_ISA,
    OPT_CEILING,
    OPT_N,
    OPT_LAYOUT,
    OPT_KERNELS,
    OPT_THREADS,
    OPT_CACHE,
    OPT_PEERS,
    OPT_PRECISION,
    OPT_BUDGET,
    OPT_SEED,
    OPT_OUT,
    OPT_RESUME,
    OPT_LIST,
    OPT_QUICK,
    OPT_JSON,
    OPT_HELP
};

static const struct option long_options[] = {
    {"layers", required_argument, NULL, OPT_LAYERS},
    {"input", required_argument, NULL, OPT_INPUT},
    {"tensors", required_argument, NULL, OPT_TENSORS},
    {"weights-order", required_argument, NULL, OPT_WEIGHTS_ORDER},
    {"reprune", no_argument, NULL, OPT_REPRUNE},
    {"pattern", required_argument, NULL, OPT_PATTERN},
    {"format", required_argument, NULL, OPT_FORMAT},
    {"sparsity", required_argument, NULL, OPT_SPARSITY},
    {"isa", required_argument, NULL, OPT_ISA},
    {"ceiling", required_argument, NULL, OPT_CEILING},
    {"n", required_argument, NULL, OPT_N},
    {"layout", required_argument, NULL, OPT_LAYOUT},
    {"kernels", required_argument, NULL, OPT_KERNELS},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"cache", required_argument, NULL, OPT_CACHE},
    {"peers", required_argument, NULL, OPT_PEERS},
    {"precision", required_argument, NULL, OPT_PRECISION},
    {"budget", required_argument, NULL, OPT_BUDGET},
    {"seed", required_argument, NULL, OPT_SEED},
    {"out", required_argument, NULL, OPT_OUT},
    {"resume", no_argument, NULL, OPT_RESUME},
    {"list", no_argument, NULL, OPT_LIST},
    {"quick", no_argument, NULL, OPT_QUICK},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

/* A layer or input that was named; it is looked up when all options that say how are known. */
typedef struct named_source {
    int option;
    const char *value;
} named_source;

typedef struct arguments {
    sm_run_options run;
    named_source *named;
    size_t count;
    const char *ceiling, *isa, *peers; /* looked up last, in this order */
} arguments;

static sm_status set_option(void *arg, int option, char *value) {
    arguments *a = arg;
    sm_run_options *o = &a->run;
    switch (option) {
    case OPT_LAYERS:
    case OPT_INPUT:
        a->named[a->count++] = (named_source){option, value};
        break;
    case OPT_TENSORS:
        return sm_axis_tensors(o, value);
    case OPT_WEIGHTS_ORDER:
        return sm_axis_weights_order(o, value);
    case OPT_REPRUNE:
        o->sources.options.reprune = 1;
        break;
    case OPT_PATTERN:
        return sm_axis_pattern(o, value);
    case OPT_FORMAT:
        return sm_axis_format(o, value);
    case OPT_SPARSITY:
        return sm_axis_sparsity(o, value);
    case OPT_ISA:
        a->isa = value;
        break;
    case OPT_CEILING:
        a->ceiling = value;
        break;
    case OPT_N:
        return sm_axis_n(o, value);
    case OPT_LAYOUT:
        return sm_axis_layout(o, value);
    case OPT_KERNELS:
        return sm_axis_kernels(o, value);
    case OPT_THREADS:
        return sm_axis_threads(o, value);
    case OPT_CACHE:
        return sm_axis_cache(o, value);
    case OPT_PEERS:
        a->peers = value;
        break;
    case OPT_PRECISION:
        return sm_axis_precision(o, value);
    case OPT_BUDGET:
        return sm_axis_budget(o, value);
    case OPT_SEED:
        return sm_axis_seed(o, value);
    case OPT_OUT:
        o->out = value;
        break;
    case OPT_RESUME:
        o->resume = 1;
        break;
    case OPT_LIST:
        o->list = 1;
        break;
    case OPT_QUICK:
        o->quick = 1;
        break;
    case OPT_JSON:
        o->json = 1;
        break;
    default:
        break;
    }
    return SM_OK;
}

static sm_status add_sources(sm_run_options *o, const named_source *named, size_t count) {
    const sm_input_options *how = &o->sources.options;
    size_t inputs = 0;
    for (size_t i = 0; i < count; i++) {
        inputs += named[i].option == OPT_INPUT;
        SM_TRY(named[i].option == OPT_INPUT ? sm_source_add_path(&o->sources, named[i].value)
                                            : sm_source_add_layers(&o->sources, named[i].value));
    }
    if (inputs == 0 &&
        (how->tensors || how->orders.said_of_2 || how->orders.said_of_4 || how->reprune))
        return sm_fail(SM_E_ARG, "--tensors, --weights-order and --reprune say how files are read: "
                                 "expected --input beside them");
    return SM_OK;
}

/* --quick fixes the points; what is left to choose is how they are run. */
static sm_status check_combination(const sm_run_options *o, size_t named) {
    if (o->quick && (named || o->pattern_count || o->sparsity_count || o->n_count || o->n_native ||
                     o->layout_count || o->threads_count || o->cold_count))
        return sm_fail(SM_E_ARG,
                       "--quick has its own points: expected none of --layers, --input, --pattern, "
                       "--sparsity, --n, --layout, --threads, --cache beside it");
    const char *slash = o->out ? strrchr(o->out, '/') : NULL;
    if (o->out && strcmp(slash ? slash + 1 : o->out, "benchmark.json") == 0)
        return sm_fail(SM_E_ARG,
                       "--out %s: expected another name than the one that Google "
                       "Benchmark's file gets",
                       o->out);
    if (o->resume && !o->out) return sm_fail(SM_E_ARG, "--resume: expected --out FILE as well");
    if (!o->quick && named == 0)
        return sm_fail(SM_E_ARG, "nothing to measure: expected --layers, --input or --quick");
    return SM_OK;
}

static sm_status complete(arguments *a) {
    sm_run_options *o = &a->run;
    SM_TRY(check_combination(o, a->count));
    if (a->ceiling) SM_TRY(sm_axis_ceiling(o, a->ceiling));
    if (a->isa) SM_TRY(sm_axis_isa(o, a->isa));
    if (a->peers) SM_TRY(sm_axis_peers(o, a->peers));
    if (o->quick) SM_TRY(sm_source_add_layers(&o->sources, "all"));
    SM_TRY(add_sources(o, a->named, a->count));
    return sm_axes_complete(o);
}

int cmd_run(int argc, char **argv) {
    arguments a = {.run = {.peers = SM_PEERS_AUTO, .seed = 1, .sources.options.note = note}};
    if (sm_peer_unset_steering() > 0)
        fprintf(stderr, "sparsemark: note: ignoring %s, so that peers run at full speed\n",
                sm_peer_steered());
    a.named = calloc((size_t)argc, sizeof *a.named);
    if (!a.named) return complain(EXIT_CODE_USAGE, "run: no memory for its arguments");
    int code = read_options(argc, argv, long_options, usage, set_option, &a);
    if (code < 0) {
        const sm_status status = complete(&a);
        code = status == SM_OK ? sm_session_run(&a.run) : complain_status(status);
    }
    sm_source_list_free(&a.run.sources);
    free(a.named);
    return code;
}
