/* Sparsity over training steps, in the roundings of TFMOT. Limit: none. */
#include <math.h>
#include <sparsemark/prune.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FIELDS = 6 };

/* A decimal number: strtod() also reads blanks, hexadecimal and words. */
static int read_number(const char *text, size_t size, double *value) {
    char copy[40], *end;
    if (size == 0 || size >= sizeof copy || strspn(text, "0123456789.eE+-") < size) return 0;
    memcpy(copy, text, size);
    copy[size] = '\0';
    *value = strtod(copy, &end);
    return *end == '\0' && isfinite(*value);
}

/* Numbers between commas; 0 where something else is there. */
static size_t read_fields(const char *text, double *field) {
    for (size_t count = 0; count < MAX_FIELDS; text++) {
        const size_t size = strcspn(text, ",");
        if (!read_number(text, size, &field[count++])) return 0;
        text += size;
        if (*text == '\0') return count;
    }
    return 0;
}

/* Steps are whole and below 2^53, where a double holds all of them. */
static int is_step(double value, double least) {
    return value >= least && value < 0x1p53 && floor(value) == value;
}

/* What is wrong with it, NULL where it is fine. */
static const char *flaw(const sm_schedule *s, const double *step) {
    if (!(s->initial >= 0 && s->initial < 1 && s->final >= 0 && s->final < 1))
        return "sparsities from 0 to below 1";
    if (!is_step(step[0], 0)) return "a whole begin from 0 on";
    if (s->kind == SM_SCHEDULE_POLYNOMIAL && !is_step(step[1], 0)) return "a whole end from 0 on";
    if (!is_step(step[1], -1)) return "a whole end from 0 on or -1, for ever";
    if (step[1] >= 0 && step[1] < step[0]) return "begin not after end";
    if (!is_step(step[2], 1)) return "a whole frequency from 1 on";
    if (!(s->power > 0)) return "a power above 0";
    return NULL;
}

static size_t skip_word(const char **text, const char *word) {
    const size_t size = strlen(word);
    if (strncmp(*text, word, size) != 0) return 0;
    *text += size;
    return size;
}

sm_status sm_schedule_parse(const char *text, sm_schedule *out) {
    /* begin, end, frequency */
    double f[MAX_FIELDS] = {0}, step[3] = {0, -1, 100};
    const char *at = text;
    const char *expected = "constant:S[,begin,end,frequency] or "
                           "polynomial:S0,S1,begin,end[,power,frequency]";
    sm_schedule s = {.power = 3};
    *out = (sm_schedule){0};
    if (skip_word(&at, "constant:")) {
        const size_t count = read_fields(at, f);
        s.initial = s.final = f[0];
        for (size_t i = 1; i < count && i < 4; i++) step[i - 1] = f[i];
        if (count >= 1 && count <= 4) expected = flaw(&s, step);
    } else if (skip_word(&at, "polynomial:")) {
        const size_t count = read_fields(at, f);
        s.kind = SM_SCHEDULE_POLYNOMIAL;
        s.initial = f[0];
        s.final = f[1];
        step[0] = f[2];
        step[1] = f[3];
        if (count > 4) s.power = f[4];
        if (count > 5) step[2] = f[5];
        if (count >= 4) expected = flaw(&s, step);
    }
    if (expected) return sm_fail(SM_E_ARG, "schedule '%s': expected %s", text, expected);
    s.begin = (int64_t)step[0];
    s.end = (int64_t)step[1];
    s.frequency = (int64_t)step[2];
    *out = s;
    return SM_OK;
}

int sm_schedule_updates(const sm_schedule *s, int64_t step) {
    return s->frequency > 0 && step >= s->begin && (step <= s->end || s->end < 0) &&
           (step - s->begin) % s->frequency == 0;
}

/* Compilation turns a division by a constant into a product and low powers into products, and moves
 * the factor of a cube into it. */
float sm_schedule_sparsity(const sm_schedule *s, int64_t step, sm_schedule_rounding rounding) {
    const float final = (float)s->final;
    if (s->kind == SM_SCHEDULE_CONSTANT) return final;
    const int compiled = rounding == SM_ROUND_COMPILED;
    const float done = (float)(step - s->begin), all = (float)(s->end - s->begin);
    float p = compiled ? done * (1.0f / all) : done / all;
    p = p < 0.0f ? 0.0f : p > 1.0f ? 1.0f : p; /* NaN stays */
    const float q = 1.0f - p, range = (float)(s->initial - s->final), power = (float)s->power;
    if (compiled && power == 3.0f) return range * q * (q * q) + final;
    if (compiled && power == 2.0f) return range * (q * q) + final;
    return range * powf(q, power) + final;
}
