/* One model file against one set of images: accuracy first, then every batch size in turn. Nothing
 * is timed before its logits agree with those of the definition. */
#include "model/session.h"
#include "harness.h"
#include "input/idx.h"
#include "machine/machine.h"
#include "measure/clock.h"
#include "measure/report.h"
#include "model/report.h"
#include "records/record.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHECKED = 2, ACCURACY_BATCH = 128 };

typedef struct session {
    const model_options *o;
    sm_model_file file;
    sm_images set;
    network net;
    size_t images, total; /* that count; with those repeated to fill the largest batch */
    float *pixels;        /* [total][height * width] */
    float *logits;        /* [total][classes] */
    model_accuracy accuracy;
    int cpus[MAX_CPUS];
    sm_watch *watch;
    sm_record_file *records;
    size_t written, done;
    int wrong;
} session;

/* Where neither option nor file says anything, as TensorFlow has them, whose tutorial it is. */
static sm_status read_orders(const session *s, sm_orders *orders) {
    const char *given = s->o->weights_order;
    *orders = (sm_orders){.in_out = 1, .hwio = 1};
    if (given) SM_TRY(orders_parse(given, orders));
    return orders_follow(
        s->o->weights, json_string_value(json_object_get(s->file.metadata, SM_ORDERS_KEY)), orders);
}

static sm_status read_inputs(session *s) {
    sm_orders orders;
    const model_options *o = s->o;
    SM_TRY(model_file_read(o->weights, &s->file));
    const size_t classes = network_classes(&s->file);
    SM_TRY(images_read(o->data, classes ? classes : 10, &s->set));
    SM_TRY(read_orders(s, &orders));
    SM_TRY(
        network_build(o->weights, &s->file, &orders, s->set.height, s->set.width, note, &s->net));
    model_file_free(&s->file);
    s->images = s->set.count;
    if (o->images > s->images)
        return sm_fail(SM_E_ARG, "--images %zu: expected at most %zu, as %s holds", o->images,
                       s->images, o->data);
    if (o->images) s->images = o->images;
    return SM_OK;
}

static sm_status make_pixels(session *s) {
    const size_t size = s->set.height * s->set.width;
    s->total = s->images;
    for (size_t i = 0; i < s->o->batch_count; i++)
        if (s->o->batch[i] > s->total) s->total = s->o->batch[i];
    s->pixels = sm_alloc(s->total * size, sizeof *s->pixels);
    s->logits = sm_alloc(s->total * s->net.classes, sizeof *s->logits);
    if (!s->pixels || !s->logits) return sm_fail(SM_E_NOMEM, "no memory for %zu images", s->total);
    for (size_t i = 0; i < s->total; i++)
        for (size_t p = 0; p < size; p++)
            s->pixels[i * size + p] = (float)s->set.pixels[i % s->images * size + p] / 255.0f;
    return SM_OK;
}

/* Logits of all images, and whether the first ones are those of the definition. */
static sm_status infer(session *s) {
    const size_t size = s->net.height * s->net.width, classes = s->net.classes;
    const engine_options options = {.batch = ACCURACY_BATCH,
                                    .threads = s->o->threads[0],
                                    .isa_mask = s->o->isa_mask,
                                    .cpus = s->cpus + 1};
    engine *e;
    SM_TRY(engine_create(&s->net, &options, &e));
    for (size_t i = 0; i < s->total; i += ACCURACY_BATCH) {
        const size_t left = s->total - i;
        engine_run(e, s->pixels + i * size, left < ACCURACY_BATCH ? left : ACCURACY_BATCH,
                   s->logits + i * classes, NULL);
    }
    engine_free(e);
    return SM_OK;
}

static sm_status check(session *s) {
    const size_t size = s->net.height * s->net.width, classes = s->net.classes;
    double *exact = malloc(classes * sizeof *exact);
    float *rounded = malloc(classes * sizeof *rounded);
    sm_status status = SM_OK;
    if (!exact || !rounded) status = sm_fail(SM_E_NOMEM, "no memory for %zu logits", classes);
    for (size_t i = 0; i < CHECKED && i < s->images && status == SM_OK; i++) {
        status = network_reference(&s->net, s->pixels + i * size, exact);
        for (size_t c = 0; c < classes; c++) rounded[c] = (float)exact[c];
        const double error = model_difference(s->logits + i * classes, rounded, classes);
        s->accuracy.error = fmax(s->accuracy.error, error);
    }
    free(exact);
    free(rounded);
    return status;
}

static void count_right(session *s) {
    s->accuracy.images = s->images;
    for (size_t i = 0; i < s->images; i++)
        s->accuracy.right +=
            model_predict(s->logits + i * s->net.classes, s->net.classes) == s->set.labels[i];
}

static json_t *options_json(const session *s) {
    const model_options *o = s->o;
    json_t *batch = json_array(), *threads = json_array();
    for (size_t i = 0; i < o->batch_count; i++)
        (void)json_array_append_new(batch, json_integer((json_int_t)o->batch[i]));
    for (size_t i = 0; i < o->threads_count; i++)
        (void)json_array_append_new(threads, json_integer((json_int_t)o->threads[i]));
    return json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:f, s:f, s:b}", "command", "model", "weights",
                     o->weights, "data", o->data, "images", (json_int_t)s->images, "batch", batch,
                     "threads", threads, "precision", o->precision, "budget_s", o->budget_s,
                     "pytorch", o->pytorch);
}

static sm_status open_records(session *s) {
    char slug[64];
    if (!s->o->out) return SM_OK;
    SM_TRY(sm_records_open(s->o->out, 0, 0, &s->records));
    sm_machine_slug(slug, sizeof slug);
    json_t *run = sm_machine_card(), *options = options_json(s);
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
    const model_bench bench = {.net = &s->net,
                               .images = s->pixels,
                               .logits = s->logits,
                               .count = s->total,
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
        status = torch_start(s->o->python, &s->net, s->pixels, s->total, threads, s->cpus, &torch);
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
    (void)sm_machine_warnings(warn, NULL);
    SM_TRY(open_records(s));
    SM_TRY(sm_watch_create(&s->watch));
    for (size_t i = 0; i < s->o->threads_count && status == SM_OK; i++)
        status = measure_threads(s, s->o->threads[i]);
    return status;
}

static sm_status run(session *s) {
    SM_TRY(read_inputs(s));
    SM_TRY(make_pixels(s));
    sm_machine_cpus(s->cpus, MAX_CPUS);
    SM_TRY(infer(s));
    SM_TRY(check(s));
    count_right(s);
    s->wrong = !(s->accuracy.error <= MODEL_TOLERANCE);
    if (!s->o->json) model_print_network(s->o->weights, &s->net, &s->accuracy);
    if (s->o->json && s->o->accuracy)
        (void)printf("{\"images\": %zu, \"right\": %zu, \"reference_error\": %.9g}\n",
                     s->accuracy.images, s->accuracy.right, s->accuracy.error);
    if (s->o->predictions)
        SM_TRY(model_write_predictions(s->o->predictions, &s->net, s->set.labels, s->logits,
                                       s->images));
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
    network_free(&s.net);
    model_file_free(&s.file);
    images_free(&s.set);
    sm_free(s.pixels);
    sm_free(s.logits);
    return code;
}
