/* The roof in words and tables, from its JSON: a row a loop or memory, a column a number of
 * threads. */
#include "roof/report.h"
#include "records/table.h"

enum { LEAD = 3, MOST_THREADS = SM_ROOF_PRINT_THREADS, TITLE = 32 };

typedef struct heads {
    sm_column columns[LEAD + MOST_THREADS + 1];
    char titles[MOST_THREADS][TITLE];
    size_t threads; /* how many numbers of threads */
} heads;

static const char *text(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

static double at(const json_t *array, size_t i) {
    return json_number_value(json_array_get(array, i));
}

/* A table with three columns before those of the threads, and one after them. */
static sm_table begin(const json_t *roof, heads *h, const char *const lead[LEAD],
                      const char *last) {
    size_t count = 0;
    const json_t *threads = json_object_get(roof, "threads");
    for (size_t i = 0; i < LEAD; i++) h->columns[count++] = (sm_column){.title = lead[i]};
    h->threads = json_array_size(threads);
    if (h->threads > MOST_THREADS) h->threads = MOST_THREADS;
    for (size_t i = 0; i < h->threads; i++) {
        const int n = (int)at(threads, i);
        (void)snprintf(h->titles[i], TITLE, "%d thread%s", n, n == 1 ? "" : "s");
        h->columns[count++] = (sm_column){.title = h->titles[i], .right = 1};
    }
    h->columns[count++] = (sm_column){.title = last};
    return (sm_table){.columns = h->columns, .column_count = count};
}

static void add_numbers(sm_table *table, const heads *h, const json_t *numbers) {
    for (size_t i = 0; i < h->threads; i++) {
        if (json_is_null(json_array_get(numbers, i)))
            sm_table_add(table, "%s", "");
        else
            sm_table_add(table, "%.1f", at(numbers, i));
    }
}

static int print_peaks(const json_t *roof, FILE *out) {
    static const char *const lead[LEAD] = {"dtype", "instructions", "unit"};
    heads h;
    size_t i;
    const json_t *peak;
    sm_table table = begin(roof, &h, lead, "");
    json_array_foreach(json_object_get(roof, "peaks"), i, peak) {
        const int dot = text(peak, "dtype")[0] == 'u';
        sm_table_add(&table, "%s", text(peak, "dtype"));
        sm_table_add(&table, "%s", text(peak, "isa"));
        sm_table_add(&table, "%s", dot ? "GOP/s" : "GFLOP/s");
        add_numbers(&table, &h, json_object_get(peak, "gops"));
        const int usable = json_is_true(json_object_get(peak, "usable"));
        sm_table_add(&table, "%s", usable ? " " : text(peak, "reason"));
    }
    return sm_table_finish(&table, out);
}

static void size_text(const json_t *bytes, size_t i, char *buf, size_t size) {
    const double n = at(bytes, i);
    const int large = n >= 1024 * 1024;
    (void)snprintf(buf, size, "%.0f %s", large ? n / 1024 / 1024 : n / 1024, large ? "MiB" : "KiB");
}

/* The buffers of a thread, from the fewest threads to the most. */
static void add_sizes(sm_table *table, const heads *h, const json_t *bytes) {
    char first[32], last[32];
    size_text(bytes, 0, first, sizeof first);
    size_text(bytes, h->threads - 1, last, sizeof last);
    if (at(bytes, 0) == at(bytes, h->threads - 1))
        sm_table_add(table, "%s", first);
    else
        sm_table_add(table, "%s to %s", first, last);
}

static int print_bandwidth(const json_t *roof, FILE *out) {
    static const char *const lead[LEAD] = {"memory", "GB/s", "buffer of a thread"};
    static const char *const kinds[][2] = {{"read", "read_gbytes_s"}, {"copy", "copy_gbytes_s"}};
    heads h;
    size_t i;
    const json_t *memory;
    sm_table table = begin(roof, &h, lead, "");
    json_array_foreach(json_object_get(roof, "bandwidth"), i, memory) {
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            sm_table_add(&table, "%s", text(memory, "memory"));
            sm_table_add(&table, "%s", kinds[k][0]);
            add_sizes(&table, &h, json_object_get(memory, "bytes_per_thread"));
            add_numbers(&table, &h, json_object_get(memory, kinds[k][1]));
            sm_table_add(&table, " ");
        }
    }
    return sm_table_finish(&table, out);
}

/* Cores of their own give 2; one core's FMA ports, which a single thread fills, give 1. */
static const char *verdict(double fma) {
    if (fma >= 1.7) return "separate cores";
    if (fma <= 1.3) return "the two are SMT siblings of one core, or share its units";
    return "neither separate cores nor one: was the machine busy?";
}

static void print_scaling(const json_t *roof, FILE *out) {
    const json_t *scaling = json_object_get(roof, "scaling");
    const json_t *fma = json_object_get(scaling, "fma"),
                 *dram = json_object_get(scaling, "read_dram");
    if (json_is_null(fma)) return;
    (void)fprintf(out, "\ntwo threads reach %.2fx the multiply-adds of one: %s\n",
                  json_number_value(fma), verdict(json_number_value(fma)));
    if (!json_is_null(dram))
        (void)fprintf(out, "two threads read %.2fx as fast from DRAM as one\n",
                      json_number_value(dram));
}

static void print_ridges(const json_t *roof, FILE *out) {
    size_t i;
    const json_t *ridge;
    json_array_foreach(json_object_get(roof, "ridge_flop_per_byte"), i, ridge) {
        if (json_is_null(ridge)) continue;
        const int threads = (int)at(json_object_get(roof, "threads"), i);
        (void)fprintf(out,
                      "%d thread%s: below %.1f f32 FLOP a byte read from DRAM the memory sets the "
                      "limit, above it the multiply-adds\n",
                      threads, threads == 1 ? "" : "s", json_number_value(ridge));
    }
}

int sm_roof_print(const json_t *roof, FILE *out) {
    size_t i;
    const json_t *note;
    (void)fprintf(out, "multiply-adds in registers, two operations each\n");
    int status = print_peaks(roof, out);
    (void)fprintf(out, "\nmemory; copy counts bytes read and written\n");
    status |= print_bandwidth(roof, out);
    print_scaling(roof, out);
    print_ridges(roof, out);
    json_array_foreach(json_object_get(roof, "notes"), i, note)(void)
        fprintf(out, "note: %s\n", json_string_value(note));
    return status;
}
