/* Result files that are none, or were edited: refused, and the message names the line. */
#include "record_files.h"

static void expect_damage(const char *in_message) {
    sm_record_set set;
    assert_int_equal(sm_records_read(path, &set), SM_E_FORMAT);
    assert_non_null(strstr(sm_message(), path));
    if (!strstr(sm_message(), in_message)) fail_msg("\"%s\" not in: %s", in_message, sm_message());
    assert_null(set.cells);
}

/* A stranger's file that --resume must not cut to nothing. */
static void another_file_is_not_a_cut_record(void **state) {
    (void)state;
    spill("my notes", 8);
    expect_damage(":1: not a \"record\"");
    spill("my notes\n", 9);
    expect_damage(":1:");
    spill("{}\n", 3);
    expect_damage("type, schema");
    spill("", 0);
    sm_record_set set;
    assert_int_equal(sm_records_read(path, &set), SM_OK);
    assert_int_equal(set.count, 0);
    sm_record_set_free(&set);
}

/* Replaces the first `from` in line i by `to` of the same length, or cuts it out where to is "". */
static void edit(size_t line, const char *from, const char *to) {
    size_t size;
    char *text = slurp(path, &size);
    char *at = strstr(line_at(text, line), from);
    assert_non_null(at);
    memmove(at + strlen(to), at + strlen(from), strlen(at + strlen(from)) + 1);
    memcpy(at, to, strlen(to));
    spill(text, strlen(text));
    free(text);
}

static void damage_names_its_line(void **state) {
    (void)state;
    static const struct {
        size_t line;
        const char *from, *to, *message;
    } edits[] = {
        {0, "\"schema\":2", "\"schema\":1", ":1: schema 1: expected 2"},
        {1, "\"schema\":2", "\"schema\":7", ":2: schema 7"},
        {1, "\"run_id\":\"2", "\"run_id\":\"x", "object before its cells"},
        {0, "\"run\"", "\"pun\"", "type \"pun\""},
        {2, "\"kernel\":", "\"kennel\":", ":3: cell without \"kernel\""},
        {1, "\"converged\":true", "\"converged\":\"yes\"", "\"converged\": expected true or"},
        {1, "\"m\":", "\"m\":0.", "\"m\": expected an integer"},
        {1, "\"layer\":\"", "\"layer\":1,\"x\":\"", "\"layer\": expected a string"},
        {1, "\"sample_count\":5", "\"sample_count\":6", "sample_count numbers"},
        {1, "\"sample_count\":5", "\"sample_count\":-5", "0 or more"},
        {1, "\"group_cells\":2", "\"group_cells\":0", "1 or more"},
        {1, "\"group_cells\":2", "\"group_cells\":3", "the rest of the group"},
        {2, "\"group\":\"first", "\"group\":\"fjord", "the rest of the group"},
        {1, "\"taints\":[", "\"taints\":[3,", "array of strings"},
        {1, "\"sample_taints\":[", "\"sample_taints\":[0.5,", "sample_count integers"},
        {1, "{\"type\"", "{\"type\":\"cell\",\"type\"", "duplicate"},
        {2, "}\n", "\n", ":3:"},
    };
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        write_two_groups();
        edit(edits[i].line, edits[i].from, edits[i].to);
        expect_damage(edits[i].message);
        assert_int_equal(unlink(path), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(another_file_is_not_a_cut_record, remove_file),
        cmocka_unit_test_teardown(damage_names_its_line, remove_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
