/* sparsemark doctor: what on this machine spoils timings, and how fine a difference it shows. */
#include "doctor/doctor.h"
#include "harness.h"
#include "measure/axes.h"
#include "options.h"
#include "records/table.h"
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: sparsemark doctor [--time T] [--json]\n"
    "Looks at everything that spoils timings, changes nothing, then times two copies of a sparse\n"
    "and of a dense kernel against each other (768x768, 70 %, N = 128, one thread): whatever\n"
    "differs is noise. Ends with a grade and advice; the exit code does not depend on them.\n"
    "\n"
    "  --time T  length of that A/A run, 10s, 1m (10s)\n"
    "  --json    everything as one JSON object\n"
    "\n"
    "A pair is a sample of a kernel and one of its copy (speedup: dense and sparse) in the same\n"
    "round. Pairs with a disturbed sample are left out.\n"
    "  scatter     median absolute deviation of a pair's ratio, relative\n"
    "  floor       half-width of the 95 % interval of the median ratio, all rounds of the A/A run\n"
    "  bias        |median ratio - 1| of two copies\n"
    "  detectable  smallest true difference whose interval leaves out 'no difference':\n"
    "              bias + 1.96 x 1.2533 x 1.4826 x scatter / sqrt(pairs), where pairs are the "
    "quiet\n"
    "              ones of 120 rounds, the most that `sparsemark run` takes for a row\n"
    "  for 1 %     rounds until the interval's half-width is 1 %, as --precision 1% asks\n"
    "  drift       90th / 10th percentile of all times (speedup: of all ratios)\n"
    "\n"
    "Grades, by the largest 'detectable' and the share of samples that nothing disturbed:\n";

static int print_usage(void) {
    fputs(usage, stdout);
    for (size_t i = 0; i < SM_GRADES; i++) {
        const sm_grade *g = &sm_grades[i];
        printf("  %-9s ", g->name);
        if (i + 1 < SM_GRADES)
            printf("at most %.0f %%, at least %.0f %% quiet: ", 100 * g->detectable,
                   100 * g->quiet_share);
        else
            printf("anything else: ");
        puts(g->meaning);
    }
    return finish_stdout(EXIT_CODE_OK);
}

static void print_findings(const char *title, const sm_findings *findings) {
    puts(title);
    for (size_t i = 0; i < findings->count; i++) {
        const sm_finding *f = &findings->items[i];
        printf("  %-4s  %-23s %s%s%s\n", sm_verdict_name(f->verdict), f->name, f->value,
               f->effect[0] ? ": " : "", f->effect);
        if (f->advice[0]) printf("  %31s-> %s\n", "", f->advice);
    }
}

static const char *percent(double share, char *buf, size_t size) {
    if (isnan(share))
        buf[0] = '\0';
    else
        snprintf(buf, size, "%.2f %%", 100 * share);
    return buf;
}

static void add_row(sm_table *table, const sm_aa_row *row) {
    const sm_pairs *p = &row->pairs;
    const double quiet = (double)p->quiet / (double)p->count;
    const double rounds = sm_pairs_rounds(p->scatter, quiet, 0.01);
    char buf[32];
    sm_table_add(table, "%s", row->name);
    sm_table_add(table, "%s", row->kernel);
    if (isnan(row->time_ns))
        sm_table_add(table, "%s", "");
    else
        sm_table_add(table, "%.1f us", row->time_ns / 1e3);
    sm_table_add(table, "%.2f", row->drift);
    sm_table_add(table, "%.0f %%", 100 * quiet);
    sm_table_add(table, "%s", percent(p->scatter, buf, sizeof buf));
    sm_table_add(table, "%s", percent(p->floor, buf, sizeof buf));
    sm_table_add(table, "%s", percent(row->bias, buf, sizeof buf));
    sm_table_add(table, "%s", percent(row->detectable, buf, sizeof buf));
    sm_table_add(table, isfinite(rounds) ? "%.0f" : "never", rounds);
}

