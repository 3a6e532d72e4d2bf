/* Rounds, each in a fresh process: where the loader and the allocator put things changes the times
 * of equal code by some per cent, and only a new process draws again. */
#include "ab/ab.h"
#include "ab/process.h"
#include "harness.h"
#include "measure/clock.h"
#include "measure/report.h"
#include <stdio.h>

/* Everything a round needs to know, most of it borrowed from the record. */
static json_t *question(const ab_block *block, json_t *select, json_t *record, json_int_t shuffle) {
    return json_pack(
        "{s:s, s:i, s:i, s:I, s:O, s:O, s:O, s:O, s:O}", "task", "round", "base_fd", block->base_fd,
        "cand_fd", block->cand_fd, "shuffle", shuffle, "select", select, "points",
        json_object_get(record, "points"), "cells", json_object_get(record, "cells"), "control",
        json_object_get(record, "control"), "options", json_object_get(record, "options"));
}

/* Appends what one round measured. */
static int run_round(const ab_block *block, json_t *select, json_t *record, json_int_t shuffle,
                     const char *what, json_t *rounds) {
    char program[] = "/proc/self/exe", command[] = "ab-child";
    char *argv[] = {program, command, NULL};
    json_t *asked = question(block, select, record, shuffle), *answer = NULL;
    const sm_status status = ab_process_ask(what, argv, asked, &answer);
    json_decref(asked);
    if (status != SM_OK) return complain_status(status);
    const json_t *error = json_object_get(answer, "error");
    int code = EXIT_CODE_OK;
    if (error)
        code = complain((int)ab_count(answer, "code"), "%s: %s", what, json_string_value(error));
    else
        (void)json_array_append(rounds, answer);
    json_decref(answer);
    return code;
}

int ab_rounds_run(const ab_block *block, json_t *select, json_t *record) {
    json_t *blocks = json_object_get(record, "blocks"), *rounds = json_array();
    const json_int_t seed =
        json_integer_value(json_object_get(json_object_get(record, "options"), "seed"));
    const size_t number = json_array_size(blocks) + 1;
    const double start = clock_ns();
    int code = EXIT_CODE_OK;
    for (size_t i = 0; i < block->rounds && code == EXIT_CODE_OK; i++) {
        const double elapsed_s = (clock_ns() - start) / 1e9;
        const double round_s = i ? elapsed_s / (double)i : 0;
        if (i && clock_ns() + 1e9 * round_s > block->deadline_ns) break;
        char what[64];
        (void)snprintf(what, sizeof what, "round %zu of block %zu", i + 1, number);
        sm_progress(i, block->rounds, elapsed_s, round_s * (double)(block->rounds - i), what);
        /* A seed of its own for every round; xoshiro's seeding tells neighbours apart. */
        const uint64_t shuffle = (uint64_t)seed * 1000003 + number * 100003 + i;
        code = run_round(block, select, record, (json_int_t)(shuffle & INT64_MAX), what, rounds);
    }
    sm_progress_clear();
    (void)json_array_append_new(blocks,
                                json_pack("{s:O, s:I, s:o}", "cells", select, "rounds_asked",
                                          (json_int_t)block->rounds, "rounds", rounds));
    return code;
}
