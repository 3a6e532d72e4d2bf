/* Strips of a convolution's unfolded image. Which pixels a vector of columns takes is the same for
 * all channels but for where the channel begins, so that the masks of what lies in the image are
 * made once for each place in the window, where all of it does not; a row of the strip is then a
 * masked load and a store a vector, a load more where a row of the output ends within one, and two
 * loads and two shuffles where every other pixel is taken. Pixels farther apart are loaded one by
 * one.
 * Limit: those loads, with their masks two a vector, and most cross a cache line: 3 TSC ticks a
 * line of the strip on an Emerald Rapids, 6 with a stride of 2; 7 to 12 where there is one channel,
 * for which the masks are made. */
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
    ptrdiff_t element; /* of a channel, at the window's first place, of lane 0 */
    __m256i mask;      /* lanes that lie in the image */
} place;

typedef struct strip {
    const sm_conv_args *c;
    ptrdiff_t step, width; /* elements of a row of the image */
    size_t vectors, count; /* pieces: one for each vector, then what further ones there are */
    piece pieces[MOST_COLUMNS + SLACK];
    place whole[MOST_COLUMNS + SLACK];  /* of pieces of which nothing is outside */
    ptrdiff_t top, bottom, left, right; /* of what all pieces touch at the window's first place */
} strip;

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

/* Columns that lie in one row of the image as far as they lie in the image at all. */
static size_t columns_of_run(const sm_conv_args *c, ptrdiff_t step) {
    return step == 2 || c->stride_w == 1 ? c->out_w * c->batch : c->batch;
}

static void add_piece(strip *s, size_t v, const piece *p) {
    const ptrdiff_t left = p->element + p->begin * s->step;
    const ptrdiff_t right = p->element + (p->end - 1) * s->step;
    s->pieces[v] = *p;
    s->whole[v] = (place){p->row * s->width + p->element, lanes(p->begin, p->end)};
    if (p->row < s->top) s->top = p->row;
    if (p->row > s->bottom) s->bottom = p->row;
    if (left < s->left) s->left = left;
    if (right > s->right) s->right = right;
}

static void cut(strip *s, size_t n0, size_t n, size_t end) {
    const sm_conv_args *c = s->c;
    const size_t columns = columns_of_run(c, s->step), runs = c->out_w * c->batch / columns;
    size_t run = n0 / columns, at = n0 % columns; /* of a row of the output */
    size_t row = run / runs;
    run %= runs;
    s->top = s->left = PTRDIFF_MAX;
    s->bottom = s->right = PTRDIFF_MIN;
    s->vectors = s->count = end / VL;
    for (size_t v = 0; v < s->vectors; v++) {
        const size_t first = v * VL, last = first + VL < n ? first + VL : n;
        if (first >= n) {
            s->pieces[v] = (piece){.vector = v};
            s->whole[v] = (place){0, lanes(0, 0)};
        }
        for (size_t j = first, some; j < last; j += some) {
            const ptrdiff_t begin = (ptrdiff_t)(j - first);
            const ptrdiff_t pixel = (ptrdiff_t)(run * c->stride_w) - c->pad_left;
            some = columns - at < last - j ? columns - at : last - j;
            const piece p = {.vector = v,
                             .row = (ptrdiff_t)(row * c->stride_h) - c->pad_top,
                             .element =
                                 pixel * (ptrdiff_t)c->batch + ((ptrdiff_t)at - begin) * s->step,
                             .begin = begin,
                             .end = begin + (ptrdiff_t)some};
            add_piece(s, j == first ? v : s->count++, &p);
            at += some;
            if (at < columns) continue;
            at = 0;
            if (++run < runs) continue;
            run = 0;
            row++;
        }
    }
}

/* So many elements to the right of the window's first place, in rows that are inside. Loads that
 * take nothing are from where something is: from where nothing is they take many times as long. */
