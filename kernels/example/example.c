/* Prunes a random matrix, packs it for this CPU, multiplies, and compares with a plain loop, which
 * takes nearly all of the time. */
#include <math.h>
#include <sparsemark/plan.h>
#include <stdio.h>
#include <stdlib.h>

enum { M = 256, K = 512, N = 100 };
static float w[M * K], x[K * N], y[M * N];

int main(void) {
    for (int i = 0; i < K * N; i++) x[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    for (int i = 0; i < M * K; i++) w[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    for (int i = 0; i < M * K; i++) /* prune the nine tenths of least magnitude */
        if (fabsf(w[i]) < 0.45f) w[i] = 0;

    sm_csr csr = {0};
    sm_plan *plan = NULL;
    const sm_plan_options options = {.size = sizeof options, .n = N};
    if (sm_csr_from_dense(w, M, K, K, 1, &csr) != SM_OK ||
        sm_plan_create(&csr, &options, &plan) != SM_OK) {
        (void)fprintf(stderr, "example: %s\n", sm_message());
        return 2;
    }
    sm_csr_free(&csr); /* the plan has its own copy */
    void *workspace = sm_alloc(sm_plan_workspace(plan, N), 1);
    if (!workspace) return 2;
    const sm_args args = {x, N, 1, y, N, 1, N, NULL, -INFINITY, INFINITY};
    sm_plan_run(plan, &args, workspace); /* as often as you like */

    double difference = 0;
    for (int i = 0; i < M * N; i++) {
        double sum = 0;
        for (int k = 0; k < K; k++) sum += (double)w[i / N * K + k] * (double)x[k * N + i % N];
        difference = fmax(difference, fabs(sum - (double)y[i]));
    }
    sm_plan_info info;
    sm_plan_get_info(plan, &info);
    printf("%s: largest difference %.1e\n", info.kernel->name, difference);
    sm_free(workspace);
    sm_plan_free(plan);
    return difference < 1e-4 ? 0 : 4;
}
