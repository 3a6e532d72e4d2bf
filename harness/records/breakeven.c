/* Cells -> curves -> crossings. Three sorts do the grouping: by curve and timed group (of several
 * kernels of one format and ISA the fastest counts), by curve and sparsity (a curve's points), and
 * by place in the file (the order in which people read). */
#include "records/breakeven.h"

#include <math.h>
#include <sparsemark/prune.h>
#include <stdlib.h>
#include <string.h>

/* Reached sparsities of the same asked one differ by less; asked ones by more. */
#define SAME_SPARSITY 0.002

typedef struct entry {
    const sm_cell *cell;
    size_t run, group, index; /* group: index of its first cell */
    int best;                 /* stands for the best series, whatever its format and ISA */
    double sparsity;          /* where the cell stands on its curve */
} entry;

static int compare_int(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}
static int compare_real(double a, double b) {
    return (a > b) - (a < b);
}

/* All that is the same for a layer's series in one set of conditions. */
static int compare_conditions(const entry *a, const entry *b) {
    const sm_cell *p = a->cell, *q = b->cell;
    int c = compare_int((int64_t)a->run, (int64_t)b->run);
    if (!c) c = strcmp(p->layer, q->layer);
    if (!c) c = compare_int(p->m, q->m);
    if (!c) c = compare_int(p->k, q->k);
    if (!c) c = strcmp(p->provenance, q->provenance);
    if (!c) c = strcmp(p->pattern, q->pattern);
    if (!c) c = strcmp(p->dtype, q->dtype);
    if (!c) c = compare_int(p->n, q->n);
    if (!c) c = strcmp(p->layout, q->layout);
    if (!c) c = compare_int(p->threads, q->threads);
    return c ? c : strcmp(p->cache, q->cache);
}

static int compare_key(const entry *a, const entry *b) {
    const sm_cell *p = a->cell, *q = b->cell;
    int c = compare_conditions(a, b);
    if (!c) c = compare_int(b->best, a->best); /* best comes first */
    if (c || a->best) return c;
    c = strcmp(p->peer, q->peer);
    if (!c) c = strcmp(p->format, q->format);
    return c ? c : strcmp(p->isa, q->isa);
}

static int has_word(const char *words, const char *word, size_t length) {
    for (const char *at = words; *(at += strspn(at, " "));) {
        const size_t found = strcspn(at, " ");
        if (found == length && !memcmp(at, word, length)) return 1;
        at += found;
    }
    return 0;
}

static int is_apart(const sm_cell *cell) {
    static const char *const words[] = {"weak-baseline", "not-cold", "im2col-gemm"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (has_word(cell->taints, words[i], strlen(words[i]))) return 1;
    return 0;
}

/* First of a group is the fastest of those that means may use. */
static int by_group(const void *x, const void *y) {
    const entry *a = x, *b = y;
    int c = compare_key(a, b);
    if (!c) c = compare_int((int64_t)a->group, (int64_t)b->group);
    if (!c) c = compare_int(is_apart(a->cell), is_apart(b->cell));
    if (!c) c = compare_real(b->cell->speedup_dense, a->cell->speedup_dense);
    return c ? c : compare_int((int64_t)a->index, (int64_t)b->index);
}

static int by_sparsity(const void *x, const void *y) {
    const entry *a = x, *b = y;
    int c = compare_key(a, b);
    if (!c) c = compare_real(a->sparsity, b->sparsity);
    return c ? c : compare_int((int64_t)a->index, (int64_t)b->index);
}

/* Whether the cell belongs to a curve; counts the ones left out. */
static int is_usable(const sm_cell *cell, sm_breakeven *out) {
    if (!strcmp(cell->format, "dense")) return 0;
    if (has_word(cell->taints, "wrong", strlen("wrong"))) {
        out->wrong++;
        return 0;
    }
    if (isfinite(cell->speedup_dense) && cell->speedup_dense > 0 && isfinite(cell->sparsity)) {
        out->apart += (size_t)is_apart(cell);
        return 1;
    }
    out->no_dense++;
    return 0;
}

/* The sparsity that the pattern fixes, NaN if none. */
static double fixed_sparsity(const sm_cell *cell) {
    sm_pattern pattern;
    return sm_pattern_parse(cell->pattern, &pattern) == SM_OK ? sm_pattern_sparsity(&pattern) : NAN;
}

/* N:M stands at 1 - N/M, whatever a last group adds that is not full: layers are comparable then.
 */
static double place(const sm_cell *cell) {
    const double fixed = fixed_sparsity(cell);
    return isnan(fixed) ? cell->sparsity : fixed;
}

/* Every usable cell as itself, ours also as a candidate for best. Returns how many entries. */
static size_t gather(const sm_record_set *set, entry *entries, sm_breakeven *out) {
    size_t count = 0, group = 0;
    for (size_t i = 0; i < set->count; i++) {
        const sm_cell *cell = &set->cells[i];
        if (i == group + (size_t)set->cells[group].group_cells) group = i;
        if (!is_usable(cell, out)) continue;
        const double at = place(cell);
        entries[count++] = (entry){cell, set->run_of[i], group, i, 0, at};
        if (!*cell->peer) entries[count++] = (entry){cell, set->run_of[i], group, i, 1, at};
    }
    return count;
}

static size_t keep_fastest(entry *entries, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const entry *last = kept ? &entries[kept - 1] : NULL;
        if (last && last->group == entries[i].group && !compare_key(last, &entries[i])) continue;
        entries[kept++] = entries[i];
    }
    return kept;
}

