/* The run: one group after the other, each written before the next begins. */
#include "measure/session.h"
#include "harness.h"
#include "machine/machine.h"
#include "measure/clock.h"
#include "measure/report.h"
#include "peers/peer.h"
#include "roof/sizes.h"
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GROUP_CAP_S = 10 };
static const double ROOF_S = 1.5; /* a thread count */
static const double DRAM_S = 0.5; /* it takes to touch as much memory as no cache holds, and more */

static volatile sig_atomic_t stop_signal;

static void on_signal(int signal_number) {
    stop_signal = signal_number;
}

static json_t *names_of(const sm_choice_set *sets, size_t count) {
    json_t *names = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(names, json_string(sets[i].name));
    return names;
}

/* What fixes the set of cells: a resumed run must say the same. */
static json_t *options_json(const sm_run_options *o, const sm_points *points) {
    json_t *keys = json_array(), *kernels = json_array(), *peers = json_array();
    for (size_t i = 0; i < points->count; i++)
        json_array_append_new(keys, json_string(points->items[i].key));
    for (size_t i = 0; i < o->kernels_count; i++)
        json_array_append_new(kernels, json_string(o->kernels[i]));
    if (o->kernels_all) json_array_append_new(kernels, json_string("all"));
    if (o->sweep) json_array_append_new(kernels, json_string("sweep"));
    if (o->plan) json_array_append_new(kernels, json_string("plan"));
    for (size_t i = 0; i < sm_peer_count(); i++)
        if (o->peers >> i & 1) json_array_append_new(peers, json_string(sm_peer_probe(i)->name));
    json_t *options = json_pack("{s:o, s:o, s:o, s:o, s:o, s:f, s:I}", "points", keys, "isa",
                                names_of(o->isa, o->isa_count), "format",
                                names_of(o->format, o->format_count), "kernels", kernels, "peers",
                                peers, "precision", o->precision, "seed", (json_int_t)o->seed);
    if (o->ceiling) (void)json_object_set_new(options, "ceiling", json_string(o->ceiling));
    return options;
}

