/* The axes of a run as the user writes them. */
#include "measure/axes.h"
#include "harness.h"
#include "input/text.h"
#include "machine/machine.h"
#include "peers/peer.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD = 96 };

/* Copies the next comma-separated word; returns what follows it, NULL after the last one. Of one
 * that is too long to be anything the end is replaced, so that it is not. */
static const char *next_word(const char *text, char word[WORD]) {
    const size_t length = strcspn(text, ",");
    if (length < WORD)
        snprintf(word, WORD, "%.*s", (int)length, text);
    else
        snprintf(word, WORD, "%.*s...", WORD - 4, text);
    return text[length] == ',' ? text + length + 1 : NULL;
}

static sm_status add_sparsity(sm_run_options *o, double v) {
    if (o->sparsity_count == MAX_AXIS)
        return sm_fail(SM_E_ARG, "--sparsity: expected at most %d values", MAX_AXIS);
    o->sparsity[o->sparsity_count++] = v;
    return SM_OK;
}

static sm_status add_sparsity_word(sm_run_options *o, const char *word) {
    const char *at;
    double first, last, step;
    SM_TRY(sm_axis_number("--sparsity", word, 0, 1, &at, &first));
    if (*at == '\0') return add_sparsity(o, first);
    if (*at != ':')
        return sm_fail(SM_E_ARG, "--sparsity '%s': expected S or FIRST:LAST:STEP", word);
    SM_TRY(sm_axis_number("--sparsity", at + 1, 0, 1, &at, &last));
    if (*at != ':' || last < first)
        return sm_fail(SM_E_ARG, "--sparsity '%s': expected FIRST:LAST:STEP, LAST >= FIRST", word);
    SM_TRY(sm_axis_number("--sparsity", at + 1, 0.001, 1, &at, &step));
    if (*at) return sm_fail(SM_E_ARG, "--sparsity '%s': expected FIRST:LAST:STEP", word);
    /* Steps are counted, so that 0:0.9:0.1 ends at 0.9 whatever rounding does. */
    for (int i = 0; first + i * step <= last + 1e-9; i++)
        SM_TRY(add_sparsity(o, round((first + i * step) * 1e6) / 1e6));
    return SM_OK;
}

sm_status sm_axis_sparsity(sm_run_options *o, const char *text) {
    char word[WORD];
    o->sparsity_given = 1;
    for (o->sparsity_count = 0; text;) {
        text = next_word(text, word);
        SM_TRY(add_sparsity_word(o, word));
    }
    return SM_OK;
}

sm_status sm_axis_sparsity_default(sm_run_options *o, const char *text) {
    const sm_status status = sm_axis_sparsity(o, text);
    o->sparsity_given = 0;
    return status;
}

sm_status sm_axis_n(sm_run_options *o, const char *text) {
    char word[WORD];
    o->n_count = 0;
    o->n_native = strcmp(text, "native") == 0;
    while (text && !o->n_native) {
        text = next_word(text, word);
        if (o->n_count == MAX_AXIS)
            return sm_fail(SM_E_ARG, "--n: expected at most %d values", MAX_AXIS);
        SM_TRY(sm_axis_count("--n", word, (size_t)1 << 24, &o->n[o->n_count++]));
    }
    return SM_OK;
}

sm_status sm_axis_layout(sm_run_options *o, const char *text) {
    char word[WORD];
    for (o->layout_count = 0; text;) {
        text = next_word(text, word);
        const int token = strcmp(word, "token") == 0;
        const sm_layout layout = token ? SM_TOKEN_MAJOR : SM_FEATURE_MAJOR;
        const int again = o->layout_count == 2 || (o->layout_count == 1 && o->layout[0] == layout);
        if (again || (!token && strcmp(word, "feature") != 0))
            return sm_fail(SM_E_ARG, "--layout '%s': expected feature, token or both once", word);
        o->layout[o->layout_count++] = layout;
    }
    return SM_OK;
}

