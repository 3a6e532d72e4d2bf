/* One model file against one set of images: accuracy first, then every batch size in turn. Nothing
 * is timed before its logits agree with those of the definition. */
#include "model/session.h"
#include "harness.h"
#include "machine/machine.h"
#include "measure/clock.h"
#include "measure/report.h"
#include "model/report.h"
#include "model/subject.h"
#include "records/record.h"
#include "whole_file.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHECKED = 2, ACCURACY_BATCH = 128 };

typedef struct session {
    const model_options *o;
    model_subject subject;
    size_t total;  /* its images, and those repeated to fill the largest batch */
    float *pixels; /* [total][height * width] */
    float *logits; /* [total][classes] */
    model_accuracy accuracy;
    int cpus[MAX_CPUS];
    sm_watch *watch;
    sm_record_file *records;
    size_t written, done;
    int wrong;
} session;

static sm_status read_inputs(session *s) {
    const model_options *o = s->o;
    SM_TRY(model_subject_read(o->weights, o->weights_order, o->data, o->images, &s->subject));
    model_file_free(&s->subject.file);
    s->total = s->subject.images;
    for (size_t i = 0; i < o->batch_count; i++)
        if (o->batch[i] > s->total) s->total = o->batch[i];
    SM_TRY(model_subject_pixels(&s->subject, s->total, &s->pixels));
    s->logits = sm_alloc(s->total * s->subject.net.classes, sizeof *s->logits);
    if (!s->logits) return sm_fail(SM_E_NOMEM, "no memory for the logits of %zu images", s->total);
    return SM_OK;
}

/* Logits of all images, and whether the first ones are those of the definition. */
static sm_status infer(session *s) {
    const size_t size = s->subject.net.height * s->subject.net.width,
                 classes = s->subject.net.classes;
    const engine_options options = {.batch = ACCURACY_BATCH,
                                    .threads = s->o->threads[0],
                                    .isa_mask = s->o->isa_mask,
                                    .cpus = s->cpus + 1};
    engine *e;
    SM_TRY(engine_create(&s->subject.net, &options, &e));
    for (size_t i = 0; i < s->total; i += ACCURACY_BATCH) {
        const size_t left = s->total - i;
        engine_run(e, s->pixels + i * size, left < ACCURACY_BATCH ? left : ACCURACY_BATCH,
                   s->logits + i * classes, NULL);
    }
    engine_free(e);
    return SM_OK;
}

static sm_status check(session *s) {
    const size_t images = s->subject.images < CHECKED ? s->subject.images : CHECKED;
    return model_check(&s->subject.net, s->pixels, s->logits, images, &s->accuracy.error);
}

static void count_right(session *s) {
    s->accuracy.images = s->subject.images;
    for (size_t i = 0; i < s->subject.images; i++)
        s->accuracy.right += model_predict(s->logits + i * s->subject.net.classes,
                                           s->subject.net.classes) == s->subject.set.labels[i];
}

static json_t *options_json(const session *s) {
    const model_options *o = s->o;
    json_t *batch = json_array(), *threads = json_array();
    for (size_t i = 0; i < o->batch_count; i++)
        (void)json_array_append_new(batch, json_integer((json_int_t)o->batch[i]));
    for (size_t i = 0; i < o->threads_count; i++)
        (void)json_array_append_new(threads, json_integer((json_int_t)o->threads[i]));
    return json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:f, s:f, s:b}", "command", "model", "weights",
                     o->weights, "data", o->data, "images", (json_int_t)s->subject.images, "batch",
                     batch, "threads", threads, "precision", o->precision, "budget_s", o->budget_s,
                     "pytorch", o->pytorch);
}

static sm_status open_records(session *s) {
    char slug[64];
    if (!s->o->out) return SM_OK;
    SM_TRY(sm_records_open(s->o->out, 0, 0, &s->records));
    sm_machine_slug(slug, sizeof slug);
    json_t *run = sm_machine_card(0), *options = options_json(s);
    sm_status status = sm_fail(SM_E_NOMEM, "no memory for the record of the run");
    if (run && options && json_object_set_new(run, "machine", json_string(slug)) == 0 &&
        json_object_set(run, "options", options) == 0)
        status = sm_records_write_run(s->records, run);
    json_decref(options);
    json_decref(run);
    return status;
}

