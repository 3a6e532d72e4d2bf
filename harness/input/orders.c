/* Orders of axes as text: in an option, and in what a file recorded of itself. */
#include "input/orders.h"
#include "input/array.h"
#include "input/text.h"
#include <string.h>

enum { OF_2, OF_4, RANKS };

/* By rank: the default first. */
static const sm_weights_order choices[RANKS][2] = {{SM_ORDER_OUT_IN, SM_ORDER_IN_OUT},
                                                   {SM_ORDER_OIHW, SM_ORDER_HWIO}};

/* Whether text is the words for one order of each rank at most. choice: -1 where it says nothing.
 */
static int parse(const char *text, int choice[RANKS]) {
    choice[OF_2] = choice[OF_4] = -1;
    for (int more = 1; more;) {
        const size_t size = strcspn(text, ",");
        int known = 0;
        for (int rank = 0; rank < RANKS; rank++)
            for (int i = 0; i < 2; i++) {
                const char *word = array_order_name(choices[rank][i]);
                if (strlen(word) != size || memcmp(word, text, size) != 0) continue;
                known = choice[rank] < 0;
                choice[rank] = i;
            }
        if (!known) return 0;
        more = text[size] == ',';
        text += size + (size_t)more;
    }
    return 1;
}

sm_status orders_parse(const char *text, sm_orders *orders) {
    int choice[RANKS];
    if (!parse(text, choice))
        return sm_fail(SM_E_ARG,
                       "--weights-order '%.80s': expected out-in or in-out once, oihw or hwio once",
                       text);
    if (choice[OF_2] >= 0) *orders = (sm_orders){choice[OF_2], orders->hwio, 1, orders->said_of_4};
    if (choice[OF_4] >= 0)
        *orders = (sm_orders){orders->in_out, choice[OF_4], orders->said_of_2, 1};
    return SM_OK;
}

static sm_status follow(const char *path, const sm_weights_order choice[2], int recorded,
                        int *value, int *said) {
    if (recorded < 0) return SM_OK;
    if (*said && *value != recorded)
        return sm_fail(SM_E_ARG,
                       "%s: --weights-order %s contradicts the file, whose metadata (" SM_ORDERS_KEY
                       ") say %s",
                       path, array_order_name(choice[*value]), array_order_name(choice[recorded]));
    *value = recorded;
    *said = 1;
    return SM_OK;
}

sm_status orders_follow(const char *path, const char *recorded, sm_orders *orders) {
    int choice[RANKS];
    if (!recorded) return SM_OK;
    if (!parse(recorded, choice))
        return sm_fail(SM_E_FORMAT,
                       "%s: metadata " SM_ORDERS_KEY ": expected orders as --weights-order takes "
                       "them, got \"%s\"",
                       path, text_show((text_span){recorded, strlen(recorded)}).s);
    SM_TRY(follow(path, choices[OF_2], choice[OF_2], &orders->in_out, &orders->said_of_2));
    return follow(path, choices[OF_4], choice[OF_4], &orders->hwio, &orders->said_of_4);
}

sm_weights_order orders_of(const sm_orders *orders, size_t rank) {
    return rank == 4 ? choices[OF_4][orders->hwio] : choices[OF_2][orders->in_out];
}

const char *orders_text(const sm_orders *orders) {
    static const char *const texts[2][2] = {{"out-in,oihw", "out-in,hwio"},
                                            {"in-out,oihw", "in-out,hwio"}};
    return texts[orders->in_out != 0][orders->hwio != 0];
}