sm_status sm_axis_threads(sm_run_options *o, const char *text) {
    char word[WORD];
    sm_machine_sizes sizes;
    sm_machine_get_sizes(&sizes);
    const size_t all = sizes.threads == 0 ? 1 : sizes.threads < MAX_CPUS ? sizes.threads : MAX_CPUS;
    for (o->threads_count = 0; text;) {
        text = next_word(text, word);
        if (o->threads_count == MAX_AXIS)
            return sm_fail(SM_E_ARG, "--threads: expected at most %d values", MAX_AXIS);
        if (strcmp(word, "all") == 0)
            o->threads[o->threads_count++] = all;
        else
            SM_TRY(sm_axis_count("--threads", word, all, &o->threads[o->threads_count++]));
    }
    return SM_OK;
}

static sm_status usable_level(const char *option, const char *name, size_t *level) {
    char reason[128];
    SM_TRY(sm_isa_find(name, level));
    if (sm_isa_mask() >> *level & 1) return SM_OK;
    sm_cpuid cpuid;
    sm_cpuid_read(&cpuid);
    return sm_fail(SM_E_ISA, "%s %s: not usable on this machine: %s", option, name,
                   sm_isa_reason(&cpuid, *level, reason, sizeof reason));
}

sm_status sm_axis_ceiling(sm_run_options *o, const char *text) {
    size_t level;
    SM_TRY(usable_level("--ceiling", text, &level));
    o->ceiling = sm_isa_name(level);
    return sm_peer_hold(o->ceiling);
}

uint32_t sm_axes_levels(const sm_run_options *o) {
    size_t level;
    if (!o->ceiling || sm_isa_find(o->ceiling, &level) != SM_OK) return sm_isa_mask();
    return sm_isa_mask() & ((2u << level) - 1); /* the list is in ascending order */
}

static sm_status refuse_beside_others(const char *word) {
    char known[256] = "";
    for (size_t i = 0, at = 0; i < sm_isa_count(); i++, at = strlen(known))
        snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", sm_isa_name(i));
    return sm_fail(SM_E_ARG, "--isa '%s': expected auto or all alone, or levels of %s", word,
                   known);
}

static sm_status add_level(sm_run_options *o, const char *name) {
    size_t level;
    if (strcmp(name, "auto") == 0 || strcmp(name, "all") == 0) return refuse_beside_others(name);
    SM_TRY(usable_level("--isa", name, &level));
    if (!(sm_axes_levels(o) >> level & 1))
        return sm_fail(SM_E_ARG, "--isa %s: expected no level above --ceiling %s", name,
                       o->ceiling);
    if (o->isa_count == MAX_SETS)
        return sm_fail(SM_E_ARG, "--isa: expected at most %d names", MAX_SETS);
    sm_choice_set *set = &o->isa[o->isa_count++];
    snprintf(set->name, sizeof set->name, "%s", sm_isa_name(level));
    set->mask = 1u << level;
    return SM_OK;
}

sm_status sm_axis_isa(sm_run_options *o, const char *text) {
    char word[WORD];
    o->isa_count = 0;
    if (strcmp(text, "auto") == 0) {
        o->isa[o->isa_count++] = (sm_choice_set){"auto", sm_axes_levels(o)};
        return SM_OK;
    }
    if (strcmp(text, "all") == 0) {
        for (size_t i = 0; i < sm_isa_count(); i++)
            if (sm_axes_levels(o) >> i & 1) SM_TRY(add_level(o, sm_isa_name(i)));
        return SM_OK;
    }
    while (text) {
        text = next_word(text, word);
        SM_TRY(add_level(o, word));
    }
    return SM_OK;
}

static sm_status find_format(const char *word, size_t *format) {
    char known[256] = "";
    for (*format = 0; *format < sm_format_count(); ++*format) {
        if (strcmp(sm_format_name(*format), word) == 0) return SM_OK;
        const size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, ", %s", sm_format_name(*format));
    }
    return sm_fail(SM_E_ARG, "--format '%s': expected auto or all alone, or some of %s", word,
                   known + 2);
}

