/* Status codes and the message that explains the last failure. */
#ifndef SPARSEMARK_STATUS_H
#define SPARSEMARK_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef enum sm_status {
    SM_OK = 0,
    SM_E_ARG,    /* an argument is outside its domain */
    SM_E_NOMEM,  /* memory could not be had, or the size overflows size_t */
    SM_E_IO,     /* a file could not be opened, read or written */
    SM_E_FORMAT, /* a file or a matrix contradicts itself */
    SM_E_ISA,    /* a demanded instruction-set level is not usable here */
    SM_E_LIMIT   /* valid, but larger than this library stores (2^32 - 1 rows, columns, nonzeros) */
} sm_status;

/* Returns one line that says what failed, where (file, line or offset) and what was expected.
 * It belongs to the calling thread and holds until that thread's next call that fails, or that
 * succeeds although something it tried did not; "" before. */
const char *sm_message(void);

/* Sets the calling thread's message (printf rules; cut to 511 bytes, line ends become ?) and
 * returns status, so that a failure is written as `return sm_fail(SM_E_ARG, "...", ...);`. */
sm_status sm_fail(sm_status status, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3), cold))
#endif
    ;

#ifdef __clang_analyzer__ /* cannot see that sm_fail() returns what it is given */
#define sm_fail(status, ...) ((void)(sm_fail)(status, __VA_ARGS__), (status))
#endif

/* Passes a failure on to the caller. */
#define SM_TRY(call)                                                                               \
    do {                                                                                           \
        const sm_status sm_try_status = (call);                                                    \
        if (sm_try_status != SM_OK) return sm_try_status;                                          \
    } while (0)

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
