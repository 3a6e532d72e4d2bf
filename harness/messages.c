/* One-line messages to stderr and the exit codes that go with them. */
#include "harness.h"
#include "options.h"
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A path may hold a line end; a message is one line. */
static void print_line(const char *before, char *text) {
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ') *c = '?';
    /* One call: lines of two processes stay whole. */
    (void)fprintf(stderr, "sparsemark: %s%s\n", before, text);
}

int complain(int code, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    print_line("", text);
    return code;
}

void note(const char *text) {
    char copy[1024];
    (void)snprintf(copy, sizeof copy, "%s", text);
    print_line("note: ", copy);
}

int complain_status(sm_status status) {
    const int code = status == SM_E_ISA ? EXIT_CODE_NOT_COMPARABLE : EXIT_CODE_USAGE;
    return complain(code, "%s", sm_message());
}

int complain_option(int returned, char **argv) {
    const char *word = argv[optind - 1];
    if (returned == ':') return complain(EXIT_CODE_USAGE, "%s: %s needs a value", argv[0], word);
    /* A short option may sit in the middle of a word, which optind has not passed yet. */
    if (optopt != 0 && strncmp(word, "--", 2) != 0)
        return complain(EXIT_CODE_USAGE, "%s: unknown option -%c (see sparsemark %s --help)",
                        argv[0], optopt, argv[0]);
    if (optopt != 0) return complain(EXIT_CODE_USAGE, "%s: %s: takes no value", argv[0], word);
    return complain(EXIT_CODE_USAGE,
                    "%s: unknown or ambiguous option %s (see sparsemark %s --help)", argv[0], word,
                    argv[0]);
}

int read_options_before_words(int argc, char **argv, const struct option *options,
                              const char *usage, option_take *take, void *arg) {
    sm_status status = SM_OK;
    int option, at = -1;
    opterr = 0;
    optind = 0; /* anew, also where an earlier parse was left in the middle */
    while (status == SM_OK && (option = getopt_long(argc, argv, ":h", options, &at)) != -1) {
        if (option == '?' || option == ':') return complain_option(option, argv);
        if (at < 0 || strcmp(options[at].name, "help") == 0) {
            (void)fputs(usage, stdout);
            return finish_stdout(EXIT_CODE_OK);
        }
        status = take(arg, option, optarg);
        at = -1;
    }
    return status == SM_OK ? -1 : complain_status(status);
}

sm_status take_flag(void *arg, int option, char *value) {
    (void)option;
    (void)value;
    *(int *)arg = 1;
    return SM_OK;
}

int read_options(int argc, char **argv, const struct option *options, const char *usage,
                 option_take *take, void *arg) {
    const int code = read_options_before_words(argc, argv, options, usage, take, arg);
    if (code >= 0 || optind == argc) return code;
    return complain(EXIT_CODE_USAGE, "%s: unexpected '%s' (see sparsemark %s --help)", argv[0],
                    argv[optind], argv[0]);
}

int finish_stdout(int code) {
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    return complain(EXIT_CODE_USAGE, "cannot write to standard output: %s",
                    errno ? strerror(errno) : "an earlier write failed");
}
