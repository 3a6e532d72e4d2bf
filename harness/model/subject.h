/* What a network is tried on: its file, the images and labels, and whether what came out is right.
 */
#ifndef MODEL_SUBJECT_H
#define MODEL_SUBJECT_H

#include "input/idx.h"
#include "model/network.h"

typedef struct model_subject {
    sm_model_file file; /* as read; may be freed once the network is there */
    sm_orders orders;   /* of its weights */
    sm_images set;
    network net;
    size_t images; /* the first so many count */
} model_subject;

/* Reads a model file and a folder of images. weights_order: NULL for the file's own, else
 * in-out,hwio; images: 0 for all there are. Notes go to stderr. */
sm_status model_subject_read(const char *weights, const char *weights_order, const char *data,
                             size_t images, model_subject *out);
void model_subject_free(model_subject *subject); /* accepts a zeroed one */

/* Pixels from 0 to 1, [total][height * width], the images again and again; sm_free() them. */
sm_status model_subject_pixels(const model_subject *subject, size_t total, float **out);

/* The largest difference of the first so many images' logits from those by the definition, as a
 * share of the largest logit. */
sm_status model_check(const network *net, const float *pixels, const float *logits, size_t images,
                      double *error);

#endif
