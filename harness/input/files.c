/* From paths to sources: walks folders, lets the reader of a file's kind say what is in it, and
 * tells what is left out. Limit: dense files are read once, to count their zeros. */
#include "input/input.h"
#include "input/list.h"
#include "input/mtx.h"
#include "input/npy.h"
#include "input/place.h"
#include "input/safetensors.h"
#include "input/smtx.h"
#include <errno.h>
#include <fnmatch.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The file that is looked at. */
typedef struct place {
    sm_source_list *list;
    const char *path, *below; /* below: the path below the folder that was asked for */
    char *stem;               /* the file's name without its extension; owned */
    int alone;                /* no folder: the file itself was asked for */
    sm_orders orders;         /* of its weights */
} place;

/* Why an array is no weight matrix. */
enum { LEFT_RANK, LEFT_TYPE, LEFT_SMALL, LEFT_UNNAMED, REASONS };
static const char *const reasons[] = {
    "of a rank other than 2 and 4", "of a type other than F16, BF16, F32 and F64",
    "with fewer than 2 rows or columns", "not named by --tensors"};

typedef struct left_out {
    size_t count[REASONS];
    const char *example[REASONS];
} left_out;

static sm_status no_memory(const place *p) {
    return sm_fail(SM_E_NOMEM, "%s: no memory for its name", p->path);
}

static void note(const place *p, const char *text) {
    if (p->list->options.note) p->list->options.note(text);
}

static int is_named(const place *p, const char *name) {
    const char *globs = p->list->options.tensors;
    if (!globs) return 1;
    char *all = strdup(globs), *rest = all, *glob;
    int named = 0;
    while (all && !named && (glob = strsep(&rest, ","))) named = fnmatch(glob, name, 0) == 0;
    named |= !all; /* without memory for the globs nothing is left out in silence */
    free(all);
    return named;
}

/* Sets the order in which the array is read, too. */
static int reason_against(const place *p, sm_array *array) {
    if (array->rank != 2 && array->rank != 4) return LEFT_RANK;
    if (array->type == SM_ARRAY_OTHER) return LEFT_TYPE;
    array->order = orders_of(&p->orders, array->rank);
    size_t m, k;
    array_matrix(array, &m, &k);
    return m < 2 || k < 2 ? LEFT_SMALL : REASONS;
}

/* Length of a path without the extension of its last part. */
static int stem_size(const char *path) {
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path;
    const char *dot = strrchr(file, '.');
    return (int)(dot && dot > file ? (size_t)(dot - path) : strlen(path));
}

/* Names, provenance and what follows from own, the file having zeros of its own. Takes source over.
 */
static sm_status add_source(const place *p, sm_source *s, const char *tensor, int own) {
    s->sparse = own && (s->valueless || !p->list->options.reprune);
    s->path = strdup(p->path);
    if (tensor) s->tensor = strdup(tensor);
    int failed = !s->path || (tensor && !s->tensor);
    if (tensor && p->alone)
        failed |= !(s->layer = strdup(tensor));
    else if (asprintf(&s->layer, "%.*s%s%s", stem_size(p->below), p->below, tensor ? "/" : "",
                      tensor ? tensor : "") < 0) {
        s->layer = NULL;
        failed = 1;
    }
    if (s->valueless)
        failed |= !(s->provenance = strdup("pattern-file"));
    else if (asprintf(&s->provenance, "real-weights:%s:%s",
                      s->sparse ? "own"
                      : own     ? "repruned"
                                : "magnitude",
                      p->stem) < 0) {
        s->provenance = NULL;
        failed = 1;
    }
    if (!failed) return list_append(p->list, s);
    list_drop(s);
    return no_memory(p);
}

static void note_sparse(const place *p, const sm_source *s) {
    char text[512];
    snprintf(text, sizeof text,
             "%s: %.1f %% of its weights are zero: it runs once, as it is (--reprune prunes it "
             "further)",
             p->path, 100 * s->sparsity);
    note(p, text);
}

static sm_status add_array(const place *p, const char *tensor, const sm_array *array) {
    sm_source s = {.kind = SM_SOURCE_ARRAY, .array = *array, .im2col = array_is_unfolded(array)};
    size_t zeros;
    array_matrix(array, &s.m, &s.k);
    SM_TRY(array_read(p->path, tensor, array, NULL, &zeros));
    s.sparsity = (double)zeros / ((double)s.m * (double)s.k);
    return add_source(p, &s, tensor, s.sparsity >= SM_SPARSE_FROM);
}