static int print_run(const sm_aa *aa) {
    static const sm_column columns[] = {{"pair", 0, 0},   {"kernel", 0, 0}, {"time", 1, 0},
                                        {"drift", 1, 0},  {"quiet", 1, 0},  {"scatter", 1, 0},
                                        {"floor", 1, 0},  {"bias", 1, 0},   {"detectable", 1, 0},
                                        {"for 1 %", 1, 0}};
    sm_table table = {.columns = columns, .column_count = sizeof columns / sizeof *columns};
    sm_findings findings;
    printf("\nA/A run: %.1f s, %zu rounds\n", aa->seconds, aa->rounds);
    for (size_t i = 0; i < SM_AA_ROWS; i++) add_row(&table, &aa->rows[i]);
    if (sm_table_finish(&table, stdout) != 0) return -1;
    printf("disturbed samples of %zu: %zu moved to another CPU, %zu switched out, %zu steal, "
           "%zu slow probe\n\n",
           aa->samples, aa->tainted[0], aa->tainted[1], aa->tainted[2], aa->tainted[3]);
    sm_aa_findings(aa, &findings);
    print_findings("the machine during that run", &findings);
    return 0;
}

static void print_grade(const sm_aa *aa) {
    const double detectable = sm_aa_detectable(aa), quiet = sm_aa_quiet_share(aa);
    const sm_grade *grade = sm_grade_of(detectable, quiet);
    printf(
        "\ngrade: %s: %s\nfrom %.1f %% on a difference shows; %.0f %% of the samples are quiet\n",
        grade->name, grade->meaning, 100 * detectable, 100 * quiet);
    if (!sm_doctor_build_counts())
        puts(
            "this is not a release build: the grade is of the program's build, not of the machine");
}

static void print_conditions(const sm_findings *conditions) {
    json_t *identity = sm_machine_identity();
    const char *slug = NULL, *brand = NULL;
    (void)json_unpack(identity, "{s:s, s:{s:s}}", "slug", &slug, "cpu", "brand", &brand);
    printf("machine %s: %s\n", slug ? slug : "unknown", brand ? brand : "unknown CPU");
    json_decref(identity);
    print_findings("conditions", conditions);
    fflush(stdout); /* there is something to read while the A/A run goes on */
}

static int print_text(const sm_aa *aa) {
    if (print_run(aa) != 0) return complain(EXIT_CODE_USAGE, "doctor: no memory for the table");
    print_grade(aa);
    return finish_stdout(EXIT_CODE_OK);
}

static int print_json(const sm_findings *conditions, const sm_aa *aa) {
    json_t *object = sm_doctor_json(conditions, aa);
    if (!object) return complain(EXIT_CODE_USAGE, "doctor: no memory for the result");
    json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(object);
    return finish_stdout(EXIT_CODE_OK);
}

static int examine(double seconds, int json) {
    sm_findings conditions;
    sm_aa aa;
    sm_machine_findings(&conditions);
    if (!json) print_conditions(&conditions);
    const sm_status status = sm_aa_run(seconds, &aa);
    if (status != SM_OK) return complain_status(status);
    if (aa.wrong)
        return complain(EXIT_CODE_WRONG,
                        "doctor: a kernel computed a wrong result: see sparsemark check");
    return json ? print_json(&conditions, &aa) : print_text(&aa);
}

int cmd_doctor(int argc, char **argv) {
    static const struct option options[] = {{"time", required_argument, NULL, 't'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    double seconds = 10;
    int json = 0, option;
    optind = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        switch (option) {
        case 't':
            if (sm_axis_time("--time", optarg, &seconds) != SM_OK) return complain_status(SM_E_ARG);
            break;
        case 'j':
            json = 1;
            break;
        case 'h':
            return print_usage();
        default:
            return complain_option(option, argv);
        }
    }
    if (optind < argc)
        return complain(EXIT_CODE_USAGE, "doctor: unexpected argument '%s'", argv[optind]);
    return examine(seconds, json);
}
