/* What is asked of the roof: for which numbers of threads, and the figures that came out. */
#include "machine/machine.h"
#include "roof/measure.h"
#include "roof/sizes.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static sm_status check_threads(const size_t *threads, size_t count) {
    sm_machine_sizes sizes;
    sm_machine_get_sizes(&sizes);
    if (count == 0) return sm_fail(SM_E_ARG, "roof: expected a number of threads");
    for (size_t i = 0; i < count; i++)
        if (threads[i] == 0 || threads[i] > sizes.threads)
            return sm_fail(SM_E_ARG,
                           "roof: %zu threads: expected 1 to %zu, the hardware threads that this "
                           "process may use",
                           threads[i], sizes.threads);
    return SM_OK;
}

static const sm_roof_width *find_width(const sm_roof *roof, size_t threads) {
    for (size_t c = 0; c < roof->count; c++)
        if (roof->widths[c].threads == threads) return &roof->widths[c];
    return NULL;
}

sm_status sm_roof_measure(const size_t *threads, size_t count, size_t memories, double seconds,
                          sm_roof **out) {
    *out = NULL;
    SM_TRY(check_threads(threads, count));
    sm_roof *roof = calloc(1, sizeof *roof);
    const size_t slots = sm_roof_slot(count, 0, 0);
    if (roof) {
        roof->widths = calloc(count, sizeof *roof->widths);
        roof->rate = calloc(slots, sizeof *roof->rate);
    }
    if (!roof || !roof->widths || !roof->rate) {
        sm_roof_free(roof);
        return sm_fail(SM_E_NOMEM, "roof: no memory for %zu figures", slots);
    }
    for (size_t i = 0; i < count; i++) {
        if (find_width(roof, threads[i])) continue;
        sm_roof_width *const width = &roof->widths[roof->count++];
        width->threads = threads[i];
        for (size_t memory = 0; memory < SM_ROOF_MEMORIES; memory++)
            width->window[memory] = memory < memories ? sm_roof_window(memory, threads[i]) : 0;
    }
    for (size_t i = 0; i < slots; i++) roof->rate[i] = NAN;
    const sm_status status = sm_roof_run(roof, seconds);
    if (status == SM_OK)
        *out = roof;
    else
        sm_roof_free(roof);
    return status;
}

void sm_roof_free(sm_roof *roof) {
    if (!roof) return;
    free(roof->widths);
    free(roof->rate);
    free(roof);
}

/* The best rate of the f32 lines of that kind; isa "" for any. */
static double best(const sm_roof *roof, sm_roof_kind kind, const char *isa, size_t memory,
                   size_t threads) {
    double most = NAN;
    const sm_roof_width *const width = find_width(roof, threads);
    for (size_t l = 0; width && l < sm_roof_line_count(); l++) {
        const sm_roof_line *const line = sm_roof_line_at(l);
        if (line->kind != kind || strcmp(line->dtype, "f32") != 0) continue;
        if (*isa && strcmp(line->isa, isa) != 0) continue;
        most = fmax(most, roof->rate[sm_roof_slot((size_t)(width - roof->widths), l, memory)]);
    }
    return most;
}

/* A level that has no line of its own is the next one's instructions used by the compiler. */
static const char *measured_level(const char *isa) {
    size_t level;
    if (*isa == '\0' || sm_isa_find(isa, &level) != SM_OK) return isa;
    for (const char *name; (name = sm_isa_name(level)) != NULL; level++)
        for (size_t l = 0; l < sm_roof_line_count(); l++)
            if (strcmp(sm_roof_line_at(l)->isa, name) == 0) return name;
    return isa;
}

double sm_roof_fma(const sm_roof *roof, const char *isa, size_t threads) {
    return best(roof, SM_ROOF_fma, measured_level(isa), SM_ROOF_L1, threads);
}

double sm_roof_read(const sm_roof *roof, size_t memory, size_t threads) {
    return memory < SM_ROOF_MEMORIES ? best(roof, SM_ROOF_read, "", memory, threads) : NAN;
}

double sm_roof_copy(const sm_roof *roof, size_t memory, size_t threads) {
    return memory < SM_ROOF_MEMORIES ? best(roof, SM_ROOF_copy, "", memory, threads) : NAN;
}
