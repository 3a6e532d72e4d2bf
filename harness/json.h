/* What records have in common beyond jansson. */
#ifndef JSON_H
#define JSON_H

#include <jansson.h>

/* null where the value is not finite: JSON has no word for it. */
json_t *sm_json_number(double value);

/* An array of words that blanks stand between; NULL: none. Returns NULL without memory. */
json_t *sm_json_words(const char *words);

#endif