static const place *move_right(const strip *s, ptrdiff_t elements, place *to) {
    if (s->left + elements >= 0 && s->right + elements < s->width) return s->whole;
    for (size_t v = 0; v < s->count; v++) {
        const piece *p = &s->pieces[v];
        ptrdiff_t begin = steps(-(p->element + elements), s->step);
        ptrdiff_t end = steps(s->width - (p->element + elements), s->step);
        if (begin < p->begin) begin = p->begin;
        if (end > p->end) end = p->end;
        to[v].element = begin < end ? s->whole[v].element : p->row * s->width - elements;
        to[v].mask = begin < end ? lanes(begin, end) : lanes(0, 0);
    }
    return to;
}

/* And so many rows down. */
static const place *move_down(const strip *s, const place *at, ptrdiff_t elements, ptrdiff_t rows,
                              place *to) {
    const ptrdiff_t height = (ptrdiff_t)s->c->height;
    if (s->top + rows >= 0 && s->bottom + rows < height) return at;
    for (size_t v = 0; v < s->count; v++) {
        const ptrdiff_t row = s->pieces[v].row + rows;
        const int outside = row < 0 || row >= height;
        to[v] = outside ? (place){-rows * s->width - elements, lanes(0, 0)} : at[v];
    }
    return to;
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
static inline void pack_rows(const strip *s, const place *at, const float *x, size_t k, size_t nr,
                             float *to, const size_t vectors, const ptrdiff_t step) {
    const size_t window = s->c->kernel_h * s->c->kernel_w, count = s->count;
    const ptrdiff_t x_rs = s->c->x_rs;
    for (size_t i = 0; i < k; i += window, x += x_rs, to += window * nr) {
#pragma GCC unroll 8
        for (size_t v = 0; v < vectors; v++) vec_storeu(to + v * VL, load(x, &at[v], step));
        for (size_t v = vectors; v < count; v++) {
            float *d = to + s->pieces[v].vector * VL;
            vec_storeu(d, _mm256_or_ps(vec_loadu(d), load(x, &at[v], step)));
        }
    }
}

/* With the widths of strips as constants: to loop over the vectors of a row takes half as long
 * again. */
static inline void pack_place(const strip *s, const place *at, const float *x, size_t k, size_t nr,
                              float *to, const ptrdiff_t step) {
#define SM_CASE(v)                                                                                 \
    case v:                                                                                        \
        pack_rows(s, at, x, k, nr, to, v, step);                                                   \
        break
    switch (s->vectors) {
        SM_CASE(2);
        SM_CASE(3);
        SM_CASE(4);
        SM_CASE(6);
        SM_CASE(8);
    default:
        pack_rows(s, at, x, k, nr, to, s->vectors, step);
    }
#undef SM_CASE
}

/* Place by place, columns of the window outermost, whose masks serve all its rows. */
void sm_im2col_avx2(const sm_conv_args *c, size_t n0, size_t n, size_t k0, size_t k, size_t nr,
                    size_t end, float *to) {
    const size_t kw = c->kernel_w, window = c->kernel_h * kw;
    const size_t first = k0 % window, first_row = first / kw;
    const size_t touched = (k + kw - 2) / kw + 1; /* rows of the window */
    const float *x = c->x + (ptrdiff_t)(k0 / window) * c->x_rs;
    strip s; /* not zeroed: it is large */
    place right[MOST_COLUMNS + SLACK], down[MOST_COLUMNS + SLACK];
    s.c = c;
    s.step = c->stride_w == 2 && c->batch == 1 ? 2 : 1;
    s.width = (ptrdiff_t)(c->width * c->batch);
    cut(&s, n0, n, end);
    for (size_t q = 0; q < kw; q++) {
        const ptrdiff_t elements = (ptrdiff_t)(q * c->batch);
        const place *at = move_right(&s, elements, right);
        for (size_t r = 0, p = first_row; r < touched && r < c->kernel_h; r++, p++) {
            if (p == c->kernel_h) p = 0;
            const size_t here = p * kw + q, next = here < first; /* channel */
            const size_t i = next * window + here - first;
            if (i >= k) continue;
            const float *from =
                x + (next ? c->x_rs : 0) + (ptrdiff_t)((p * c->width + q) * c->batch);
            const place *there = move_down(&s, at, elements, (ptrdiff_t)p, down);
            if (s.step == 1)
                pack_place(&s, there, from, k - i, nr, to + i * nr, 1);
            else
                pack_place(&s, there, from, k - i, nr, to + i * nr, 2);
        }
    }
}
