#include "json.h"
#include <math.h>
#include <string.h>

json_t *sm_json_number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *sm_json_words(const char *words) {
    json_t *array = json_array();
    for (const char *word = words ? words : ""; *(word += strspn(word, " "));) {
        const size_t length = strcspn(word, " ");
        if (json_array_append_new(array, json_stringn(word, length))) {
            json_decref(array);
            return NULL;
        }
        word += length;
    }
    return array;
}
