/* The tables of kernels and formats, from the one list. */
#include "formats/format.h"
#include <stdlib.h>
#include <string.h>

#define SM_FORMAT(format) extern const sm_format sm_format_##format;
#define SM_KERNEL(op, format, dtype, isa, variant, mr, nr)                                         \
    sm_kernel_fn sm_##op##_##format##_##dtype##_##isa##_##variant##_##mr##x##nr;                   \
    extern const unsigned sm_##op##_##format##_##dtype##_##isa##_##variant##_##mr##x##nr##_traits;
#include "kernels.inc"
#undef SM_FORMAT
#undef SM_KERNEL

static const sm_format *const formats[] = {
#define SM_FORMAT(format) &sm_format_##format,
#define SM_KERNEL(op, format, dtype, isa, variant, mr, nr)
#include "kernels.inc"
#undef SM_FORMAT
#undef SM_KERNEL
};
enum { FORMATS = sizeof formats / sizeof formats[0] };

enum {
#define SM_ISA(name, needs, header, flags) LEVEL_##name,
#include "isa.inc"
#undef SM_ISA
};

static const sm_kernel kernels[] = {
#define SM_FORMAT(format)
#define SM_KERNEL(op, format, dtype, isa, variant, mr, nr)                                         \
    {#op "_" #format "_" #dtype "_" #isa "_" #variant "_" #mr "x" #nr,                             \
     #op,                                                                                          \
     #format,                                                                                      \
     #dtype,                                                                                       \
     #isa,                                                                                         \
     #variant,                                                                                     \
     LEVEL_##isa,                                                                                  \
     mr,                                                                                           \
     nr,                                                                                           \
     sm_##op##_##format##_##dtype##_##isa##_##variant##_##mr##x##nr},
#include "kernels.inc"
#undef SM_FORMAT
#undef SM_KERNEL
};
enum { KERNELS = sizeof kernels / sizeof kernels[0] };

static const unsigned *const traits[] = {
#define SM_FORMAT(format)
#define SM_KERNEL(op, format, dtype, isa, variant, mr, nr)                                         \
    &sm_##op##_##format##_##dtype##_##isa##_##variant##_##mr##x##nr##_traits,
#include "kernels.inc"
#undef SM_FORMAT
#undef SM_KERNEL
};

size_t sm_kernel_count(void) {
    return KERNELS;
}

const sm_kernel *sm_kernel_at(size_t i) {
    return i < KERNELS ? &kernels[i] : NULL;
}

const sm_kernel *sm_kernel_find(const char *name) {
    for (size_t i = 0; i < KERNELS; i++)
        if (strcmp(kernels[i].name, name) == 0) return &kernels[i];
    return NULL;
}

size_t sm_format_count(void) {
    return FORMATS;
}

const char *sm_format_name(size_t format) {
    return format < FORMATS ? formats[format]->name : NULL;
}

size_t sm_format_index(const sm_kernel *kernel) {
    for (size_t i = 0; i < FORMATS; i++)
        if (strcmp(formats[i]->name, kernel->format) == 0) return i;
    abort(); /* kernels.inc names a format that has no SM_FORMAT line: every test would end here */
}

const sm_format *sm_format_of(const sm_kernel *kernel) {
    return formats[sm_format_index(kernel)];
}

int sm_by_columns(const sm_kernel *kernel) {
    return strcmp(kernel->op, "spmv") == 0;
}

/* A copy of a kernel has the name of the list, not one like it. */
unsigned sm_traits(const sm_kernel *kernel) {
    size_t i = 0;
    while (kernels[i].name != kernel->name) i++;
    return *traits[i];
}

int sm_reads_in_place(const sm_kernel *kernel) {
    return (sm_traits(kernel) & SM_IN_PLACE) != 0;
}