static sm_status add_smtx(const place *p) {
    smtx_shape shape;
    SM_TRY(smtx_read_shape(p->path, &shape));
    if (!is_named(p, p->stem)) return SM_OK;
    sm_source s = {.kind = SM_SOURCE_SMTX, .m = shape.rows, .k = shape.cols, .sparse = 1};
    s.valueless = 1;
    s.sparsity = 1.0 - (double)shape.nnz / ((double)shape.rows * (double)shape.cols);
    s.path = strdup(p->path);
    const sm_status status = s.path ? place_describe(&s, p->below) : no_memory(p);
    if (status == SM_OK) return list_append(p->list, &s);
    list_drop(&s);
    return status;
}

static sm_status add_mtx(const place *p) {
    mtx_header h;
    SM_TRY(mtx_read_header(p->path, &h));
    if (!is_named(p, p->stem)) return SM_OK;
    const int in_out = p->orders.in_out;
    sm_source s = {.kind = SM_SOURCE_MTX, .valueless = h.pattern};
    s.array.order = orders_of(&p->orders, 2);
    s.m = in_out ? h.cols : h.rows;
    s.k = in_out ? h.rows : h.cols;
    /* The diagonal of a symmetric matrix is counted twice: at most as sparse as that. */
    double nonzeros = (double)h.entries * (h.symmetric ? 2 : 1);
    if (h.array) {
        sm_csr csr;
        SM_TRY(mtx_read(p->path, in_out, &csr));
        nonzeros = (double)csr.nnz;
        sm_csr_free(&csr);
    }
    s.sparsity = 1.0 - nonzeros / ((double)s.m * (double)s.k);
    if (s.sparsity < 0) s.sparsity = 0;
    SM_TRY(add_source(p, &s, NULL, !h.array || s.sparsity >= SM_SPARSE_FROM));
    const sm_source *added = &p->list->items[p->list->count - 1];
    if (h.array && added->sparse) note_sparse(p, added);
    return SM_OK;
}

static sm_status add_npy(const place *p) {
    sm_array array;
    char type[NPY_TYPE], text[512];
    SM_TRY(npy_read_header(p->path, &array, type));
    if (!is_named(p, p->stem)) return SM_OK;
    const int reason = reason_against(p, &array);
    if (reason != REASONS && p->alone)
        return sm_fail(SM_E_FORMAT,
                       "%s: expected a weight matrix, got an array %s: rank %zu, type %s", p->path,
                       reasons[reason], array.rank, type);
    if (reason != REASONS) {
        snprintf(text, sizeof text, "%s: left out, an array %s: rank %zu, type %s", p->path,
                 reasons[reason], array.rank, type);
        note(p, text);
        return SM_OK;
    }
    SM_TRY(add_array(p, NULL, &array));
    const sm_source *added = &p->list->items[p->list->count - 1];
    if (added->sparse) note_sparse(p, added);
    return SM_OK;
}

static void describe_left_out(const left_out *left, char *text, size_t size) {
    size_t used = strlen(text);
    const char *before = "; left out: ";
    for (int i = 0; i < REASONS && used < size; i++) {
        if (left->count[i] == 0) continue;
        used +=
            (size_t)snprintf(text + used, size - used, "%s%zu %s (%s%s)", before, left->count[i],
                             reasons[i], left->example[i], left->count[i] > 1 ? ", ..." : "");
        before = ", ";
    }
}

static sm_status add_tensors(const place *p, const safetensors *tensors) {
    const size_t before = p->list->count;
    left_out left = {0};
    for (size_t i = 0; i < tensors->count; i++) {
        safetensor *t = &tensors->items[i];
        const int reason = is_named(p, t->name) ? reason_against(p, &t->array) : LEFT_UNNAMED;
        if (reason == REASONS) {
            SM_TRY(add_array(p, t->name, &t->array));
        } else if (left.count[reason]++ == 0) {
            left.example[reason] = t->name;
        }
    }
    const size_t added = p->list->count - before;
    size_t sparse = 0;
    for (size_t i = before; i < p->list->count; i++) sparse += p->list->items[i].sparse != 0;
    char text[512], own[80] = "";
    if (sparse > 0)
        snprintf(own, sizeof own, "; %zu are at least %.0f %% zero and run once, as they are",
                 sparse, 100 * SM_SPARSE_FROM);
    if (added == 0)
        snprintf(text, sizeof text, "%s: expected weight matrices, got none", p->path);
    else
        snprintf(text, sizeof text, "%s: %zu weight matrices, 2-D read as %s, 4-D as %s%s", p->path,
                 added, array_order_name(orders_of(&p->orders, 2)),
                 array_order_name(orders_of(&p->orders, 4)), own);
    describe_left_out(&left, text, sizeof text);
    if (added == 0 && p->alone) return sm_fail(SM_E_FORMAT, "%s", text);
    note(p, text);
    return SM_OK;
}

