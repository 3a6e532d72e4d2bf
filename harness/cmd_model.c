/* sparsemark model: a pruned network's accuracy, speed and bytes, layer by layer. */
#include "harness.h"
#include "measure/axes.h"
#include "model/session.h"
#include "options.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: sparsemark model --weights FILE --data DIR [OPTION...]\n"
    "Runs the MNIST network of the TensorFlow pruning tutorial, or one with other sizes: "
    "accuracy,\n"
    "images a second, and the speedup over the same network with the best dense kernels.\n"
    "  --weights FILE      .safetensors: conv1, conv2, bn, dense1, dense2\n"
    "  --weights-order O   what their axes are where the file does not say: in-out,hwio (default)\n"
    "                      or PyTorch's out-in,oihw\n"
    "  --data DIR          t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte; .gz first\n"
    "  --batch LIST        images a call (1,32,128,512)\n"
    "  --threads LIST|all  (1)\n"
    "  --isa auto|NAME,... levels that may be used\n"
    "  --against pytorch   time PyTorch in turn with it (scripts/setup.sh --with-pytorch)\n"
    "  --python PATH       the Python that has PyTorch (.venv/bin/python)\n"
    "  --precision P       relative half-width of the speedup's 95 % interval (1%)\n"
    "  --budget T          time for all (60s)\n"
    "  --images N          use the first N images\n"
    "  --accuracy          accuracy only\n"
    "  --predictions FILE  image, label, prediction and logits as CSV, instead of what FILE had\n"
    "  --out FILE          write records to FILE (JSON lines)\n"
    "  --json              records on stdout instead of tables\n";

enum {
    OPT_WEIGHTS = 256,
    OPT_WEIGHTS_ORDER,
    OPT_DATA,
    OPT_BATCH,
    OPT_THREADS,
    OPT_ISA,
    OPT_AGAINST,
    OPT_PYTHON,
    OPT_PRECISION,
    OPT_BUDGET,
    OPT_IMAGES,
    OPT_ACCURACY,
    OPT_PREDICTIONS,
    OPT_OUT,
    OPT_JSON,
    OPT_HELP
};

static const struct option long_options[] = {
    {"weights", required_argument, NULL, OPT_WEIGHTS},
    {"weights-order", required_argument, NULL, OPT_WEIGHTS_ORDER},
    {"data", required_argument, NULL, OPT_DATA},
    {"batch", required_argument, NULL, OPT_BATCH},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"isa", required_argument, NULL, OPT_ISA},
    {"against", required_argument, NULL, OPT_AGAINST},
    {"python", required_argument, NULL, OPT_PYTHON},
    {"precision", required_argument, NULL, OPT_PRECISION},
    {"budget", required_argument, NULL, OPT_BUDGET},
    {"images", required_argument, NULL, OPT_IMAGES},
    {"accuracy", no_argument, NULL, OPT_ACCURACY},
    {"predictions", required_argument, NULL, OPT_PREDICTIONS},
    {"out", required_argument, NULL, OPT_OUT},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

enum { MAX_BATCH = 65536, MAX_IMAGES = 1 << 30 };

static sm_status set_batches(model_options *o, char *text) {
    char *rest = text;
    for (o->batch_count = 0; rest;) {
        const char *word = strsep(&rest, ",");
        if (o->batch_count == MODEL_BATCHES)
            return sm_fail(SM_E_ARG, "--batch: expected at most %d values", MODEL_BATCHES);
        SM_TRY(sm_axis_count("--batch", word, MAX_BATCH, &o->batch[o->batch_count++]));
    }
    return SM_OK;
}

static sm_status set_against(model_options *o, const char *text) {
    if (strcmp(text, "pytorch") != 0)
        return sm_fail(SM_E_ARG, "--against '%s': expected pytorch", text);
    o->pytorch = 1;
    return SM_OK;
}

typedef struct arguments {
    model_options options;
    sm_run_options axes; /* only its threads and levels */
} arguments;

static sm_status set_option(void *arg, int option, char *value) {
    arguments *a = arg;
    model_options *o = &a->options;
    switch (option) {
    case OPT_WEIGHTS:
        o->weights = value;
        break;
    case OPT_WEIGHTS_ORDER:
        o->weights_order = value;
        break;
    case OPT_DATA:
        o->data = value;
        break;
    case OPT_BATCH:
        return set_batches(o, value);
    case OPT_THREADS:
        return sm_axis_threads(&a->axes, value);
    case OPT_ISA:
        return sm_axis_isa(&a->axes, value);
    case OPT_AGAINST:
        return set_against(o, value);
    case OPT_PYTHON:
        o->python = value;
        break;
    case OPT_PRECISION:
        return sm_axis_share("--precision", value, &o->precision);
    case OPT_BUDGET:
        return sm_axis_time("--budget", value, &o->budget_s);
    case OPT_IMAGES:
        return sm_axis_count("--images", value, MAX_IMAGES, &o->images);
    case OPT_ACCURACY:
        o->accuracy = 1;
        break;
    case OPT_PREDICTIONS:
        o->predictions = value;
        break;
    case OPT_OUT:
        o->out = value;
        break;
    case OPT_JSON:
        o->json = 1;
        break;
    default:
        break;
    }
    return SM_OK;
}

static sm_status complete(model_options *o, sm_run_options *axes) {
    static const size_t batches[] = {1, 32, 128, 512};
    if (!o->weights || !o->data)
        return sm_fail(SM_E_ARG, "model: expected --weights FILE and --data DIR");
    if (o->python && !o->pytorch)
        return sm_fail(SM_E_ARG, "--python: expected --against pytorch beside it");
    if (o->accuracy && (o->out || o->pytorch))
        return sm_fail(SM_E_ARG, "--accuracy times nothing: expected no --out or --against");
    if (o->batch_count == 0) {
        o->batch_count = sizeof batches / sizeof batches[0];
        memcpy(o->batch, batches, sizeof batches);
    }
    if (axes->threads_count == 0) SM_TRY(sm_axis_threads(axes, "1"));
    if (axes->threads_count > MODEL_THREADS)
        return sm_fail(SM_E_ARG, "--threads: expected at most %d values", MODEL_THREADS);
    o->threads_count = axes->threads_count;
    memcpy(o->threads, axes->threads, axes->threads_count * sizeof *axes->threads);
    SM_TRY(sm_axes_complete_isa(axes));
    o->isa_mask = sm_axes_masks(axes->isa, axes->isa_count);
    return SM_OK;
}

int cmd_model(int argc, char **argv) {
    arguments a = {.options = {.precision = 0.01, .budget_s = 60}};
    const int code = read_options(argc, argv, long_options, usage, set_option, &a);
    if (code >= 0) return code;
    const sm_status status = complete(&a.options, &a.axes);
    return status == SM_OK ? model_session(&a.options) : complain_status(status);
}
