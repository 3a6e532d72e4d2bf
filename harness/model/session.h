/* sparsemark model: a network's accuracy and speed. */
#ifndef MODEL_SESSION_H
#define MODEL_SESSION_H

#include <stddef.h>
#include <stdint.h>

enum { MODEL_BATCHES = 16, MODEL_THREADS = 16 };

typedef struct model_options {
    const char *weights, *data;
    const char *weights_order; /* NULL: the file's own, or in-out,hwio */
    size_t batch[MODEL_BATCHES], batch_count;
    size_t threads[MODEL_THREADS], threads_count;
    size_t images; /* use the first so many; 0 = all */
    uint32_t isa_mask;
    double precision, budget_s;
    int accuracy; /* nothing is timed */
    int pytorch;
    const char *python;            /* NULL: .venv of the source tree */
    const char *predictions, *out; /* NULL: none */
    int json;
} model_options;

/* Returns the exit code. */
int model_session(const model_options *options);

#endif
