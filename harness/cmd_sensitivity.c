/* sparsemark sensitivity: which layer of a network can be pruned, and what it costs. */
#include "harness.h"
#include "measure/axes.h"
#include "options.h"
#include "sensitivity/report.h"
#include "whole_file.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: sparsemark sensitivity --weights FILE --data DIR [OPTION...]\n"
    "Prunes one layer at a time, leaves the others as they are, and says how many of the test "
    "images\n"
    "the network still gets right; then all layers at once. Nothing is trained after it, nothing "
    "is\n"
    "timed.\n"
    "  --weights FILE      .safetensors, as for sparsemark model\n"
    "  --weights-order O   as for sparsemark model (in-out,hwio)\n"
    "  --data DIR          t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte; .gz first\n"
    "  --pattern LIST      unstructured, block:RxC, nm:N:M, nm:N:M@V, rows\n"
    "                      (unstructured,block:16x1,nm:2:4,nm:1:4,rows)\n"
    "  --sparsity LIST     shares of zeros or ranges FIRST:LAST:STEP (0.1:0.9:0.1,0.95); nm has "
    "its\n"
    "                      own, 1 - N/M\n"
    "  --score HOW         magnitude (default) or random: what scores highest stays\n"
    "  --seed N            of random scores (1)\n"
    "  --layers GLOBS      only these of conv1, conv2, dense1, dense2\n"
    "  --images N          use the first N images\n"
    "  --threads T|all     (1)\n"
    "  --out FILE          write records to FILE (JSON lines), for scripts/sensitivity.py\n"
    "\nMasks are those of sparsemark prune with the same order. rows sets whole outputs to\n"
    "zero, which gives the same answers as removing them. A layer that does not take a pattern is "
    "named\n"
    "with the reason; it stays as it is in the rows 'all' too.\n\n"
    "Points lost: percentage points of accuracy, against the network as it is. The interval is "
    "Bonett\n"
    "and Price's for shares of the same images (Wald's, with one image added to those that only "
    "one "
    "of\n"
    "both networks gets right, either way). changed: predictions that are another class.\n\n"
    "Each claim of pruning guides is judged for each pattern by layers pruned alone. The first "
    "three\n"
    "compare points lost, the mean over the sparsities given: the first convolution loses more "
    "than "
    "any\n"
    "other layer; each convolution more than each dense layer; each layer more than the next. "
    "holds: "
    "the\n"
    "95 % interval of every difference (normal, over the images, each with its own difference) is "
    "above\n"
    "0. does not hold: that of one is below. The last: at 50 to 70 % no layer loses more than 1 "
    "point;\n"
    "holds: every interval ends there; does not hold: one begins above. Otherwise undecided. "
    "Intervals\n"
    "are of the images: another network of the same kind may lose other points.\n";

enum {
    OPT_WEIGHTS = 256,
    OPT_WEIGHTS_ORDER,
    OPT_DATA,
    OPT_PATTERN,
    OPT_SPARSITY,
    OPT_SCORE,
    OPT_SEED,
    OPT_LAYERS,
    OPT_IMAGES,
    OPT_THREADS,
    OPT_OUT,
    OPT_HELP
};

static const struct option long_options[] = {
    {"weights", required_argument, NULL, OPT_WEIGHTS},
    {"weights-order", required_argument, NULL, OPT_WEIGHTS_ORDER},
    {"data", required_argument, NULL, OPT_DATA},
    {"pattern", required_argument, NULL, OPT_PATTERN},
    {"sparsity", required_argument, NULL, OPT_SPARSITY},
    {"score", required_argument, NULL, OPT_SCORE},
    {"seed", required_argument, NULL, OPT_SEED},
    {"layers", required_argument, NULL, OPT_LAYERS},
    {"images", required_argument, NULL, OPT_IMAGES},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"out", required_argument, NULL, OPT_OUT},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

enum { MAX_IMAGES = 1 << 30 };

static sm_status set_score(sweep_options *o, const char *text) {
    o->random = strcmp(text, "random") == 0;
    if (o->random || strcmp(text, "magnitude") == 0) return SM_OK;
    return sm_fail(SM_E_ARG, "--score '%s': expected magnitude or random", text);
}

static sm_status set_option(void *options, int option, char *value) {
    sweep_options *o = options;
    switch (option) {
    case OPT_WEIGHTS:
        o->weights = value;
        return SM_OK;
    case OPT_WEIGHTS_ORDER:
        o->weights_order = value;
        return SM_OK;
    case OPT_DATA:
        o->data = value;
        return SM_OK;
    case OPT_PATTERN:
        return sm_axis_pattern(&o->axes, value);
    case OPT_SPARSITY:
        return sm_axis_sparsity(&o->axes, value);
    case OPT_SCORE:
        return set_score(o, value);
    case OPT_SEED:
        o->seeded = 1;
        return sm_axis_seed(&o->axes, value);
    case OPT_LAYERS:
        o->layers = value;
        return SM_OK;
    case OPT_IMAGES:
        return sm_axis_count("--images", value, MAX_IMAGES, &o->images);
    case OPT_THREADS:
        return sm_axis_threads(&o->axes, value);
    default:
        o->out = value;
        return SM_OK;
    }
}

static sm_status complete(sweep_options *o) {
    sm_run_options *axes = &o->axes;
    size_t taking = 0;
    if (!o->weights || !o->data)
        return sm_fail(SM_E_ARG, "sensitivity: expected --weights FILE and --data DIR");
    if (o->seeded && !o->random)
        return sm_fail(SM_E_ARG, "--seed: expected --score random beside it");
    if (axes->pattern_count == 0)
        SM_TRY(sm_axis_pattern(axes, "unstructured,block:16x1,nm:2:4,nm:1:4,rows"));
    for (size_t i = 0; i < axes->pattern_count; i++)
        taking += axes->pattern[i].kind != SM_PATTERN_NM;
    if (axes->sparsity_given && taking == 0)
        return sm_fail(SM_E_ARG,
                       "--sparsity: every pattern here has a sparsity of its own (nm: 1 - "
                       "N/M): expected none");
    if (!axes->sparsity_given) SM_TRY(sm_axis_sparsity_default(axes, "0.1:0.9:0.1,0.95"));
    if (axes->threads_count == 0) SM_TRY(sm_axis_threads(axes, "1"));
    if (axes->threads_count > 1) return sm_fail(SM_E_ARG, "--threads: expected one number");
    SM_TRY(sm_axes_complete_isa(axes));
    return o->out ? whole_file_check(o->out, WHOLE_FILE_NEW) : SM_OK;
}

static int run(const sweep_options *o) {
    sweep s;
    sm_status status = sweep_run(o, &s);
    const int wrong = status == SM_OK && s.wrong[0];
    if (status == SM_OK && !wrong && o->out) status = sweep_write(&s, o->out);
    if (status == SM_OK && !wrong) status = sweep_print(&s);
    const int code = status != SM_OK ? complain_status(status)
                     : wrong
                         ? complain(EXIT_CODE_WRONG, "%s: wrong logits: %s: see sparsemark check",
                                    o->weights, s.wrong)
                         : finish_stdout(EXIT_CODE_OK);
    sweep_free(&s);
    return code;
}

int cmd_sensitivity(int argc, char **argv) {
    sweep_options o = {.axes = {.seed = 1}};
    const int code = read_options(argc, argv, long_options, usage, set_option, &o);
    if (code >= 0) return code;
    const sm_status status = complete(&o);
    return status == SM_OK ? run(&o) : complain_status(status);
}
