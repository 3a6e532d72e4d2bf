/* What subcommands share for reading their options. */
#ifndef OPTIONS_H
#define OPTIONS_H

/* Complains about the option at which getopt_long() (with opterr = 0 and an optstring that begins
 * with ':') just returned '?' or ':', and returns EXIT_CODE_USAGE. argv[0] names the command. */
int complain_option(int returned, char **argv);

#endif