static void add_format(sm_run_options *o, size_t format) {
    if (strcmp(sm_format_name(format), "dense") == 0) return; /* the control is always there */
    sm_choice_set *set = &o->format[o->format_count++];
    snprintf(set->name, sizeof set->name, "%s", sm_format_name(format));
    set->mask = 1u << format;
}

sm_status sm_axis_format(sm_run_options *o, const char *text) {
    char word[WORD];
    o->format_count = 0;
    o->format_given = 1;
    if (strcmp(text, "auto") == 0) {
        sm_choice_set *set = &o->format[o->format_count++];
        *set = (sm_choice_set){"auto", 0};
        for (size_t f = 0; f < sm_format_count(); f++)
            if (strcmp(sm_format_name(f), "dense") != 0) set->mask |= 1u << f;
        return SM_OK;
    }
    if (strcmp(text, "all") == 0) {
        for (size_t f = 0; f < sm_format_count(); f++) add_format(o, f);
        return SM_OK;
    }
    while (text) {
        size_t format;
        text = next_word(text, word);
        SM_TRY(find_format(word, &format));
        if (o->format_count == MAX_SETS)
            return sm_fail(SM_E_ARG, "--format: expected at most %d names", MAX_SETS);
        add_format(o, format);
    }
    return SM_OK;
}

static sm_status add_peer(sm_run_options *o, const char *word) {
    for (size_t i = 0; i < sm_peer_count(); i++) {
        const sm_peer_info *info = sm_peer_probe(i);
        if (strcmp(info->name, word) != 0) continue;
        if (!info->usable) return sm_fail(SM_E_ARG, "--peers %s: %s", word, info->reason);
        o->peers |= 1u << i;
        return SM_OK;
    }
    return sm_fail(SM_E_ARG,
                   "--peers '%s': expected auto or none alone, or names from 'list peers'", word);
}

sm_status sm_axis_peers(sm_run_options *o, const char *text) {
    char word[WORD];
    o->peers = 0;
    if (strcmp(text, "none") == 0) return SM_OK;
    if (strcmp(text, "auto") == 0) {
        for (size_t i = 0; i < sm_peer_count(); i++)
            if (sm_peer_probe(i)->usable) o->peers |= 1u << i;
        return SM_OK;
    }
    while (text) {
        text = next_word(text, word);
        SM_TRY(add_peer(o, word));
    }
    return SM_OK;
}

sm_status sm_axis_pattern(sm_run_options *o, const char *text) {
    char word[WORD];
    for (o->pattern_count = 0; text;) {
        text = next_word(text, word);
        if (o->pattern_count == MAX_AXIS)
            return sm_fail(SM_E_ARG, "--pattern: expected at most %d names", MAX_AXIS);
        if (sm_pattern_parse(word, &o->pattern[o->pattern_count++]) != SM_OK)
            return sm_fail(SM_E_ARG, "--%s", sm_message()); /* "--pattern '...': ..." */
    }
    return SM_OK;
}

sm_status sm_axis_cache(sm_run_options *o, const char *text) {
    char word[WORD];
    o->cold_count = 0;
    while (text) {
        text = next_word(text, word);
        const int cold = strcmp(word, "cold-weights") == 0;
        if (!cold && strcmp(word, "warm") != 0)
            return sm_fail(SM_E_ARG, "--cache '%s': expected warm or cold-weights", word);
        if (o->cold_count > 0 && o->cold[0] == cold) continue;
        if (o->cold_count < 2) o->cold[o->cold_count++] = cold;
    }
    return SM_OK;
}

sm_status sm_axis_precision(sm_run_options *o, const char *text) {
    return sm_axis_share("--precision", text, &o->precision);
}

sm_status sm_axis_budget(sm_run_options *o, const char *text) {
    return sm_axis_time("--budget", text, &o->budget_s);
}

sm_status sm_axis_seed(sm_run_options *o, const char *text) {
    uint64_t v;
    if (!text_number((text_span){text, strlen(text)}, &v) || v > INT64_MAX)
        return sm_fail(SM_E_ARG, "--seed '%s': expected a whole number below 2^63", text);
    o->seed = v;
    return SM_OK;
}

