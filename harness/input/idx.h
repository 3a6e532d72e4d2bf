/* IDX files, as MNIST comes in: images and their labels, gzipped or not. */
#ifndef INPUT_IDX_H
#define INPUT_IDX_H

#include <sparsemark/status.h>
#include <stddef.h>

/* Labelled grey images. */
typedef struct sm_images {
    unsigned char *pixels; /* [count][height][width] */
    unsigned char *labels; /* [count] */
    size_t count, height, width;
} sm_images;

/* Reads t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte of a folder, or the same with .gz at the
 * end. Labels are below classes. SM_E_IO a file that is missing or cut, SM_E_FORMAT what
 * contradicts the format, the other file or classes; both name the file and what was expected. */
sm_status images_read(const char *folder, size_t classes, sm_images *out);
void images_free(sm_images *images); /* accepts a zeroed one */

#endif