static sm_status add_safetensors(const place *p) {
    safetensors tensors;
    place told = *p;
    SM_TRY(safetensors_read_header(p->path, &tensors));
    sm_status status = safetensors_join(p->path, &tensors);
    if (status == SM_OK)
        status = orders_follow(p->path, safetensors_note(&tensors, SM_ORDERS_KEY), &told.orders);
    if (status == SM_OK) status = add_tensors(&told, &tensors);
    safetensors_free(&tensors);
    return status;
}

#define EXTENSIONS ".smtx, .mtx, .npy or .safetensors"
static const struct kind {
    const char *extension;
    sm_status (*add)(const place *p);
} kinds[] = {
    {".smtx", add_smtx}, {".mtx", add_mtx}, {".npy", add_npy}, {".safetensors", add_safetensors}};

static const struct kind *kind_of(const char *name) {
    const size_t size = strlen(name);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const size_t tail = strlen(kinds[i].extension);
        if (size > tail && strcmp(name + size - tail, kinds[i].extension) == 0) return &kinds[i];
    }
    return NULL;
}

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static sm_status add_file(sm_source_list *list, const struct kind *kind, const char *path,
                          const char *below, int alone) {
    const char *file = last_part(path);
    place p = {list, path, below, NULL, alone, list->options.orders};
    p.stem = strndup(file, (size_t)stem_size(file));
    const sm_status status = p.stem ? kind->add(&p) : no_memory(&p);
    free(p.stem);
    return status;
}

static sm_status add_alone(sm_source_list *list, const char *path) {
    const struct kind *kind = kind_of(last_part(path));
    if (kind) return add_file(list, kind, path, last_part(path), 1);
    input_file file; /* what cannot be read has a reason of its own */
    SM_TRY(file_open(path, &file));
    file_close(&file);
    return sm_fail(SM_E_FORMAT, "%s: expected a name that ends in " EXTENSIONS, path);
}

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* One entry of a walk. root_size is the length of the walked folder's name. */
static sm_status add_entry(sm_source_list *list, FTS *walk, FTSENT *entry, size_t root_size,
                           size_t *files) {
    /* Hidden entries are no data: archives made on a Mac carry a ._NAME.smtx for every file. */
    if (entry->fts_level > 0 && entry->fts_name[0] == '.') {
        fts_set(walk, entry, FTS_SKIP);
        return SM_OK;
    }
    switch (entry->fts_info) {
    case FTS_D:
    case FTS_DP:
        return SM_OK;
    case FTS_DC:
        return sm_fail(SM_E_IO, "%s: expected a tree, got a cycle", entry->fts_path);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        return sm_fail(SM_E_IO, "%s: cannot read: %s", entry->fts_path, strerror(entry->fts_errno));
    default:
        break;
    }
    const struct kind *kind = kind_of(entry->fts_name);
    if (!kind) return SM_OK;
    const char *below = entry->fts_path + root_size;
    ++*files;
    return add_file(list, kind, entry->fts_path, below + strspn(below, "/"), 0);
}

static sm_status add_folder(sm_source_list *list, const char *path, size_t *files) {
    char *root = strdup(path);
    if (!root) return sm_fail(SM_E_NOMEM, "%s: no memory for its name", path);
    char *const roots[] = {root, NULL};
    FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    sm_status status = SM_OK;
    FTSENT *entry = NULL;
    int error = errno;
    while (walk && status == SM_OK) {
        errno = 0;
        entry = fts_read(walk);
        error = errno;
        if (!entry) break;
        status = add_entry(list, walk, entry, strlen(path), files);
    }
    if (!walk || (!entry && error != 0))
        status = sm_fail(SM_E_IO, "%s: cannot read: %s", path, strerror(error));
    else if (status == SM_OK && *files == 0)
        status =
            sm_fail(SM_E_IO, "%s: expected a " EXTENSIONS " file in it or below, found none", path);
    if (walk) fts_close(walk);
    free(root);
    return status;
}

sm_status sm_source_add_path(sm_source_list *list, const char *path) {
    const size_t before = list->count;
    const char *tensors = list->options.tensors;
    size_t files = 1;
    struct stat st;
    if (stat(path, &st) != 0) return sm_fail(SM_E_IO, "%s: cannot open: %s", path, strerror(errno));
    const int is_folder = S_ISDIR(st.st_mode);
    if (is_folder) files = 0;
    sm_status status = is_folder ? add_folder(list, path, &files) : add_alone(list, path);
    if (status == SM_OK && list->count == before)
        status =
            sm_fail(SM_E_ARG, "%s: expected a weight matrix%s%s, found none in %zu file%s", path,
                    tensors ? " named " : "", tensors ? tensors : "", files, files == 1 ? "" : "s");
    if (status != SM_OK) list_cut(list, before);
    return status;
}