sm_status sm_axis_tensors(sm_run_options *o, const char *text) {
    char word[WORD];
    o->sources.options.tensors = text;
    while (text) {
        text = next_word(text, word);
        if (!*word)
            return sm_fail(SM_E_ARG, "--tensors '%s': expected names or globs, got an empty one",
                           o->sources.options.tensors);
    }
    return SM_OK;
}

sm_status sm_axis_weights_order(sm_run_options *o, const char *text) {
    return orders_parse(text, &o->sources.options.orders);
}

static sm_status check_kernel(const sm_run_options *o, const char *name) {
    const size_t level = sm_kernel_find(name)->level;
    if (!(sm_axes_levels(o) >> level & 1))
        return sm_fail(SM_E_ARG, "--kernels %s: expected no level above --ceiling %s", name,
                       o->ceiling);
    if (!(sm_axes_masks(o->isa, o->isa_count) >> level & 1))
        return sm_fail(SM_E_ARG, "--kernels %s: expected a level of --isa or SPARSEMARK_ISA", name);
    return SM_OK;
}

sm_status sm_axes_complete_isa(sm_run_options *o) {
    const char *forced = getenv("SPARSEMARK_ISA");
    if (o->isa_count == 0 && forced && *forced) {
        char text[200];
        SM_TRY(sm_axis_isa(o, forced));
        (void)snprintf(text, sizeof text, "SPARSEMARK_ISA=%s stands for --isa", forced);
        note(text);
    } else if (o->isa_count == 0) {
        SM_TRY(sm_axis_isa(o, "auto"));
    }
    for (size_t i = 0; i < o->kernels_count; i++) SM_TRY(check_kernel(o, o->kernels[i]));
    return SM_OK;
}

int sm_axes_any_kernel(uint32_t isa_mask, uint32_t format_mask) {
    for (size_t i = 0; i < sm_kernel_count(); i++) {
        const sm_kernel *k = sm_kernel_at(i);
        if ((isa_mask >> k->level & 1) && (format_mask & sm_axes_format_mask(k->format))) return 1;
    }
    return 0;
}

uint32_t sm_axes_format_mask(const char *name) {
    for (size_t f = 0; f < sm_format_count(); f++)
        if (strcmp(sm_format_name(f), name) == 0) return 1u << f;
    return 0;
}

uint32_t sm_axes_masks(const sm_choice_set *sets, size_t count) {
    uint32_t mask = 0;
    for (size_t i = 0; i < count; i++) mask |= sets[i].mask;
    return mask;
}

sm_status sm_axes_complete(sm_run_options *o) {
    if (o->pattern_count == 0) SM_TRY(sm_axis_pattern(o, "unstructured"));
    if (o->sparsity_count == 0) SM_TRY(sm_axis_sparsity_default(o, "0:0.9:0.1,0.95"));
    if (o->n_count == 0 && !o->n_native) SM_TRY(sm_axis_n(o, "128"));
    if (o->layout_count == 0) SM_TRY(sm_axis_layout(o, "feature"));
    if (o->threads_count == 0) SM_TRY(sm_axis_threads(o, "1"));
    if (o->cold_count == 0) SM_TRY(sm_axis_cache(o, "warm"));
    SM_TRY(sm_axes_complete_isa(o));
    if (!o->format_given) SM_TRY(sm_axis_format(o, "auto"));
    const uint32_t isa = sm_axes_masks(o->isa, o->isa_count);
    const uint32_t format = sm_axes_masks(o->format, o->format_count);
    if (o->kernels_count == 0 && format && !sm_axes_any_kernel(isa, format))
        return sm_fail(SM_E_ARG, "no kernel has both a level of --isa and a format of --format: "
                                 "expected a pair from 'list kernels'");
    if (o->peers == SM_PEERS_AUTO) SM_TRY(sm_axis_peers(o, "auto"));
    if (o->precision == 0) o->precision = 0.02;
    if (o->budget_s == 0) o->budget_s = o->quick ? 210 : INFINITY;
    return SM_OK;
}
