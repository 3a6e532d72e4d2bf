/* Files that are kept: whole or not at all, and never over a file that exists. */
#include "ab/ab.h"
#include "harness.h"
#include "whole_file.h"

enum { DUMP_FLAGS = JSON_COMPACT | JSON_REAL_PRECISION(9) };

int ab_save_check(const char *path) {
    const sm_status status = whole_file_check(path, WHOLE_FILE_NEW);
    return status == SM_OK ? EXIT_CODE_OK : complain_status(status);
}

int ab_save(const char *path, const json_t *value) {
    const sm_status status = whole_file_json(path, WHOLE_FILE_NEW, value, DUMP_FLAGS);
    return status == SM_OK ? EXIT_CODE_OK : complain_status(status);
}
