/* What `sparsemark model` says. */
#ifndef MODEL_REPORT_H
#define MODEL_REPORT_H

#include "model/bench.h"
#include <jansson.h>

typedef struct model_accuracy {
    size_t images, right;
    double error; /* of two images against the definition in double, as a share of the largest */
} model_accuracy;

/* One point as an object, without type, schema and run_id; new reference. torch: its version, or
 * NULL. */
json_t *model_json(const char *weights, const model_accuracy *accuracy, const model_point *point,
                   const char *torch);

void model_print_network(const char *weights, const network *net, const model_accuracy *accuracy);
void model_print_point(const model_point *point, const char *torch);

/* image,label,predicted,logits: a line an image. Writes path whole or not at all, and in the place
 * of a regular file only. */
sm_status model_write_predictions(const char *path, const network *net, const unsigned char *labels,
                                  const float *logits, size_t count);

/* The class with the largest logit; the lowest of equals. */
size_t model_predict(const float *logits, size_t classes);

#endif
