/* A network's accuracy and speed as tables, as JSON and as a list of predictions. */
#include "model/report.h"
#include "measure/report.h"
#include "records/table.h"
#include "whole_file.h"
#include <math.h>
#include <stdio.h>

size_t model_predict(const float *logits, size_t classes) {
    size_t best = 0;
    for (size_t i = 1; i < classes; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

static double zeros_of(const net_layer *l) {
    return 1 - (double)l->w.nnz / ((double)l->w.rows * (double)l->w.cols);
}

static double dense_bytes(const net_layer *l) {
    return (double)l->w.rows * (double)l->w.cols * sizeof(float);
}

static json_t *estimate_json(const sm_estimate *e) {
    if (e->used == 0) return json_null();
    return json_pack("{s:f, s:f, s:f, s:b}", "median", e->median, "low", e->low, "high", e->high,
                     "noisy", e->noisy);
}

static json_t *layer_json(const model_layer *l) {
    return json_pack(
        "{s:s, s:I, s:I, s:I, s:f, s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:I, s:f, s:I}", "name",
        l->layer->name, "m", (json_int_t)l->info.rows, "k", (json_int_t)l->info.cols, "columns",
        (json_int_t)l->columns, "sparsity", zeros_of(l->layer), "format", l->info.kernel->format,
        "kernel", l->info.kernel->name, "dense_kernel", l->dense_info.kernel->name, "time_ns",
        l->ns, "dense_time_ns", l->dense_ns, "pool_time_ns", l->pool_ns, "pack_x_share",
        l->pack_share, "bytes_weights", (json_int_t)model_weight_bytes(l), "bytes_dense_weights",
        dense_bytes(l->layer), "bytes_activations", (json_int_t)l->activation_bytes);
}

static size_t bytes_of(const model_point *p) {
    size_t bytes = 0;
    for (size_t i = 0; i < NET_LAYERS; i++)
        bytes += model_weight_bytes(&p->layers[i]) + p->layers[i].activation_bytes;
    return bytes;
}

json_t *model_json(const char *weights, const model_accuracy *accuracy, const model_point *p,
                   const char *torch) {
    json_t *layers = json_array();
    for (size_t i = 0; i < NET_LAYERS; i++)
        (void)json_array_append_new(layers, layer_json(&p->layers[i]));
    return json_pack(
        "{s:s, s:I, s:I, s:f, s:I, s:I, s:I, s:f, s:f, s:o, s:o, s:o, s:s*, s:s, s:o, s:o, s:o, "
        "s:f, s:f, s:I, s:f, s:o}",
        "weights", weights, "images", (json_int_t)accuracy->images, "right",
        (json_int_t)accuracy->right, "reference_error", accuracy->error, "batch",
        (json_int_t)p->batch, "threads", (json_int_t)p->threads, "rounds", (json_int_t)p->rounds,
        "quiet_share", (double)p->quiet / (double)p->samples, "images_s",
        1e9 * (double)p->batch / p->time.median, "time_ns", estimate_json(&p->time),
        "dense_time_ns", estimate_json(&p->dense_time), "speedup_dense", estimate_json(&p->speedup),
        "pytorch", torch, "pytorch_format", p->torch_format, "pytorch_time_ns",
        estimate_json(&p->torch_time), "speedup_pytorch", estimate_json(&p->torch_speedup),
        "dense_speedup_pytorch", estimate_json(&p->torch_dense), "difference", p->error,
        "profile_time_ns", p->call_ns, "bytes", (json_int_t)bytes_of(p), "input_time_ns",
        p->input_ns, "layers", layers);
}

void model_print_network(const char *weights, const network *net, const model_accuracy *accuracy) {
    static const sm_column columns[] = {{"layer", 0, 0},
                                        {"outputs", 1, 0},
                                        {"inputs", 1, 0},
                                        {"zeros", 1, 0},
                                        {"dense bytes", 1, 0}};
    sm_table table = {.columns = columns, .column_count = sizeof columns / sizeof columns[0]};
    (void)printf("%s: accuracy %.2f %% (%zu of %zu images); %.1e off the definition in double\n\n",
                 weights, 100.0 * (double)accuracy->right / (double)accuracy->images,
                 accuracy->right, accuracy->images, accuracy->error);
    for (size_t i = 0; i < NET_LAYERS; i++) {
        const net_layer *l = &net->layers[i];
        sm_table_add(&table, "%s", l->name);
        sm_table_add(&table, "%zu", l->out);
        sm_table_add(&table, "%zu", net_layer_cols(l));
        sm_table_add(&table, "%.1f %%", 100 * zeros_of(l));
        sm_table_add(&table, "%.0f", dense_bytes(l));
    }
    (void)sm_table_finish(&table, stdout);
    (void)putchar('\n');
}

static void print_ratio(const char *over, const sm_estimate *e) {
    (void)printf("; %s %.2f [%.2f, %.2f]%s", over, e->median, e->low, e->high,
                 e->noisy ? " noisy" : "");
}

static void print_speed(const model_point *p, const char *torch) {
    char time[32], dense[32];
    (void)printf("batch %zu, %zu thread%s: %.0f images/s, %s (dense %s)", p->batch, p->threads,
                 p->threads == 1 ? "" : "s", 1e9 * (double)p->batch / p->time.median,
                 sm_time_text(p->time.median, time, sizeof time),
                 sm_time_text(p->dense_time.median, dense, sizeof dense));
    print_ratio("speedup over dense", &p->speedup);
    if (torch) {
        (void)printf("; PyTorch %s (%s) %s", torch, p->torch_format,
                     sm_time_text(p->torch_time.median, time, sizeof time));
        print_ratio("speedup over it", &p->torch_speedup);
        print_ratio("our dense over it", &p->torch_dense);
    }
    (void)printf("; %.2f MB read; %.0f %% of %zu samples quiet\n", (double)bytes_of(p) / 1e6,
                 100.0 * (double)p->quiet / (double)p->samples, p->samples);
}

static void add_layer(sm_table *table, const model_point *p, const model_layer *l) {
    char time[32];
    sm_table_add(table, "%s", l->layer->name);
    sm_table_add(table, "%zu", l->columns);
    sm_table_add(table, "%s", l->info.kernel->name);
    sm_table_add(table, "%s", sm_time_text(l->ns, time, sizeof time));
    sm_table_add(table, "%.1f %%", 100 * l->ns / p->call_ns);
    sm_table_add(table, "%.1f %%", 100 * l->pack_share);
    sm_table_add(table, "%s", l->layer->pool ? sm_time_text(l->pool_ns, time, sizeof time) : "");
    sm_table_add(table, "%s", l->dense_info.kernel->name);
    sm_table_add(table, "%.2f", l->dense_ns / l->ns);
    sm_table_add(table, "%zu", model_weight_bytes(l));
    sm_table_add(table, "%.1f %%", 100 * (double)model_weight_bytes(l) / dense_bytes(l->layer));
    sm_table_add(table, "%zu", l->activation_bytes);
}

void model_print_point(const model_point *p, const char *torch) {
    static const sm_column columns[] = {
        {"layer", 0, 0},   {"N", 1, 0},       {"kernel", 0, 0},   {"time", 1, 0},
        {"of all", 1, 0},  {"packing", 1, 0}, {"pooling", 1, 0},  {"dense kernel", 0, 0},
        {"speedup", 1, 0}, {"weights", 1, 0}, {"of dense", 1, 0}, {"activations", 1, 0}};
    sm_table table = {.columns = columns, .column_count = sizeof columns / sizeof columns[0]};
    print_speed(p, torch);
    for (size_t i = 0; i < NET_LAYERS; i++) add_layer(&table, p, &p->layers[i]);
    (void)sm_table_finish(&table, stdout);
    (void)putchar('\n');
    (void)fflush(stdout);
}

static int write_lines(FILE *f, const network *net, const unsigned char *labels,
                       const float *logits, size_t count) {
    (void)fputs("image,label,predicted", f);
    for (size_t c = 0; c < net->classes; c++) (void)fprintf(f, ",logit%zu", c);
    for (size_t i = 0; i < count; i++) {
        const float *l = logits + i * net->classes;
        (void)fprintf(f, "\n%zu,%u,%zu", i, labels[i], model_predict(l, net->classes));
        for (size_t c = 0; c < net->classes; c++) (void)fprintf(f, ",%.9g", (double)l[c]);
    }
    (void)fputc('\n', f);
    return ferror(f);
}

sm_status model_write_predictions(const char *path, const network *net, const unsigned char *labels,
                                  const float *logits, size_t count) {
    whole_file file;
    SM_TRY(whole_file_open(path, WHOLE_FILE_REPLACE, &file));
    return whole_file_close(&file, write_lines(file.stream, net, labels, logits, count));
}
