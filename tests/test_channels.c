/* Selecting along an axis, and which tensors a layer's outputs reach. */
#include "prune/channels.h"
#include "prune_rows.h"

static void axes_are_cut(void **state) {
    (void)state;
    static const uint8_t keep[] = {1, 0, 1};
    static const size_t shapes[3][3] = {{3, 2, 2}, {2, 3, 2}, {2, 2, 3}};
    static const float expected[3][8] = {
        {0, 1, 2, 3, 8, 9, 10, 11}, {0, 1, 4, 5, 6, 7, 10, 11}, {0, 2, 3, 5, 6, 8, 9, 11}};
    for (size_t axis = 0; axis < 3; axis++) {
        float data[12];
        for (int i = 0; i < 12; i++) data[i] = (float)i;
        sm_tensor t = {.rank = 3, .count = 12, .bytes = sizeof data, .data = data};
        memcpy(t.shape, shapes[axis], sizeof shapes[axis]);
        sm_tensor_select(&t, axis, keep);
        assert_int_equal(t.shape[axis], 2);
        assert_int_equal(t.count, 8);
        assert_int_equal(t.bytes, 32);
        assert_memory_equal(data, expected[axis], sizeof expected[axis]);
    }
}

/* links of a layer as a text, a character a tensor: . c i; "last" or "?" where it is refused. */
static const char *links(const fixture *f, size_t layer) {
    static char text[MOST_ROWS + 1];
    uint8_t found[MOST_ROWS];
    int last;
    if (sm_channels_connect(&f->job, layer, found, &last) != SM_OK) return "?";
    if (last) return "last";
    for (size_t i = 0; i < f->job.model.count; i++) text[i] = ".ci"[found[i]];
    text[f->job.model.count] = '\0';
    return text;
}

static void add_norm(fixture *f, const char *weight, const char *mean, size_t channels) {
    add(f, weight, "F32", channels, 0, 0, 0);
    add(f, mean, "F32", channels, 0, 0, 0);
}

static void numbered_layers_follow_each_other(void **state) {
    (void)state;
    fixture f;
    begin(&f); /* sorted as text: conv10 before conv2 */
    add_norm(&f, "bn1.weight", "bn1.running_mean", 8);
    add(&f, "conv1.weight", "F32", 8, 3, 3, 3);
    add(&f, "conv1.bias", "F32", 8, 0, 0, 0);
    add(&f, "conv10.weight", "F32", 8, 8, 3, 3);
    add(&f, "conv2.weight", "F32", 8, 8, 3, 3);
    add(&f, "fc1.weight", "F32", 10, 8 * 49, 0, 0);
    assert_string_equal(links(&f, 2), "cc.c.i.");
    assert_string_equal(links(&f, 5), "....i..");
    assert_string_equal(links(&f, 4), "......i");
    assert_string_equal(links(&f, 6), "last");
}

static void norms_follow_the_layer_before(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    add(&f, "net.0.weight", "F32", 8, 3, 3, 3);
    add_norm(&f, "net.1.weight", "net.1.running_mean", 8);
    add(&f, "net.3.weight", "F32", 8, 8, 3, 3);
    add_norm(&f, "net.4.weight", "net.4.running_mean", 8);
    add(&f, "net.7.weight", "F32", 4, 8, 0, 0);
    assert_string_equal(links(&f, 0), ".cci...");
    assert_string_equal(links(&f, 3), "....cci");
    assert_string_equal(links(&f, 6), "last");
}

static void shapes_decide_where_names_do_not(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    add_norm(&f, "bn.gamma", "bn.moving_mean", 6);
    add(&f, "a1.weight", "F32", 8, 3, 0, 0);
    add(&f, "a2.weight", "F32", 6, 8, 0, 0);
    add(&f, "a3.weight", "F32", 4, 6, 0, 0);
    assert_string_equal(links(&f, 2), "...i.");
    assert_string_equal(links(&f, 3), "cc..i");
}

static void the_file_may_tell_the_order(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    add(&f, "in.weight", "F32", 8, 3, 0, 0);
    add(&f, "hidden.weight", "F32", 6, 8, 0, 0);
    add(&f, "last.weight", "F32", 4, 6, 0, 0);
    assert_string_equal(links(&f, 0), ".i.");
    f.tensors[2].name = (char *)(uintptr_t) "zzz.weight";
    f.tensors[0].name = (char *)(uintptr_t) "aaa.weight"; /* sorted now: it tells nothing */
    assert_string_equal(links(&f, 0), "?");
    assert_non_null(strstr(sm_message(), "names give no order"));
    assert_non_null(strstr(sm_message(), "--next 'aaa=LAYER'"));
}

static void strangers_are_refused(void **state) {
    (void)state;
    fixture f;
    begin(&f);
    add(&f, "fc1.weight", "F32", 8, 3, 0, 0);
    add(&f, "fc2.weight", "F32", 4, 8, 0, 0);
    assert_string_equal(links(&f, 0), ".i");
    add(&f, "fc1.beta", "F32", 8, 0, 0, 0);
    assert_string_equal(links(&f, 0), "?");
    assert_non_null(strstr(sm_message(), "fc1.beta"));
    f.tensors[2].name = (char *)(uintptr_t) "scale";
    assert_string_equal(links(&f, 0), "?");
    assert_non_null(strstr(sm_message(), "--next 'fc1=scale'"));
    f.tensors[2].name = (char *)(uintptr_t) "attention.bias";
    assert_string_equal(links(&f, 0), "?");
    assert_non_null(strstr(sm_message(), "Transformer"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axes_are_cut),
        cmocka_unit_test(numbered_layers_follow_each_other),
        cmocka_unit_test(norms_follow_the_layer_before),
        cmocka_unit_test(shapes_decide_where_names_do_not),
        cmocka_unit_test(the_file_may_tell_the_order),
        cmocka_unit_test(strangers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
