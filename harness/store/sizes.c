/* What a tensor's numbers take in a file, stored dense or sparse, as they are or gzipped. Limit:
 * zlib at its highest level, some 20 MB/s. */
#include "store/sparse.h"
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

typedef struct zipper {
    z_stream stream;
    size_t bytes;
} zipper;

/* Adds data; last ends the stream. 0, or -1. */
static int zip(zipper *z, const void *data, size_t size, int last) {
    unsigned char out[1 << 14];
    const unsigned char *at = data;
    int result = Z_OK;
    do {
        const size_t piece = size < 1 << 30 ? size : 1 << 30;
        z->stream.next_in = at;
        z->stream.avail_in = (uInt)piece;
        at += piece;
        size -= piece;
        do {
            z->stream.next_out = out;
            z->stream.avail_out = sizeof out;
            result = deflate(&z->stream, last && size == 0 ? Z_FINISH : Z_NO_FLUSH);
            if (result == Z_STREAM_ERROR) return -1;
            z->bytes += sizeof out - z->stream.avail_out;
        } while (z->stream.avail_out == 0);
    } while (size > 0);
    return 0;
}

/* Bytes of two pieces in one gzip file, as gzip -9 makes it. */
static sm_status zipped(const char *name, const void *a, size_t a_size, const void *b,
                        size_t b_size, size_t *bytes) {
    enum { GZIP = 16, WINDOW = 15, MEMORY = 8 };
    zipper z = {.bytes = 0};
    if (deflateInit2(&z.stream, Z_BEST_COMPRESSION, Z_DEFLATED, WINDOW + GZIP, MEMORY,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return sm_fail(SM_E_NOMEM, "%s: no memory to compress it", name);
    const int failed = zip(&z, a, a_size, 0) != 0 || zip(&z, b, b_size, 1) != 0;
    (void)deflateEnd(&z.stream);
    *bytes = z.bytes;
    return failed ? sm_fail(SM_E_NOMEM, "%s: could not be compressed", name) : SM_OK;
}

sm_status model_tensor_sizes(const sm_tensor *t, sm_store_sizes *out) {
    *out = (sm_store_sizes){.dense = t->bytes, .sparse = t->bytes};
    SM_TRY(zipped(t->name, t->data, t->bytes, "", 0, &out->gzip));
    out->sparse_gzip = out->gzip;
    if (strcmp(t->type, "F32") != 0 || sparse_bytes(t) >= t->bytes) return SM_OK;
    sparse_parts parts;
    SM_TRY(sparse_take(t, &parts));
    out->sparse = parts.stored * sizeof(float) + parts.bitmap_bytes;
    const sm_status status = zipped(t->name, parts.values, parts.stored * sizeof(float),
                                    parts.bitmap, parts.bitmap_bytes, &out->sparse_gzip);
    sparse_free(&parts);
    return status;
}
