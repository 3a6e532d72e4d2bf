/* Talks to scripts/model_torch.py: a line of JSON and raw numbers to it, lines and raw numbers
 * back. The child keeps time itself, so that the pipe is no part of it. */
#include "model/torch.h"
#include "tree.h"
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE = 256 };

struct torch_child {
    pid_t pid;
    FILE *to, *from;
    size_t classes;
    char version[64], format[32];
    sm_status state;
    char why[LINE];
};

/* Keeps the first failure. */
static sm_status failed(torch_child *c, const char *why) {
    if (c->state == SM_OK) {
        (void)snprintf(c->why, sizeof c->why, "%s", why);
        c->state = SM_E_IO;
    }
    return torch_state(c);
}

sm_status torch_state(const torch_child *c) {
    return c->state == SM_OK ? SM_OK : sm_fail(c->state, "--against pytorch: %s", c->why);
}

/* The child's next line, which begins with `word`; *rest is what follows it, or NULL. */
static sm_status hear(torch_child *c, const char *word, char line[LINE], const char **rest) {
    *rest = "";
    if (c->state != SM_OK) return torch_state(c);
    if (!fgets(line, LINE, c->from)) return failed(c, "PyTorch's process ended without a word");
    line[strcspn(line, "\n")] = '\0';
    const size_t length = strlen(word);
    if (strncmp(line, word, length) != 0 || line[length] != ' ') return failed(c, line);
    *rest = line + length + 1;
    return SM_OK;
}

/* It took no more input: it is gone, and its last line says why. */
static sm_status say_why(torch_child *c) {
    const char *rest;
    char line[LINE];
    return hear(c, "ready", line, &rest) == SM_OK ? failed(c, rest) : torch_state(c);
}

static _Noreturn void become_python(const char *python, const char *script, int in, int out,
                                    pid_t parent) {
    char *const argv[] = {(char *)python, (char *)script, NULL};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGPIPE, SIG_DFL);
    if (getppid() == parent && dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
        (void)execvp(python, argv);
    (void)dprintf(out, "cannot run %s: %s\n", python, strerror(errno));
    _exit(127);
}

static sm_status spawn(torch_child *c, const char *python, const char *script) {
    int to[2], from[2];
    const pid_t parent = getpid();
    if (pipe2(to, O_CLOEXEC) != 0)
        return sm_fail(SM_E_IO, "cannot make a pipe: %s", strerror(errno));
    if (pipe2(from, O_CLOEXEC) != 0) {
        (void)close(to[0]);
        (void)close(to[1]);
        return sm_fail(SM_E_IO, "cannot make a pipe: %s", strerror(errno));
    }
    (void)fflush(NULL);
    c->pid = fork();
    if (c->pid == 0) become_python(python, script, to[0], from[1], parent);
    (void)close(to[0]);
    (void)close(from[1]);
    c->to = fdopen(to[1], "w");
    c->from = fdopen(from[0], "r");
    if (c->pid > 0 && c->to && c->from) return SM_OK;
    return sm_fail(SM_E_IO, "cannot start %s: %s", python, strerror(errno));
}

/* What the numbers that follow are. */
static json_t *describe(const network *net, size_t count, size_t threads, const int *cpus) {
    json_t *layers = json_array(), *places = json_array();
    for (size_t i = 0; i < NET_LAYERS; i++) {
        const net_layer *l = &net->layers[i];
        (void)json_array_append_new(
            layers,
            json_pack("{s:s, s:b, s:[I,I,I,I], s:b, s:b}", "name", l->name, "conv", l->conv,
                      "shape", (json_int_t)l->out, (json_int_t)l->channels, (json_int_t)l->kernel_h,
                      (json_int_t)l->kernel_w, "pool", l->pool, "relu", l->lo == 0));
    }
    for (size_t i = 0; i < threads; i++) (void)json_array_append_new(places, json_integer(cpus[i]));
    return json_pack("{s:I, s:o, s:[I,I,I], s:o}", "threads", (json_int_t)threads, "cpus", places,
                     "images", (json_int_t)count, (json_int_t)net->height, (json_int_t)net->width,
                     "layers", layers);
}

