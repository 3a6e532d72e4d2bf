/* Strips of a convolution's unfolded image. Which pixels a vector of columns takes is the same for
 * all channels but for where the channel begins, so that the masks of what lies in the image are
 * made once for each place in the window; a row of the strip is then a masked load and a store a
 * vector, and a load more where a row of the output ends within one.
 * Limit: those loads, two a vector with the mask; 2.5 cycles a cache line where rows are long. */
#include "im2col_avx2.h"
#include "isa/vec_avx2.h"

enum { MOST_COLUMNS = 128, SLACK = 2 }; /* and vectors of zeros */

/* Columns of one vector whose pixels lie in one row of the image, next to each other or `step`
 * apart. */
typedef struct piece {
    size_t vector;
    ptrdiff_t row,
        element;          /* of the image, at the window's first place, of lane 0; maybe outside */
    ptrdiff_t begin, end; /* its lanes */
} piece;

/* The same at some place of the window. */
typedef struct place {
    ptrdiff_t element; /* of a channel, of lane 0 */
    __m256i mask;      /* lanes that lie in the image */
} place;

typedef struct strip {
    const sm_conv_args *c;
    ptrdiff_t step;
    size_t vectors, count; /* pieces: one for each vector, then what further ones there are */
    piece pieces[MOST_COLUMNS + SLACK];
} strip;

/* Columns that lie in one row of the image as far as they lie in the image at all. */
static size_t columns_of_run(const sm_conv_args *c, ptrdiff_t step) {
    return step == 2 || c->stride_w == 1 ? c->out_w * c->batch : c->batch;
}

static void cut(strip *s, size_t n0, size_t n, size_t end) {
    const sm_conv_args *c = s->c;
    const size_t columns = columns_of_run(c, s->step), runs = c->out_w * c->batch / columns;
    size_t run = n0 / columns, at = n0 % columns;
    s->vectors = s->count = end / VL;
    for (size_t v = 0; v < s->vectors; v++) {
        const size_t first = v * VL, last = first + VL < n ? first + VL : n;
        s->pieces[v] = (piece){.vector = v};
        for (size_t j = first, some; j < last; j += some) {
            const ptrdiff_t begin = (ptrdiff_t)(j - first);
            const ptrdiff_t pixel = (ptrdiff_t)(run % runs * c->stride_w) - c->pad_left;
            some = columns - at < last - j ? columns - at : last - j;
            s->pieces[j == first ? v : s->count++] =
                (piece){.vector = v,
                        .row = (ptrdiff_t)(run / runs * c->stride_h) - c->pad_top,
                        .element = pixel * (ptrdiff_t)c->batch + ((ptrdiff_t)at - begin) * s->step,
                        .begin = begin,
                        .end = begin + (ptrdiff_t)some};
            at += some;
            if (at < columns) continue;
            at = 0;
            run++;
        }
    }
}

/* Lanes [begin, end). */
static inline __m256i lanes(ptrdiff_t begin, ptrdiff_t end) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32((int)begin), lane),
                               _mm256_cmpgt_epi32(_mm256_set1_epi32((int)end), lane));
}

/* Elements of a row of the image that begin `step` apart, rounded up. */
static inline ptrdiff_t steps(ptrdiff_t elements, ptrdiff_t step) {
    return step == 2 ? (elements + 1) >> 1 : elements;
}

static place place_of(const strip *s, const piece *of, size_t p, size_t q) {
    const sm_conv_args *c = s->c;
    const ptrdiff_t batch = (ptrdiff_t)c->batch, width = (ptrdiff_t)c->width * batch;
    const ptrdiff_t row = of->row + (ptrdiff_t)p;
    const ptrdiff_t element = of->element + (ptrdiff_t)q * batch;
    ptrdiff_t begin = steps(-element, s->step), end = steps(width - element, s->step);
    if (begin < of->begin) begin = of->begin;
    if (end > of->end) end = of->end;
    if (row < 0 || row >= (ptrdiff_t)c->height || begin >= end) return (place){0, lanes(0, 0)};
    return (place){row * width + element, lanes(begin, end)};
}

/* Lanes outside of the mask, and what lies between pixels, are not touched. */
static inline vec load(const float *channel, const place *p, const ptrdiff_t step) {
    const uintptr_t at = (uintptr_t)channel + (uintptr_t)p->element * sizeof *channel;
    const float *x = (const float *)at;
    if (step == 1) return _mm256_maskload_ps(x, p->mask);
    const __m256i low = _mm256_cvtepu32_epi64(_mm256_castsi256_si128(p->mask));
    const __m256i high = _mm256_cvtepu32_epi64(_mm256_extracti128_si256(p->mask, 1));
    const vec even = _mm256_shuffle_ps(_mm256_maskload_ps(x, low),
                                       _mm256_maskload_ps((const float *)(at + sizeof(vec)), high),
                                       _MM_SHUFFLE(2, 0, 2, 0));
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(even), _MM_SHUFFLE(3, 1, 2, 0)));
}

/* All rows of the strip that are at one place of the window: every so many of k. */
static inline void pack_place(const strip *s, const place *at, const float *x, size_t k, size_t nr,
                              float *to, const ptrdiff_t step) {
    const size_t window = s->c->kernel_h * s->c->kernel_w;
    for (size_t i = 0; i < k; i += window, x += s->c->x_rs, to += window * nr) {
        for (size_t v = 0; v < s->vectors; v++) vec_storeu(to + v * VL, load(x, &at[v], step));
        for (size_t v = s->vectors; v < s->count; v++) {
            float *d = to + s->pieces[v].vector * VL;
            vec_storeu(d, _mm256_or_ps(vec_loadu(d), load(x, &at[v], step)));
        }
    }
}

void sm_im2col_avx2(const sm_conv_args *c, size_t n0, size_t n, size_t k0, size_t k, size_t nr,
                    size_t end, float *to) {
    const size_t window = c->kernel_h * c->kernel_w;
    strip s = {.c = c, .step = c->stride_w == 2 && c->batch == 1 ? 2 : 1};
    place at[MOST_COLUMNS + SLACK];
    cut(&s, n0, n, end);
    for (size_t i = 0; i < k && i < window; i++) {
        const size_t in_window = (k0 + i) % window;
        const float *x = c->x + (ptrdiff_t)((k0 + i) / window) * c->x_rs;
        for (size_t v = 0; v < s.count; v++)
            at[v] = place_of(&s, &s.pieces[v], in_window / c->kernel_w, in_window % c->kernel_w);
        if (s.step == 1)
            pack_place(&s, at, x, k - i, nr, to + i * nr, 1);
        else
            pack_place(&s, at, x, k - i, nr, to + i * nr, 2);
    }
}