/* Files as they are: a resumed run must not go on with other weights of the same name. */
static json_t *files_json(const sm_source_list *sources) {
    json_t *files = json_object();
    struct stat info;
    int failed = !files;
    for (size_t i = 0; i < sources->count; i++) {
        const char *path = sources->items[i].path;
        if (!path || stat(path, &info) != 0) continue;
        const json_int_t changed =
            (json_int_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
        char *key = sm_readable(path);
        failed |=
            !key || json_object_set_new(files, key,
                                        json_pack("{s:I, s:I}", "bytes", (json_int_t)info.st_size,
                                                  "modified", changed)) != 0;
        free(key);
    }
    if (!failed) return files;
    json_decref(files);
    return NULL;
}

/* A file that both know and that is not the same; NULL where there is none. */
static const char *changed_file(json_t *now, const json_t *then) {
    const char *path;
    json_t *file;
    json_object_foreach(now, path, file) {
        const json_t *earlier = json_object_get(then, path);
        if (earlier && !json_equal(file, earlier)) return path;
    }
    return NULL;
}

static int known_group(const sm_record_set *set, const char *key) {
    for (size_t i = 0; i < set->count; i++)
        if (strcmp(set->cells[i].group, key) == 0) return 1;
    return 0;
}

/* Reads what is there; refuses what another machine or other options measured. */
static sm_status read_earlier(const char *path, const json_t *options, json_t *files,
                              const char *slug, sm_record_set *set) {
    SM_TRY(sm_records_read(path, set));
    for (size_t i = 0; i < json_array_size(set->runs); i++) {
        const json_t *run = json_array_get(set->runs, i);
        const json_t *machine = json_object_get(run, "machine");
        if (!json_is_string(machine) || strcmp(json_string_value(machine), slug) != 0)
            return sm_fail(SM_E_ARG, "--resume %s: was measured on another machine than %s", path,
                           slug);
        if (!json_equal(json_object_get(run, "options"), options))
            return sm_fail(SM_E_ARG, "--resume %s: was measured with other options", path);
        const char *changed = changed_file(files, json_object_get(run, "files"));
        if (changed)
            return sm_fail(SM_E_ARG,
                           "--resume %s: %s has changed since: expected the file that "
                           "was measured",
                           path, changed);
    }
    return SM_OK;
}

typedef struct run_state {
    const sm_run_options *o;
    sm_points points;
    sm_record_set earlier;
    sm_record_file *file;
    sm_session session;
    char slug[64]; /* these two only for a file of records */
    json_t *options, *files;
    size_t done, skipped, written;
    sm_summary summary;
    double start_ns, estimated_s; /* estimate of the points done */
} run_state;

static void list_points(const run_state *r) {
    double total = 0;
    for (size_t i = 0; i < r->points.count; i++) {
        const double seconds = sm_point_estimate(r->o, &r->points.items[i]);
        total += seconds;
        printf("%s  about %.1f s\n", r->points.items[i].key, seconds);
    }
    if (isfinite(r->o->budget_s) && total > r->o->budget_s) total = r->o->budget_s;
    printf("%zu points, about %.0f s\n", r->points.count, total);
}

static sm_status open_records(run_state *r) {
    if (!r->o->out) return SM_OK;
    sm_machine_slug(r->slug, sizeof r->slug);
    r->options = options_json(r->o, &r->points);
    r->files = files_json(&r->o->sources);
    if (!r->options || !r->files) return sm_fail(SM_E_NOMEM, "no memory for the record of the run");
    if (r->o->resume) SM_TRY(read_earlier(r->o->out, r->options, r->files, r->slug, &r->earlier));
    SM_TRY(sm_records_open(r->o->out, r->o->resume, r->earlier.good_bytes, &r->file));
    return sm_report_gbench_check(r->o->out);
}

static void warn(void *arg, const char *text) {
    (void)arg;
    note(text);
}

/* Whether a row may be set against memory beyond the caches. */
static int may_need_dram(const sm_point *p) {
    const size_t m = p->source->m, k = p->source->k;
    const double floats = (double)m * (double)k + (double)(m + k) * (double)p->n;
    return p->cold || floats * sizeof(float) > (double)sm_roof_cached(p->threads);
}

/* A tenth of the budget at most: rows set against a hasty roof are better than none. Without time
 * DRAM is measured only for rows that need it. */
static void measure_roof(run_state *r) {
    size_t threads[MAX_AXIS] = {0}, count = 0;
    int dram = 0;
    for (size_t i = 0; i < r->points.count; i++) {
        size_t t = 0;
        while (t < count && threads[t] != r->points.items[i].threads) t++;
        if (t == count) threads[count++] = r->points.items[i].threads; /* at most an axis full */
        dram |= may_need_dram(&r->points.items[i]);
    }
    const double seconds = fmin(ROOF_S * (double)count, r->o->budget_s / 10);
    const size_t memories =
        dram || seconds >= DRAM_S * (double)count ? SM_ROOF_MEMORIES : SM_ROOF_DRAM;
    if (sm_roof_measure(threads, count, memories, seconds, &r->session.roof) != SM_OK)
        warn(NULL, sm_message()); /* rows then say nothing about the roof */
}

/* run: the machine's card, from before anything was measured. Takes it. */
static sm_status write_run(run_state *r, json_t *run) {
    json_t *roof = r->session.roof ? sm_roof_json(r->session.roof) : json_null();
    sm_status status = SM_OK;
    if (run && roof) {
        json_object_set_new(run, "machine", json_string(r->slug));
        json_object_set(run, "options", r->options);
        json_object_set(run, "files", r->files);
        json_object_set(run, "roof", roof);
        status = sm_records_write_run(r->file, run);
    } else {
        status = sm_fail(SM_E_NOMEM, "no memory for the record of the run");
    }
    json_decref(roof);
    json_decref(run);
    return status;
}

static void show(run_state *r, const sm_group *group) {
    sm_progress_clear();
    sm_summary_add(&r->summary, group->cells, group->count);
    if (!r->o->json) {
        sm_report_group(group->cells, group->count);
        return;
    }
    for (size_t i = 0; i < group->count; i++) {
        json_t *cell = sm_cell_json(&group->cells[i]);
        char *line = cell ? json_dumps(cell, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
        if (line) puts(line);
        free(line);
        json_decref(cell);
    }
    fflush(stdout);
}

static double left_estimate(const run_state *r, size_t next) {
    double left = 0;
    for (size_t i = next; i < r->points.count; i++)
        left += sm_point_estimate(r->o, &r->points.items[i]);
    const double elapsed = (clock_ns() - r->start_ns) / 1e9;
    if (r->estimated_s > 0) left *= elapsed / r->estimated_s;
    return fmin(left, fmax(0, r->o->budget_s - elapsed));
}

static sm_status run_point(run_state *r, size_t i) {
    const sm_point *p = &r->points.items[i];
    const double elapsed = (clock_ns() - r->start_ns) / 1e9;
    sm_progress(i, r->points.count, elapsed, left_estimate(r, i), p->key);
    /* Half of a point's share goes to the matrix, the oracle and choosing. */
    const double share = (r->o->budget_s - elapsed) / (double)(r->points.count - i) / 2;
    sm_group group;
    sm_status status = sm_group_run(&r->session, p, fmin(fmax(share, 0.0), GROUP_CAP_S), &group);
    if (status == SM_OK && r->file)
        status = sm_records_write_group(r->file, group.cells, group.count);
    r->written += status == SM_OK;
    if (status == SM_OK) show(r, &group);
    sm_group_free(&group);
    r->estimated_s += sm_point_estimate(r->o, p);
    r->done++;
    return status;
}

static size_t longest_layer(const sm_points *points) {
    size_t longest = 0;
    for (size_t i = 0; i < points->count; i++) {
        const size_t length = strlen(points->items[i].source->layer);
        if (length > longest) longest = length;
    }
    return longest;
}

static sm_status run_points(run_state *r) {
    sm_machine_cpus(r->session.cpus, MAX_CPUS);
    SM_TRY(sm_watch_create(&r->session.watch));
    if (!r->o->json) sm_report_header(longest_layer(&r->points));
    for (size_t i = 0; i < r->points.count && !stop_signal; i++) {
        if (known_group(&r->earlier, r->points.items[i].key)) {
            r->skipped++;
            continue;
        }
        SM_TRY(run_point(r, i));
    }
    sm_progress_clear();
    if (!r->o->json) sm_report_summary(&r->summary);
    return SM_OK;
}

static int finish(run_state *r, sm_status status) {
    const int opened = r->file != NULL;
    const sm_status closed = sm_records_close(r->file);
    /* A new file without a group is no result, and would only be in the way of the next try. */
    if (status != SM_OK && opened && r->written == 0 && !r->o->resume) unlink(r->o->out);
    if (status == SM_OK) status = closed;
    if (status == SM_OK && r->o->out && !stop_signal) status = sm_report_gbench(r->o->out);
    if (status != SM_OK) return complain_status(status);
    if (stop_signal) {
        complain(0, "interrupted: %zu of %zu points done%s", r->done + r->skipped, r->points.count,
                 r->o->out ? "; --resume continues" : "");
        signal(stop_signal, SIG_DFL);
        raise(stop_signal);
    }
    if (r->session.wrong)
        return complain(EXIT_CODE_WRONG, "a kernel computed a wrong result: see the rows marked "
                                         "'wrong', and sparsemark check");
    return finish_stdout(EXIT_CODE_OK);
}

int sm_session_run(const sm_run_options *options) {
    run_state r = {.o = options, .session = {.options = options}};
    sm_status status = sm_points_create(options, &r.points);
    if (status != SM_OK) return complain_status(status);
    int code;
    if (options->list) {
        list_points(&r);
        code = finish_stdout(EXIT_CODE_OK);
    } else {
        sm_machine_warnings(warn, NULL);
        signal(SIGINT, on_signal);
        signal(SIGTERM, on_signal);
        r.start_ns = clock_ns();
        status = open_records(&r);
        const int recorded = status == SM_OK && r.file;
        json_t *card = recorded ? sm_machine_card(options->peers != 0) : NULL;
        if (status == SM_OK) measure_roof(&r);
        if (recorded) status = write_run(&r, card);
        if (status == SM_OK) status = run_points(&r);
        code = finish(&r, status);
    }
    json_decref(r.options);
    json_decref(r.files);
    sm_watch_free(r.session.watch);
    sm_roof_free(r.session.roof);
    free(r.session.dense);
    sm_record_set_free(&r.earlier);
    sm_points_free(&r.points);
    return code;
}
