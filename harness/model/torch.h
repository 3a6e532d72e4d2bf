/* The same network in PyTorch: a Python child, driven in turn with ours. */
#ifndef MODEL_TORCH_H
#define MODEL_TORCH_H

#include "model/network.h"
#include <stdint.h>

typedef struct torch_child torch_child;

/* Starts `python scripts/model_torch.py` of the source tree, or of .venv there where python is
 * NULL; it gets the folded weights and the images, runs so many threads and stays on cpus. SM_E_IO
 * says what is missing. */
sm_status torch_start(const char *python, const network *net, const float *images, size_t count,
                      size_t threads, const int *cpus, torch_child **out);
void torch_stop(torch_child *child); /* accepts NULL */

const char *torch_version(const torch_child *child);

/* Chooses the faster memory format for a batch of the first images and gives their logits
 * [batch][classes]; *format lives as long as the child. */
sm_status torch_prepare(torch_child *child, size_t batch, float *logits, const char **format);

/* Runs the batch; torch_timer gives the ns of one call by the child's clock, NaN once it failed. */
void torch_call(void *child);
double torch_timer(void *child, int64_t iterations);

/* SM_OK, or how the child failed in a call. */
sm_status torch_state(const torch_child *child);

#endif
