/* What the axes of weights are: as --weights-order says, else the file's metadata, else as PyTorch
 * has them. Never guessed from shapes. */
#ifndef INPUT_ORDERS_H
#define INPUT_ORDERS_H

#include <sparsemark/prune.h>
#include <sparsemark/status.h>
#include <stddef.h>

#define SM_ORDERS_KEY "sparsemark.weights_order" /* in a .safetensors file's metadata */

/* Zeroed: nobody said anything, out-in and oihw. */
typedef struct sm_orders {
    int in_out, hwio;         /* rank 2 is in x out, rank 4 HWIO, instead of out x in and OIHW */
    int said_of_2, said_of_4; /* whether somebody said so of that rank */
} sm_orders;

/* "in-out,hwio", one of each rank at most; what is not named stays as it was. SM_E_ARG. */
sm_status orders_parse(const char *text, sm_orders *orders);

/* Adds what the file recorded (NULL: nothing) where nobody said anything yet. SM_E_ARG names both
 * where what was said contradicts it, SM_E_FORMAT a record that is none. */
sm_status orders_follow(const char *path, const char *recorded, sm_orders *orders);

/* Of arrays of rank 2 or 4. */
sm_weights_order orders_of(const sm_orders *orders, size_t rank);

/* "in-out,hwio", ... */
const char *orders_text(const sm_orders *orders);

#endif