sm_crossing sm_crossing_find(const double *sparsity, const double *ratio, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!(ratio[i] > 0)) return (sm_crossing){SM_CROSSING_UNKNOWN, NAN};
    if (count == 0) return (sm_crossing){SM_CROSSING_UNKNOWN, NAN};
    size_t first = count; /* first of the points that win up to the end */
    while (first > 0 && ratio[first - 1] >= 1) first--;
    if (first == count) return (sm_crossing){SM_CROSSING_NEVER, sparsity[count - 1]};
    if (first == 0) return (sm_crossing){SM_CROSSING_BELOW, sparsity[0]};
    const double below = log(ratio[first - 1]), above = log(ratio[first]);
    const double t = -below / (above - below);
    const double from = sparsity[first - 1];
    return (sm_crossing){SM_CROSSING_AT, from + t * (sparsity[first] - from)};
}

static sm_curve_point merge(const entry *entries, size_t count) {
    sm_curve_point sum = {0};
    for (size_t i = 0; i < count; i++) {
        const sm_cell *cell = entries[i].cell;
        sum.sparsity += entries[i].sparsity;
        const double asked = cell->sparsity_asked;
        const long percent = lround(100 * (isnan(asked) ? entries[i].sparsity : asked));
        if (percent >= 0 && percent <= 100) sum.asked[percent / 64] |= UINT64_C(1) << percent % 64;
        sum.speedup += log(cell->speedup_dense);
        sum.ci_low += log(cell->speedup_ci_low);
        sum.ci_high += log(cell->speedup_ci_high);
        sum.bytes_share += log((double)cell->bytes_weights / (double)cell->bytes_dense_weights);
        sum.marked |= *cell->taints != '\0';
        sum.apart |= is_apart(cell);
    }
    const double n = (double)count;
    return (sm_curve_point){.sparsity = sum.sparsity / n,
                            .asked = {sum.asked[0], sum.asked[1]},
                            .speedup = exp(sum.speedup / n),
                            .ci_low = exp(sum.ci_low / n),
                            .ci_high = exp(sum.ci_high / n),
                            .bytes_share = exp(sum.bytes_share / n),
                            .cells = count,
                            .marked = sum.marked,
                            .apart = sum.apart};
}

