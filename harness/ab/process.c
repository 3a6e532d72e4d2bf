/* Runs a program to its end with a text in and a text out. Both texts are files in memory: neither
 * side waits for the other to read, and what a dying process wrote is still there. */
#include "ab/process.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CANNOT_START = 127 };

static _Noreturn void child(char *const argv[], int in, int out, pid_t parent) {
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(CANNOT_START); /* it died before it could take us along */
    if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0) (void)execvp(argv[0], argv);
    _exit(CANNOT_START);
}

/* The first line of a file, fit for a message. */
static void first_line(int fd, char *line, size_t size) {
    const ssize_t got = pread(fd, line, size - 1, 0);
    line[got > 0 ? got : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
}

static sm_status explain_end(const char *what, const char *program, int status, int out) {
    char line[256];
    first_line(out, line, sizeof line);
    const char *gap = line[0] ? ": " : "";
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        return sm_fail(SM_E_IO, "%s: gave no answer in time%s%s", what, gap, line);
    if (WIFSIGNALED(status))
        return sm_fail(SM_E_IO, "%s: killed by signal %d (%s)%s%s", what, WTERMSIG(status),
                       strsignal(WTERMSIG(status)), gap, line);
    if (WEXITSTATUS(status) == CANNOT_START)
        return sm_fail(SM_E_IO, "%s: cannot run %s", what, program);
    return sm_fail(SM_E_IO, "%s: %s ended with code %d%s%s", what, program, WEXITSTATUS(status),
                   gap, line);
}

static sm_status run(const char *what, char *const argv[], int in, int out) {
    const pid_t parent = getpid();
    int status = 0;
    const pid_t pid = fork();
    if (pid < 0) return sm_fail(SM_E_IO, "%s: cannot fork: %s", what, strerror(errno));
    if (pid == 0) child(argv, in, out, parent);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return sm_fail(SM_E_IO, "%s: cannot wait for it: %s", what, strerror(errno));
    return status == 0 ? SM_OK : explain_end(what, argv[0], status, out);
}

static sm_status read_answer(const char *what, int out, json_t **answer) {
    json_error_t error;
    if (lseek(out, 0, SEEK_SET) == 0) *answer = json_loadfd(out, JSON_DECODE_ANY, &error);
    if (*answer) return SM_OK;
    char line[128];
    first_line(out, line, sizeof line);
    return sm_fail(SM_E_IO, "%s: expected JSON as an answer, got '%s'", what, line);
}

sm_status ab_process_ask(const char *what, char *const argv[], const json_t *question,
                         json_t **answer) {
    *answer = NULL;
    const int in = memfd_create("question", MFD_CLOEXEC);
    const int out = memfd_create("answer", MFD_CLOEXEC);
    const size_t flags = JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9);
    sm_status status = SM_OK;
    if (in < 0 || out < 0 || json_dumpfd(question, in, flags) != 0 || lseek(in, 0, SEEK_SET) != 0)
        status = sm_fail(SM_E_IO, "%s: no memory for the question", what);
    if (status == SM_OK) status = run(what, argv, in, out);
    if (status == SM_OK) status = read_answer(what, out, answer);
    if (in >= 0) (void)close(in);
    if (out >= 0) (void)close(out);
    return status;
}