static sm_status send_layer(torch_child *c, const net_layer *l) {
    const size_t count = l->out * net_layer_cols(l);
    float *w = sm_alloc(count, sizeof *w);
    if (!w) return sm_fail(SM_E_NOMEM, "no memory for the weights of %s", l->name);
    sm_csr_to_dense(&l->w, w);
    const int cut = fwrite(w, sizeof *w, count, c->to) != count ||
                    fwrite(l->bias, sizeof *l->bias, l->out, c->to) != l->out;
    sm_free(w);
    return cut ? say_why(c) : SM_OK;
}

static sm_status introduce(torch_child *c, const network *net, const float *images, size_t count,
                           size_t threads, const int *cpus) {
    const char *rest;
    char line[LINE];
    json_t *header = describe(net, count, threads, cpus);
    if (!header) return sm_fail(SM_E_NOMEM, "no memory to describe the network");
    (void)json_dumpf(header, c->to, JSON_COMPACT);
    (void)fputc('\n', c->to);
    json_decref(header);
    for (size_t i = 0; i < NET_LAYERS; i++) SM_TRY(send_layer(c, &net->layers[i]));
    (void)fwrite(images, sizeof *images, count * net->height * net->width, c->to);
    if (fflush(c->to) != 0) return say_why(c);
    SM_TRY(hear(c, "ready", line, &rest));
    (void)snprintf(c->version, sizeof c->version, "%s", rest);
    return SM_OK;
}

sm_status torch_start(const char *python, const network *net, const float *images, size_t count,
                      size_t threads, const int *cpus, torch_child **out) {
    char root[PATH_MAX], script[PATH_MAX + 32], own[PATH_MAX + 32];
    *out = NULL;
    if (sm_program_folder(2, root, sizeof root) != 0)
        return sm_fail(SM_E_IO, "--against pytorch: the program's folder is not known");
    (void)snprintf(script, sizeof script, "%s/scripts/model_torch.py", root);
    (void)snprintf(own, sizeof own, "%s/.venv/bin/python", root);
    if (access(script, R_OK) != 0)
        return sm_fail(SM_E_IO, "%s: expected it beside the program's source tree: %s", script,
                       strerror(errno));
    if (!python && access(own, X_OK) != 0)
        return sm_fail(SM_E_IO, "%s: %s (scripts/setup.sh --with-pytorch, or --python PATH)", own,
                       strerror(errno));
    torch_child *c = calloc(1, sizeof *c);
    if (!c) return sm_fail(SM_E_NOMEM, "no memory for PyTorch's process");
    c->classes = net->classes;
    sm_status status = spawn(c, python ? python : own, script);
    if (status == SM_OK) status = introduce(c, net, images, count, threads, cpus);
    if (status == SM_OK)
        *out = c;
    else
        torch_stop(c);
    return status;
}

void torch_stop(torch_child *c) {
    if (!c) return;
    if (c->to) (void)fclose(c->to); /* it ends where its input does */
    if (c->from) (void)fclose(c->from);
    if (c->pid > 0)
        while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR) {
        }
    free(c);
}

const char *torch_version(const torch_child *c) {
    return c->version;
}

sm_status torch_prepare(torch_child *c, size_t batch, float *logits, const char **format) {
    const char *rest;
    char line[LINE];
    (void)fprintf(c->to, "prepare %zu\n", batch);
    (void)fflush(c->to);
    SM_TRY(hear(c, "format", line, &rest));
    (void)snprintf(c->format, sizeof c->format, "%s", rest);
    *format = c->format;
    const size_t values = batch * c->classes;
    if (fread(logits, sizeof *logits, values, c->from) == values) return SM_OK;
    return failed(c, "PyTorch's process ended without a word");
}

double torch_timer(void *child, int64_t iterations) {
    torch_child *c = child;
    const char *rest;
    char line[LINE];
    if (c->state != SM_OK) return NAN;
    (void)fprintf(c->to, "run %lld\n", (long long)iterations);
    (void)fflush(c->to);
    return hear(c, "ns", line, &rest) == SM_OK ? strtod(rest, NULL) : (double)NAN;
}

void torch_call(void *child) {
    (void)torch_timer(child, 1);
}
