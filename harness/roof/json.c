/* The roof as JSON: every figure for every number of threads, and what follows from them. */
#include "json.h"
#include "roof/measure.h"
#include "roof/sizes.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* One value for each number of threads. */
static json_t *rates(const sm_roof *roof, size_t line, size_t memory) {
    json_t *array = json_array();
    for (size_t c = 0; c < roof->count; c++)
        (void)json_array_append_new(array,
                                    sm_json_number(roof->rate[sm_roof_slot(c, line, memory)]));
    return array;
}

static json_t *bests(const sm_roof *roof, size_t memory,
                     double (*figure)(const sm_roof *, size_t, size_t)) {
    json_t *array = json_array();
    for (size_t c = 0; c < roof->count; c++)
        (void)json_array_append_new(array,
                                    sm_json_number(figure(roof, memory, roof->widths[c].threads)));
    return array;
}

static json_t *peaks_json(const sm_roof *roof) {
    sm_cpuid cpuid;
    char reason[128];
    sm_cpuid_read(&cpuid);
    json_t *peaks = json_array();
    for (size_t l = 0; l < sm_roof_line_count(); l++) {
        const sm_roof_line *const line = sm_roof_line_at(l);
        if (line->kind != SM_ROOF_fma) continue;
        const int usable = sm_roof_usable(&cpuid, line, reason, sizeof reason);
        (void)json_array_append_new(peaks,
                                    json_pack("{s:s, s:s, s:b, s:s, s:o}", "dtype", line->dtype,
                                              "isa", line->isa, "usable", usable, "reason", reason,
                                              "gops", rates(roof, l, SM_ROOF_L1)));
    }
    return peaks;
}

static json_t *by_isa(const sm_roof *roof, sm_roof_kind kind, size_t memory) {
    json_t *object = json_object();
    for (size_t l = 0; l < sm_roof_line_count(); l++) {
        const sm_roof_line *const line = sm_roof_line_at(l);
        if (line->kind == kind && !isnan(roof->rate[sm_roof_slot(0, l, SM_ROOF_DRAM)]))
            (void)json_object_set_new(object, line->isa, rates(roof, l, memory));
    }
    return object;
}

static json_t *bandwidth_json(const sm_roof *roof) {
    json_t *memories = json_array();
    for (size_t memory = 0; memory < SM_ROOF_MEMORIES; memory++) {
        json_t *bytes = json_array();
        for (size_t c = 0; c < roof->count; c++)
            (void)json_array_append_new(bytes,
                                        json_integer((json_int_t)roof->widths[c].window[memory]));
        (void)json_array_append_new(
            memories,
            json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "memory", sm_roof_memory_name(memory),
                      "bytes_per_thread", bytes, "read_gbytes_s", bests(roof, memory, sm_roof_read),
                      "copy_gbytes_s", bests(roof, memory, sm_roof_copy), "read_by_isa",
                      by_isa(roof, SM_ROOF_read, memory), "copy_by_isa",
                      by_isa(roof, SM_ROOF_copy, memory)));
    }
    return memories;
}

static json_t *ridges_json(const sm_roof *roof) {
    json_t *ridges = json_array();
    for (size_t c = 0; c < roof->count; c++) {
        const size_t threads = roof->widths[c].threads;
        const double fma = sm_roof_fma(roof, "", threads);
        (void)json_array_append_new(
            ridges, sm_json_number(fma / sm_roof_read(roof, SM_ROOF_DRAM, threads)));
    }
    return ridges;
}

static json_t *threads_json(const sm_roof *roof) {
    json_t *threads = json_array();
    for (size_t c = 0; c < roof->count; c++)
        (void)json_array_append_new(threads, json_integer((json_int_t)roof->widths[c].threads));
    return threads;
}

/* Why a figure is null, or not what its name says. */
static json_t *notes_json(const sm_roof *roof) {
    enum { MEMORY_ALONE = 6 }; /* times the caches: 2 % faster than memory */
    char note[160];
    json_t *notes = json_array();
    for (size_t c = 0; c < roof->count; c++) {
        const sm_roof_width *const width = &roof->widths[c];
        for (size_t memory = 0; memory < SM_ROOF_DRAM; memory++) {
            if (width->window[memory] > 0) continue;
            (void)snprintf(note, sizeof note,
                           "%s, %zu threads: missing, or too small beside the caches before it",
                           sm_roof_memory_name(memory), width->threads);
            (void)json_array_append_new(notes, json_string(note));
        }
        const size_t total = width->window[SM_ROOF_DRAM] * width->threads;
        const size_t cached = sm_roof_cached(width->threads);
        if (total >= MEMORY_ALONE * cached) continue;
        (void)snprintf(note, sizeof note,
                       "DRAM, %zu threads: buffers of %zu MiB beside caches of %zu MiB: partly the "
                       "caches' bandwidth",
                       width->threads, total >> 20, cached >> 20);
        (void)json_array_append_new(notes, json_string(note));
    }
    return notes;
}

json_t *sm_roof_json(const sm_roof *roof) {
    const double fma = sm_roof_fma(roof, "", 2) / sm_roof_fma(roof, "", 1);
    const double dram = sm_roof_read(roof, SM_ROOF_DRAM, 2) / sm_roof_read(roof, SM_ROOF_DRAM, 1);
    return json_pack("{s:f, s:I, s:o, s:o, s:o, s:{s:o, s:o}, s:o, s:o}", "seconds", roof->seconds,
                     "rounds", (json_int_t)roof->rounds, "threads", threads_json(roof), "peaks",
                     peaks_json(roof), "bandwidth", bandwidth_json(roof), "scaling", "fma",
                     sm_json_number(fma), "read_dram", sm_json_number(dram), "ridge_flop_per_byte",
                     ridges_json(roof), "notes", notes_json(roof));
}
