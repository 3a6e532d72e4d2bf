/* Looks at a library in a process that may die of it: is it one of ours, which kernels has it? */
#include "ab/round.h"
#include "harness.h"
#include <string.h>
#include <unistd.h>

enum { LOOK_SECONDS = 30 };

static json_t *kernel_json(const ab_library *library, size_t i) {
    const sm_kernel *k = library->kernel_at(i);
    if (!k) return NULL;
    return json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", k->name, "op", k->op, "format", k->format,
                     "isa", k->isa, "usable", (int)(library->isa_mask() >> k->level & 1));
}

/* Options of another size mean another layout of the struct: the library says so itself. */
static sm_status try_options(const ab_library *library) {
    enum { SIDE = 8 };
    float weights[SIDE * SIDE];
    for (size_t i = 0; i < SIDE * SIDE; i++) weights[i] = 1;
    sm_csr w;
    SM_TRY(sm_csr_from_dense(weights, SIDE, SIDE, SIDE, 1, &w));
    const sm_plan_options options = {.size = sizeof options, .n = SIDE, .budget_s = -1};
    sm_plan *plan = NULL;
    sm_status status = library->plan_create(&w, &options, &plan);
    if (status != SM_OK)
        status = sm_fail(status, "it refuses a plan of this program: %s", library->message());
    else
        library->plan_free(plan);
    sm_csr_free(&w);
    return status;
}

json_t *ab_look(const json_t *question, int trace) {
    ab_library library;
    (void)alarm(LOOK_SECONDS);
    ab_trace(trace, "while it was loaded");
    const int fd = (int)json_integer_value(json_object_get(question, "fd"));
    const sm_status status = ab_library_open(fd, &library);
    if (status != SM_OK)
        return ab_error(status == SM_E_FORMAT ? EXIT_CODE_NOT_COMPARABLE : EXIT_CODE_USAGE,
                        sm_message());
    ab_trace(trace, "while it was asked what it is");
    if (try_options(&library) != SM_OK) return ab_error(EXIT_CODE_NOT_COMPARABLE, sm_message());
    json_t *kernels = json_array();
    int failed = 0;
    for (size_t i = 0; i < library.kernel_count() && !failed; i++)
        failed = json_array_append_new(kernels, kernel_json(&library, i)) != 0;
    json_t *answer = json_pack("{s:i, s:s, s:O}", "abi", (int)library.abi(), "version",
                               library.version(), "kernels", kernels);
    json_decref(kernels);
    if (answer && !failed) return answer;
    json_decref(answer);
    return ab_error(EXIT_CODE_NOT_COMPARABLE, "its list of kernels makes no sense");
}
