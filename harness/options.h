/* What subcommands share for reading their options. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <sparsemark/status.h>

/* Complains about the option at which getopt_long() (with opterr = 0 and an optstring that begins
 * with ':') just returned '?' or ':', and returns EXIT_CODE_USAGE. argv[0] names the command. */
int complain_option(int returned, char **argv);

/* Reads all of a command's options, its name in argv[0]: take(arg, option, value) is called for
 * each until it fails; --help and -h print usage. -1 to go on, else the exit code: help was given,
 * or something was wrong, and complained about. */
struct option;
typedef sm_status option_take(void *arg, int option, char *value);
int read_options(int argc, char **argv, const struct option *options, const char *usage,
                 option_take *take, void *arg);

/* The same for a command that also takes words, which begin at argv[optind] then. */
int read_options_before_words(int argc, char **argv, const struct option *options,
                              const char *usage, option_take *take, void *arg);

/* For a command with one option, without a value: sets *(int *)arg. */
sm_status take_flag(void *arg, int option, char *value);

#endif
