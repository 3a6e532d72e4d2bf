/* sparsemark: dispatches to the subcommands. */
#include "build_info.h"
#include "harness.h"
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *what; /* NULL: not for people */
} commands[] = {
    {"info", cmd_info, "this machine: CPU, caches, instruction-set levels, peers, warnings"},
    {"doctor", cmd_doctor, "what here spoils timings, and how fine a difference shows"},
    {"list", cmd_list, "kernels, layers, patterns, formats and peers there are"},
    {"roof", cmd_roof, "what this machine can do at best: multiply-adds, bytes a second"},
    {"check", cmd_check, "run every kernel against the oracle"},
    {"prune", cmd_prune, "prune a model file, and say what that gives"},
    {"run", cmd_run, "measure sparse against dense"},
    {"model", cmd_model, "a pruned network: accuracy, images a second, time and bytes a layer"},
    {"sensitivity", cmd_sensitivity, "which layer of a network can be pruned, at what loss"},
    {"breakeven", cmd_breakeven, "from which sparsity sparse wins, out of a result file"},
    {"ab", cmd_ab, "two builds of the library against each other: is one slower?"},
    {"selftest", cmd_selftest, "does ab find what is there, and nothing else?"},
    {"ab-child", cmd_ab_child, NULL},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

static int unknown_command(const char *name) {
    return complain(EXIT_CODE_USAGE, "unknown command '%s' (see sparsemark help)", name);
}

static int superfluous(const char *word) {
    return complain(EXIT_CODE_USAGE, "'%s': expected no further argument", word);
}

static int help(int argc, char **argv) {
    if (argc > 2) return superfluous(argv[2]);
    if (argc > 1) {
        const struct command *command = find_command(argv[1]);
        if (command == NULL) return unknown_command(argv[1]);
        char option[] = "--help";
        char *words[] = {argv[1], option, NULL};
        return command->run(2, words);
    }
    (void)puts("usage: sparsemark COMMAND [OPTION...]\n"
               "From which sparsity on is a pruned layer faster than a dense one on this CPU?\n");
    for (size_t i = 0; i < COMMANDS; i++)
        if (commands[i].what) (void)printf("  %-11s  %s\n", commands[i].name, commands[i].what);
    (void)puts("  help         this text, or help COMMAND\n"
               "  --version    version and commit\n\n"
               "Exit codes: 0 fine, 1 confirmed regression, 2 usage or input/output, 3 undecided,\n"
               "4 wrong result, 5 not comparable or a demanded instruction set is missing.\n"
               "Interrupted, it dies of the signal: 128 and its number, as shells say.");
    return finish_stdout(EXIT_CODE_OK);
}

/* A standard stream that the caller closed would be given to the first file opened, and a table end
 * up among the records. Opened the wrong way round it stays unusable, and writing to it an error.
 */
static void keep_standard_streams(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0) (void)open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv) {
    /* Large arrays go back to the system when freed; glibc would raise the limit as they come. */
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
    keep_standard_streams();
    /* A closed pipe or a file at its size limit shall be a message and an exit code, not a silent
     * death. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN);
    if (argc < 2) return complain(EXIT_CODE_USAGE, "no command given (see sparsemark help)");
    const char *name = argv[1];
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help(argc - 1, argv + 1);
    if (strcmp(name, "--version") == 0) {
        if (argc > 2) return superfluous(argv[2]);
        (void)printf("sparsemark %s (commit %s%s)\n", SM_BUILD_VERSION, SM_BUILD_COMMIT,
                     SM_BUILD_DIRTY == 1 ? ", modified" : "");
        return finish_stdout(EXIT_CODE_OK);
    }
    const struct command *command = find_command(name);
    if (command == NULL) return unknown_command(name);
    return command->run(argc - 1, argv + 1);
}
