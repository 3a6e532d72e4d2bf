/* What every subcommand shares: exit codes, entry points, messages. */
#ifndef HARNESS_H
#define HARNESS_H

#include <sparsemark/status.h>

/* The exit codes are part of the public surface. */
enum {
    EXIT_CODE_OK = 0,
    EXIT_CODE_REGRESSION = 1,
    EXIT_CODE_USAGE = 2, /* usage or input/output */
    EXIT_CODE_UNDECIDED = 3,
    EXIT_CODE_WRONG = 4,         /* a kernel computed a wrong result */
    EXIT_CODE_NOT_COMPARABLE = 5 /* also: a demanded instruction set is missing */
};

/* Subcommands: argv[0] is the subcommand's name, the return value the exit code. */
int cmd_info(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_roof(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_prune(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_model(int argc, char **argv);
int cmd_sensitivity(int argc, char **argv);
int cmd_breakeven(int argc, char **argv);
int cmd_ab(int argc, char **argv);
int cmd_ab_child(int argc, char **argv); /* started by ab only */
int cmd_selftest(int argc, char **argv);

/* Writes "sparsemark: <message>\n" to stderr and returns code. */
int complain(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes "sparsemark: <sm_message()>\n" to stderr and returns the exit code that belongs to status:
 * SM_E_ISA is 5, everything else 2. */
int complain_status(sm_status status);

/* Writes "sparsemark: note: <text>\n" to stderr: what is worth knowing and no failure. */
void note(const char *text);

/* Flushes stdout; a failure (disk full, closed pipe) is complained about and gives code 2. */
int finish_stdout(int code);

#endif
