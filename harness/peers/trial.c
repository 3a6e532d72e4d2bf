/* The first look at a peer, in a child process: a library that crashes on this CPU, exits or hangs
 * becomes a reason, and a library nobody asks for is never loaded into the program itself. */
#include "peers/family.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRIAL_SECONDS = 30 };

static void look(const peer_family *family, const char *where, sm_peer_info *info) {
    peer_library library;
    if (peer_library_open(family, where, &library, info->reason, sizeof info->reason) != 0) return;
    (void)snprintf(info->path, sizeof info->path, "%s", library.path);
    if (peer_verify(&library, info->reason, sizeof info->reason) != 0) return;
    family->describe(library.api, info);
    info->usable = 1;
}

static _Noreturn void child(const peer_family *family, const char *where, sm_peer_info info,
                            int answer, int output) {
    const struct rlimit none = {0, 0};
    sigset_t all;
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)signal(SIGALRM, SIG_DFL);
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_UNBLOCK, &all, NULL);
    (void)alarm(TRIAL_SECONDS);
    if (output >= 0) {
        (void)dup2(output, STDOUT_FILENO);
        (void)dup2(output, STDERR_FILENO);
    }
    look(family, where, &info);
    const ssize_t written = write(answer, &info, sizeof info); /* below PIPE_BUF: whole or not */
    _exit(written == (ssize_t)sizeof info ? 0 : 1);
}

/* The first line that the library wrote before it died, without the line end. */
static void first_line(int output, char *line, size_t size) {
    const ssize_t got = output < 0 ? 0 : pread(output, line, size - 1, 0);
    line[got > 0 ? got : 0] = 0;
    line[strcspn(line, "\r\n")] = 0;
}

static void explain_death(int status, int output, sm_peer_info *info) {
    char line[80], how[64];
    first_line(output, line, sizeof line);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        (void)snprintf(how, sizeof how, "no answer within %d s", TRIAL_SECONDS);
    else if (WIFSIGNALED(status))
        (void)snprintf(how, sizeof how, "killed by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else
        (void)snprintf(how, sizeof how, "ended the process with code %d", WEXITSTATUS(status));
    (void)snprintf(info->reason, sizeof info->reason, "%s when tried%s%s", how, line[0] ? ": " : "",
                   line);
}

/* Reasons end up in JSON and in tables: one line of printable ASCII. */
static void clean(char *text) {
    for (; *text != 0; text++)
        if (*text < ' ' || *text > '~') *text = '?';
}

void peer_trial(const peer_family *family, const char *where, sm_peer_info *info) {
    _Static_assert(sizeof(sm_peer_info) <= 4096, "the answer must fit one atomic write to a pipe");
    int ends[2];
    if (pipe(ends) != 0) {
        (void)snprintf(info->reason, sizeof info->reason, "no pipe: %s", strerror(errno));
        return;
    }
    const int output = memfd_create("peer", MFD_CLOEXEC);
    (void)fflush(NULL); /* a library that calls exit() must not write our buffers twice */
    const pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        child(family, where, *info, ends[1], output);
    }
    (void)close(ends[1]);
    sm_peer_info answer;
    ssize_t got = -1;
    if (pid > 0) {
        do got = read(ends[0], &answer, sizeof answer);
        while (got < 0 && errno == EINTR);
        int status = 0;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        if (got == (ssize_t)sizeof answer)
            *info = answer;
        else
            explain_death(status, output, info);
    } else {
        (void)snprintf(info->reason, sizeof info->reason, "cannot fork: %s", strerror(errno));
    }
    clean(info->reason);
    (void)close(ends[0]);
    if (output >= 0) (void)close(output);
}