static sm_status say(session *s, const model_point *point, const char *torch) {
    json_t *object = model_json(s->o->weights, &s->accuracy, point, torch);
    sm_status status = SM_OK;
    if (!object) return sm_fail(SM_E_NOMEM, "no memory for a record");
    if (s->records) status = sm_records_write_other(s->records, "model", object);
    s->written += status == SM_OK;
    if (s->o->json) {
        (void)json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
        (void)putchar('\n');
        (void)fflush(stdout);
    } else {
        model_print_point(point, torch);
    }
    json_decref(object);
    return status;
}

static sm_status measure(session *s, size_t threads, size_t batch, torch_child *torch) {
    const model_options *o = s->o;
    const model_bench bench = {.net = &s->subject.net,
                               .images = s->pixels,
                               .logits = s->logits,
                               .isa_mask = o->isa_mask,
                               .precision = o->precision,
                               .watch = s->watch,
                               .cpus = s->cpus + 1};
    const size_t points = o->threads_count * o->batch_count;
    model_point point;
    SM_TRY(model_measure(&bench, batch, threads, torch, o->budget_s / (double)points, &point));
    s->done++;
    if (point.error <= MODEL_TOLERANCE) return say(s, &point, torch ? torch_version(torch) : NULL);
    s->wrong = 1;
    (void)complain(EXIT_CODE_WRONG,
                   "batch %zu, %zu threads: logits differ by %.1e of the largest: expected at most "
                   "%.0e; not timed",
                   batch, threads, point.error, MODEL_TOLERANCE);
    return SM_OK;
}

/* All batch sizes on so many threads, with one process of PyTorch. */
static sm_status measure_threads(session *s, size_t threads) {
    torch_child *torch = NULL;
    sm_status status = SM_OK;
    if (s->o->pytorch)
        status = torch_start(s->o->python, &s->subject.net, s->pixels, s->total, threads, s->cpus,
                             &torch);
    for (size_t i = 0; i < s->o->batch_count && status == SM_OK; i++)
        status = measure(s, threads, s->o->batch[i], torch);
    torch_stop(torch);
    return status;
}

static void warn(void *arg, const char *text) {
    (void)arg;
    note(text);
}

static sm_status time_all(session *s) {
    sm_status status = SM_OK;
    if (s->o->accuracy || s->wrong) return SM_OK;
    sm_machine_warnings(warn, NULL);
    SM_TRY(open_records(s));
    SM_TRY(sm_watch_create(&s->watch));
    for (size_t i = 0; i < s->o->threads_count && status == SM_OK; i++)
        status = measure_threads(s, s->o->threads[i]);
    return status;
}

/* Before anything takes time. */
static sm_status check_outputs(const model_options *o) {
    if (o->predictions) SM_TRY(whole_file_check(o->predictions, WHOLE_FILE_REPLACE));
    return o->out ? whole_file_check(o->out, WHOLE_FILE_NEW) : SM_OK;
}

static sm_status run(session *s) {
    SM_TRY(check_outputs(s->o));
    SM_TRY(read_inputs(s));
    sm_machine_cpus(s->cpus, MAX_CPUS);
    SM_TRY(infer(s));
    SM_TRY(check(s));
    count_right(s);
    s->wrong = !(s->accuracy.error <= MODEL_TOLERANCE);
    if (!s->o->json) model_print_network(s->o->weights, &s->subject.net, &s->accuracy);
    if (s->o->json && s->o->accuracy)
        (void)printf("{\"images\": %zu, \"right\": %zu, \"reference_error\": %.9g}\n",
                     s->accuracy.images, s->accuracy.right, s->accuracy.error);
    if (s->o->predictions)
        SM_TRY(model_write_predictions(s->o->predictions, &s->subject.net, s->subject.set.labels,
                                       s->logits, s->subject.images));
    return time_all(s);
}

int model_session(const model_options *options) {
    session s = {.o = options};
    sm_status status = run(&s);
    const int opened = s.records != NULL;
    const sm_status closed = sm_records_close(s.records);
    /* A file without a result would only be in the way of the next try. */
    if (opened && s.written == 0) (void)unlink(options->out);
    if (status == SM_OK) status = closed;
    const int code = status != SM_OK ? complain_status(status)
                     : s.wrong       ? complain(EXIT_CODE_WRONG,
                                                "%s: wrong logits: %.1e off the "
                                                      "definition: see sparsemark check",
                                                options->weights, s.accuracy.error)
                                     : finish_stdout(EXIT_CODE_OK);
    sm_watch_free(s.watch);
    model_subject_free(&s.subject);
    sm_free(s.pixels);
    sm_free(s.logits);
    return code;
}
