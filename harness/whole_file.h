/* Files that exist whole or not at all: written under a name beside the target, whose place they
 * then take. */
#ifndef WHOLE_FILE_H
#define WHOLE_FILE_H

#include <jansson.h>
#include <sparsemark/status.h>
#include <stdio.h>

typedef enum whole_file_mode {
    WHOLE_FILE_NEW,    /* refuses a name that is taken, whenever that happened */
    WHOLE_FILE_REPLACE /* takes the place of a regular file of that name */
} whole_file_mode;

typedef struct whole_file {
    FILE *stream; /* what is written goes here */
    const char *path;
    char *temporary;
    whole_file_mode mode;
} whole_file;

/* Failures are SM_E_IO, SM_E_ARG for the name of no file, SM_E_NOMEM. path is kept, not copied. */
sm_status whole_file_open(const char *path, whole_file_mode mode, whole_file *out);

/* Puts what was written at its place. failed: some of it was not, and errno says why. Where that or
 * this fails, nothing is left behind. */
sm_status whole_file_close(whole_file *file, int failed);

/* Gives up what was written. */
void whole_file_discard(whole_file *file);

/* Whether the file could be opened: for those who would spend much time before they do. */
sm_status whole_file_check(const char *path, whole_file_mode mode);

/* A line of JSON, or several, as such a file. flags are those of json_dumpf(). */
sm_status whole_file_json(const char *path, whole_file_mode mode, const json_t *value,
                          size_t flags);

#endif
