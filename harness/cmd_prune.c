/* sparsemark prune: a model file in, a pruned one and what it gives out. */
#include "harness.h"
#include "measure/axes.h"
#include "options.h"
#include "prune/job.h"
#include "prune/rules.h"
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: sparsemark prune --input FILE --sparsity S [OPTION...]\n"
    "Prunes the weights of a model and says of every tensor what became of it.\n\n"
    "What:\n"
    "  --input FILE         a .safetensors or .npy file; F32 weights of rank 2 and more are "
    "pruned\n"
    "  --weights-order O    out-in (default) or in-out for 2-D, oihw (default) or hwio for 4-D\n"
    "                       weights, or one of each: in-out,hwio is TensorFlow's\n"
    "  --rule 'GLOB=PATTERN[@S]'  these tensors by this pattern, to this sparsity; may be "
    "repeated,\n"
    "                       the first rule that matches a tensor counts. Tensors that no rule\n"
    "                       matches take --pattern where it is given, and are left alone "
    "otherwise\n"
    "  --skip GLOB          leave these tensors alone, whatever the rules say; may be repeated\n"
    "How:\n"
    "  --pattern P          unstructured (default), block:RxC, nm:N:M, nm:N:M@V (V rows share the\n"
    "                       places), rows. N:M names the kept ones: nm:2:4 keeps 2 of 4. TFMOT's\n"
    "                       m_by_n names the zeros: its (1, 4) is nm:3:4\n"
    "  --sparsity S         share of zeros from 0 to below 1; nm has its own, 1 - N/M\n"
    "  --schedule SCHEDULE --step T    the sparsity of a schedule's last update until step T:\n"
    "                       constant:S[,BEGIN,END,FREQUENCY] or\n"
    "                       polynomial:S0,S1,BEGIN,END[,POWER,FREQUENCY]\n"
    "  --score HOW          magnitude (default), random, or a file with a score for every weight\n"
    "                       in tensors of the same names; what scores highest stays\n"
    "  --pool avg|max       what stands for a block (avg)\n"
    "  --scope layer|global a threshold a tensor (default), or one for all unstructured tensors\n"
    "                       that have no sparsity of their own\n"
    "  --compat tfmot       bit for bit as TensorFlow Model Optimization 0.8.0\n"
    "  --next 'LAYER=MODULE'  rows: MODULE (a layer or a BatchNorm) takes what LAYER puts out; "
    "may\n"
    "                       be repeated. Without it names and shapes must leave no doubt\n"
    "  --seed N             of random scores (1)\n"
    "What comes out:\n"
    "  --out FILE           the pruned model, a .safetensors file; it may be the input\n"
    "  --store dense|sparse how tensors are stored in it (dense)\n"
    "  --json               the summary as one JSON object\n"
    "\nrows removes whole outputs by the norm of their weights, and with them biases, BatchNorm "
    "and\n"
    "the next layer's inputs: the model becomes smaller. Its last layer is left alone.\n";

enum {
    OPT_INPUT = 256,
    OPT_WEIGHTS_ORDER,
    OPT_RULE,
    OPT_SKIP,
    OPT_PATTERN,
    OPT_SPARSITY,
    OPT_SCHEDULE,
    OPT_STEP,
    OPT_SCORE,
    OPT_POOL,
    OPT_SCOPE,
    OPT_COMPAT,
    OPT_NEXT,
    OPT_SEED,
    OPT_OUT,
    OPT_STORE,
    OPT_JSON,
    OPT_HELP
};

