/* Asks scripts/verdict.py, where SciPy does the statistics. */
#include "ab/ab.h"
#include "ab/process.h"
#include "harness.h"
#include "tree.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* SPARSEMARK_PYTHON, the source tree's virtual environment, or whatever is in PATH. */
static void find_python(const char *root, char *python, size_t size) {
    const char *given = getenv("SPARSEMARK_PYTHON");
    if (given && *given) {
        (void)snprintf(python, size, "%s", given);
        return;
    }
    (void)snprintf(python, size, "%s/.venv/bin/python", root);
    if (access(python, X_OK) != 0) (void)snprintf(python, size, "python3");
}

static int find_script(const char *root, char *script, size_t size) {
    const char *given = getenv("SPARSEMARK_SCRIPTS");
    if (given && *given)
        (void)snprintf(script, size, "%s/verdict.py", given);
    else
        (void)snprintf(script, size, "%s/scripts/verdict.py", root);
    if (access(script, R_OK) == 0) return EXIT_CODE_OK;
    return complain(EXIT_CODE_USAGE,
                    "%s: expected the script that judges; SPARSEMARK_SCRIPTS may name its folder",
                    script);
}

static int ask(const char *task, const json_t *question, json_t **answer) {
    char root[PATH_MAX], python[PATH_MAX + 32], script[PATH_MAX + 32], word[16];
    *answer = NULL;
    if (sm_program_folder(2, root, sizeof root) != 0) root[0] = '\0';
    int code = find_script(root, script, sizeof script);
    if (code != EXIT_CODE_OK) return code;
    find_python(root, python, sizeof python);
    (void)snprintf(word, sizeof word, "%s", task);
    char *argv[] = {python, script, word, NULL};
    const sm_status status = ab_process_ask("verdict.py", argv, question, answer);
    if (status != SM_OK) return complain_status(status);
    const char *error = json_string_value(json_object_get(*answer, "error"));
    if (!error) return EXIT_CODE_OK;
    code = complain(EXIT_CODE_USAGE, "verdict.py: %s", error);
    json_decref(*answer);
    *answer = NULL;
    return code;
}

int ab_judge(const json_t *record, json_t **verdict) {
    return ask("judge", record, verdict);
}

int ab_judge_rounds(size_t cells, size_t *rounds) {
    json_t *question = json_integer((json_int_t)cells), *answer;
    const int code = ask("rounds", question, &answer);
    *rounds = ab_count(answer, "rounds");
    json_decref(question);
    json_decref(answer);
    return code;
}

int ab_judge_rates(const json_t *counts, json_t **intervals) {
    return ask("rates", counts, intervals);
}

int ab_exit_code(const json_t *verdict, int strict) {
    const json_t *counts = json_object_get(verdict, "counts");
    if (ab_count(counts, "SLOW") > 0) return EXIT_CODE_REGRESSION;
    return strict && ab_count(counts, "AMBIGUOUS") > 0 ? EXIT_CODE_UNDECIDED : EXIT_CODE_OK;
}

const char *ab_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

size_t ab_count(const json_t *object, const char *key) {
    return (size_t)json_integer_value(json_object_get(object, key));
}

double ab_number(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}
