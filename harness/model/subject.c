/* What a network is tried on. Limit: pixels as floats are the largest thing here, four times the
 * file. */
#include "model/subject.h"
#include "harness.h"
#include "model/bench.h"
#include <math.h>
#include <stdlib.h>

sm_status model_subject_read(const char *weights, const char *weights_order, const char *data,
                             size_t images, model_subject *out) {
    /* Where neither option nor file says anything, as TensorFlow has them, whose tutorial it is. */
    *out = (model_subject){.orders = {.in_out = 1, .hwio = 1}};
    SM_TRY(model_file_read(weights, &out->file));
    const size_t classes = network_classes(&out->file);
    SM_TRY(images_read(data, classes ? classes : 10, &out->set));
    SM_TRY(model_file_orders(weights, &out->file, weights_order, &out->orders));
    SM_TRY(network_build(weights, &out->file, &out->orders, out->set.height, out->set.width, note,
                         &out->net));
    out->images = images ? images : out->set.count;
    if (images > out->set.count)
        return sm_fail(SM_E_ARG, "--images %zu: expected at most %zu, as %s holds", images,
                       out->set.count, data);
    return SM_OK;
}

void model_subject_free(model_subject *s) {
    network_free(&s->net);
    model_file_free(&s->file);
    images_free(&s->set);
}

sm_status model_subject_pixels(const model_subject *s, size_t total, float **out) {
    const size_t size = s->set.height * s->set.width;
    float *pixels = *out = sm_alloc(total * size, sizeof *pixels);
    if (!pixels) return sm_fail(SM_E_NOMEM, "no memory for %zu images", total);
    for (size_t i = 0; i < total; i++)
        for (size_t p = 0; p < size; p++)
            pixels[i * size + p] = (float)s->set.pixels[i % s->images * size + p] / 255.0f;
    return SM_OK;
}

sm_status model_check(const network *net, const float *pixels, const float *logits, size_t images,
                      double *error) {
    const size_t size = net->height * net->width, classes = net->classes;
    double *exact = malloc(classes * sizeof *exact);
    float *rounded = malloc(classes * sizeof *rounded);
    sm_status status = SM_OK;
    *error = 0;
    if (!exact || !rounded) status = sm_fail(SM_E_NOMEM, "no memory for %zu logits", classes);
    for (size_t i = 0; i < images && status == SM_OK; i++) {
        status = network_reference(net, pixels + i * size, exact);
        for (size_t c = 0; c < classes; c++) rounded[c] = (float)exact[c];
        *error = fmax(*error, model_difference(logits + i * classes, rounded, classes));
    }
    free(exact);
    free(rounded);
    return status;
}