static const struct option long_options[] = {
    {"input", required_argument, NULL, OPT_INPUT},
    {"weights-order", required_argument, NULL, OPT_WEIGHTS_ORDER},
    {"rule", required_argument, NULL, OPT_RULE},
    {"skip", required_argument, NULL, OPT_SKIP},
    {"pattern", required_argument, NULL, OPT_PATTERN},
    {"sparsity", required_argument, NULL, OPT_SPARSITY},
    {"schedule", required_argument, NULL, OPT_SCHEDULE},
    {"step", required_argument, NULL, OPT_STEP},
    {"score", required_argument, NULL, OPT_SCORE},
    {"pool", required_argument, NULL, OPT_POOL},
    {"scope", required_argument, NULL, OPT_SCOPE},
    {"compat", required_argument, NULL, OPT_COMPAT},
    {"next", required_argument, NULL, OPT_NEXT},
    {"seed", required_argument, NULL, OPT_SEED},
    {"out", required_argument, NULL, OPT_OUT},
    {"store", required_argument, NULL, OPT_STORE},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

/* What was given beside the request. */
typedef struct arguments {
    sm_prune_request request;
    const char *pattern; /* NULL: not given */
    int pool, store, step, seed, json;
} arguments;

/* One of two words: *out is 0 or 1. */
static sm_status set_choice(const char *option, const char *value, const char *zero,
                            const char *one, int *out) {
    *out = strcmp(value, one) == 0;
    if (*out || strcmp(value, zero) == 0) return SM_OK;
    return sm_fail(SM_E_ARG, "%s '%s': expected %s or %s", option, value, zero, one);
}

static sm_status set_step(const char *text, int64_t *step) {
    char *end;
    errno = 0;
    *step = strtoll(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno)
        return sm_fail(SM_E_ARG, "--step '%s': expected a whole number from 0 on", text);
    return SM_OK;
}

static sm_status set_seed(const char *text, uint64_t *seed) {
    sm_run_options o = {0};
    SM_TRY(sm_axis_seed(&o, text));
    *seed = o.seed;
    return SM_OK;
}

static sm_status add_next(sm_prune_request *r, const char *text) {
    const char *equals = strchr(text, '=');
    sm_prune_next *next = &r->nexts[r->next_count];
    if (!equals || equals == text || equals[1] == '\0')
        return sm_fail(SM_E_ARG, "--next '%s': expected LAYER=MODULE", text);
    *next = (sm_prune_next){.text = text, .to = equals + 1};
    next->from = strndup(text, (size_t)(equals - text));
    if (!next->from) return sm_fail(SM_E_NOMEM, "--next '%s': no memory for it", text);
    r->next_count++;
    return SM_OK;
}

static sm_status add_pattern(sm_prune_request *r, const char *text) {
    sm_prune_rule *rule = &r->rules[r->rule_count++];
    *rule = (sm_prune_rule){.text = "--pattern", .sparsity = (double)NAN};
    return sm_pattern_parse(text, &rule->pattern);
}

static sm_status set_how(arguments *a, int option, const char *value) {
    sm_prune_request *r = &a->request;
    int choice;
    switch (option) {
    case OPT_POOL:
        a->pool = 1;
        SM_TRY(set_choice("--pool", value, "avg", "max", &choice));
        r->pool = choice ? SM_POOL_MAX : SM_POOL_AVG;
        return SM_OK;
    case OPT_SCOPE:
        return set_choice("--scope", value, "layer", "global", &r->global);
    case OPT_COMPAT:
        r->tfmot = strcmp(value, "tfmot") == 0;
        return r->tfmot ? SM_OK : sm_fail(SM_E_ARG, "--compat '%s': expected tfmot", value);
    case OPT_STORE:
        a->store = 1;
        SM_TRY(set_choice("--store", value, "dense", "sparse", &choice));
        r->store = choice ? SM_STORE_SPARSE : SM_STORE_DENSE;
        return SM_OK;
    case OPT_SCHEDULE:
        r->scheduled = 1;
        return sm_schedule_parse(value, &r->schedule);
    case OPT_STEP:
        a->step = 1;
        return set_step(value, &r->step);
    case OPT_SPARSITY:
        return sm_prune_sparsity_parse("--sparsity", value, &r->sparsity);
    default:
        a->seed = 1;
        return set_seed(value, &r->seed);
    }
}

static sm_status set_option(void *arg, int option, char *value) {
    arguments *a = arg;
    sm_prune_request *r = &a->request;
    switch (option) {
    case OPT_INPUT:
        r->input = value;
        return SM_OK;
    case OPT_OUT:
        r->out = value;
        return SM_OK;
    case OPT_WEIGHTS_ORDER:
        r->weights_order = value;
        return SM_OK;
    case OPT_SCORE:
        r->score = value;
        return SM_OK;
    case OPT_PATTERN:
        a->pattern = value;
        return SM_OK;
    case OPT_JSON:
        a->json = 1;
        return SM_OK;
    case OPT_RULE:
        return sm_prune_rule_parse(value, &r->rules[r->rule_count++]);
    case OPT_SKIP:
        r->skips[r->skip_count++] = (sm_prune_skip){.glob = value};
        return SM_OK;
    case OPT_NEXT:
        return add_next(r, value);
    default:
        return set_how(a, option, value);
    }
}

/* Options that would do nothing are refused, as are rules that lack a sparsity. */
static sm_status check_rules(const arguments *a) {
    const sm_prune_request *r = &a->request;
    const int given = r->scheduled || !isnan(r->sparsity);
    size_t taking = 0, blocks = 0;
    for (size_t i = 0; i < r->rule_count; i++) {
        const sm_prune_rule *rule = &r->rules[i];
        const sm_pattern_kind kind = rule->pattern.kind;
        const int takes = kind != SM_PATTERN_NM && isnan(rule->sparsity);
        const sm_pattern_text name = sm_pattern_name(&rule->pattern);
        taking += (size_t)takes;
        blocks += kind == SM_PATTERN_BLOCK;
        if (takes && !given)
            return sm_fail(SM_E_ARG, "prune: expected --sparsity S or --schedule for %s", name.s);
        if (takes && r->global && kind != SM_PATTERN_UNSTRUCTURED)
            return sm_fail(SM_E_ARG, "--scope global: expected unstructured, got %s", name.s);
        if (r->tfmot && kind == SM_PATTERN_ROWS)
            return sm_fail(SM_E_ARG, "--compat tfmot: TFMOT has no pattern rows");
    }
    if (given && taking == 0)
        return sm_fail(SM_E_ARG, "--sparsity, --schedule: every pattern here has a sparsity of its "
                                 "own (nm: 1 - N/M): expected neither");
    if (a->pool && blocks == 0)
        return sm_fail(SM_E_ARG, "--pool: expected a block pattern beside it");
    return SM_OK;
}

static int ends_in(const char *text, const char *end) {
    const size_t size = strlen(text), tail = strlen(end);
    return size > tail && strcmp(text + size - tail, end) == 0;
}

static sm_status complete(arguments *a) {
    sm_prune_request *r = &a->request;
    if (!r->input) return sm_fail(SM_E_ARG, "prune: expected --input FILE");
    if (r->scheduled && !isnan(r->sparsity))
        return sm_fail(SM_E_ARG, "prune: expected --sparsity or --schedule, got both");
    if (r->scheduled != a->step)
        return sm_fail(SM_E_ARG, "prune: expected --schedule and --step together");
    if (r->global && r->tfmot)
        return sm_fail(SM_E_ARG, "--compat tfmot: TFMOT has no --scope global");
    if (a->seed && strcmp(r->score, "random") != 0)
        return sm_fail(SM_E_ARG, "--seed: expected --score random beside it");
    if (a->store && !r->out) return sm_fail(SM_E_ARG, "--store: expected --out FILE beside it");
    if (r->out && !ends_in(r->out, ".safetensors"))
        return sm_fail(SM_E_ARG, "--out '%s': expected a name that ends in .safetensors", r->out);
    if (a->pattern || r->rule_count == 0)
        SM_TRY(add_pattern(r, a->pattern ? a->pattern : "unstructured"));
    return check_rules(a);
}

static int run(const arguments *a) {
    sm_prune_job job;
    int code = EXIT_CODE_OK;
    const sm_status status = sm_prune_job_run(&a->request, &job);
    if (status != SM_OK)
        code = complain_status(status);
    else if ((a->json ? sm_prune_print_json(&job) : sm_prune_print(&job)) != 0)
        code = complain(EXIT_CODE_USAGE, "prune: no memory for the summary");
    else
        code = finish_stdout(EXIT_CODE_OK);
    sm_prune_job_free(&job);
    return code;
}

int cmd_prune(int argc, char **argv) {
    arguments a = {.request = {.score = "magnitude", .sparsity = (double)NAN, .seed = 1}};
    sm_prune_request *r = &a.request;
    r->note = note;
    r->rules = calloc((size_t)argc + 1, sizeof *r->rules);
    r->skips = calloc((size_t)argc, sizeof *r->skips);
    r->nexts = calloc((size_t)argc, sizeof *r->nexts);
    int code;
    if (!r->rules || !r->skips || !r->nexts)
        code = complain(EXIT_CODE_USAGE, "prune: no memory for its arguments");
    else if ((code = read_options(argc, argv, long_options, usage, set_option, &a)) < 0) {
        const sm_status status = complete(&a);
        code = status == SM_OK ? run(&a) : complain_status(status);
    }
    for (size_t i = 0; r->rules && i < r->rule_count; i++) free(r->rules[i].glob);
    for (size_t i = 0; r->nexts && i < r->next_count; i++) free(r->nexts[i].from);
    free(r->rules);
    free(r->skips);
    free(r->nexts);
    return code;
}