static int by_name(const void *x, const void *y) {
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* The union of the cells' taints, sorted. */
static char *collect_marks(const entry *entries, size_t count) {
    size_t size = 1, words = 0;
    for (size_t i = 0; i < count; i++) size += strlen(entries[i].cell->taints) + 1;
    char *text = malloc(size), *marks = malloc(size);
    const char **word = malloc(size * sizeof *word); /* there are fewer words than bytes */
    if (text && marks && word) {
        char *end = text, *next = NULL;
        *end = '\0';
        for (size_t i = 0; i < count; i++) end = stpcpy(stpcpy(end, entries[i].cell->taints), " ");
        for (char *at = strtok_r(text, " ", &next); at; at = strtok_r(NULL, " ", &next))
            word[words++] = at;
        qsort(word, words, sizeof *word, by_name);
        end = marks;
        *end = '\0';
        for (size_t i = 0; i < words; i++) {
            if (i > 0 && !strcmp(word[i], word[i - 1])) continue;
            if (i > 0) *end++ = ' ';
            end = stpcpy(end, word[i]);
        }
    } else {
        free(marks);
        marks = NULL;
    }
    free(text);
    free(word);
    return marks;
}

static sm_crossing find_in(const sm_curve *curve, double *scratch, size_t member) {
    double *sparsity = scratch, *ratio = scratch + curve->count;
    for (size_t i = 0; i < curve->count; i++) {
        sparsity[i] = curve->points[i].sparsity;
        memcpy(&ratio[i], (const char *)&curve->points[i] + member, sizeof *ratio);
    }
    return sm_crossing_find(sparsity, ratio, curve->count);
}

/* entries: one curve, sorted by sparsity. */
static sm_status make_curve(const entry *entries, size_t count, sm_curve *curve) {
    *curve = (sm_curve){.cell = entries->cell, .run = entries->run, .best = entries->best};
    curve->fixed = !isnan(fixed_sparsity(entries->cell));
    curve->points = calloc(count, sizeof *curve->points);
    curve->marks = collect_marks(entries, count);
    double *scratch = calloc(count, 2 * sizeof *scratch);
    if (!curve->points || !curve->marks || !scratch) {
        free(scratch);
        return sm_fail(SM_E_NOMEM, "no memory for a curve of %zu points", count);
    }
    curve->redundant = entries->best;
    for (size_t i = 0, next; i < count; i = next) {
        const double start = entries[i].sparsity;
        for (next = i; next < count && entries[next].sparsity - start <= SAME_SPARSITY; next++) {
            if (strcmp(entries[next].cell->format, entries->cell->format) ||
                strcmp(entries[next].cell->isa, entries->cell->isa))
                curve->redundant = 0;
            if (entries[next].cell < curve->cell) curve->cell = entries[next].cell;
        }
        curve->points[curve->count++] = merge(entries + i, next - i);
    }
    curve->crossing = find_in(curve, scratch, offsetof(sm_curve_point, speedup));
    curve->from_high = find_in(curve, scratch, offsetof(sm_curve_point, ci_high));
    curve->from_low = find_in(curve, scratch, offsetof(sm_curve_point, ci_low));
    free(scratch);
    return SM_OK;
}

static int by_place(const void *x, const void *y) {
    const sm_curve *a = x, *b = y;
    const int c = (a->cell > b->cell) - (a->cell < b->cell);
    return c ? c : b->best - a->best;
}

static sm_status make_curves(const entry *entries, size_t count, sm_breakeven *out) {
    out->curves = calloc(count ? count : 1, sizeof *out->curves);
    if (!out->curves) return sm_fail(SM_E_NOMEM, "no memory for %zu curves", count);
    const entry *first = NULL; /* of the conditions' first curve: the best one, if there is any */
    size_t measured = 0;
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && !compare_key(&entries[i], &entries[next]);) next++;
        sm_curve *curve = &out->curves[out->curve_count++];
        SM_TRY(make_curve(entries + i, next - i, curve));
        if (!first || !first->best || compare_conditions(first, &entries[i])) {
            first = &entries[i];
            measured = curve->count;
        }
        curve->measured = measured;
    }
    qsort(out->curves, out->curve_count, sizeof *out->curves, by_place);
    return SM_OK;
}

sm_status sm_breakeven_compute(const sm_record_set *set, sm_breakeven *out) {
    memset(out, 0, sizeof *out);
    entry *entries = calloc(set->count ? set->count : 1, 2 * sizeof *entries);
    if (!entries) return sm_fail(SM_E_NOMEM, "no memory for %zu cells", set->count);
    size_t count = gather(set, entries, out);
    qsort(entries, count, sizeof *entries, by_group);
    count = keep_fastest(entries, count);
    qsort(entries, count, sizeof *entries, by_sparsity);
    sm_status status = make_curves(entries, count, out);
    if (status == SM_OK) status = sm_means_compute(out);
    free(entries);
    if (status != SM_OK) sm_breakeven_free(out);
    return status;
}

void sm_breakeven_free(sm_breakeven *breakeven) {
    for (size_t i = 0; i < breakeven->curve_count; i++) {
        free(breakeven->curves[i].points);
        free(breakeven->curves[i].marks);
    }
    free(breakeven->curves);
    free(breakeven->means);
    memset(breakeven, 0, sizeof *breakeven);
}

const sm_curve_point *sm_curve_near(const sm_curve *curve, double sparsity) {
    const sm_curve_point *nearest = NULL;
    double distance = 0.02 + 1e-9; /* 0.48 counts as 0.50 - 0.02 */
    for (size_t i = 0; i < curve->count; i++) {
        const double d = fabs(curve->points[i].sparsity - sparsity);
        if (d > distance) continue;
        distance = d;
        nearest = &curve->points[i];
    }
    return nearest;
}

const char *sm_curve_format(const sm_curve *curve) {
    if (curve->best) return "best";
    return *curve->cell->peer ? curve->cell->peer : curve->cell->format;
}
