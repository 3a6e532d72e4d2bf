/* xoshiro256** seeded by splitmix64 (Blackman and Vigna, public-domain algorithms): 2^256 - 1 long,
 * a handful of integer operations a number, the same numbers on every machine. */
#include "prune/prune.h"

static uint64_t splitmix64(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, int bits) {
    return (x << bits) | (x >> (64 - bits));
}

void sm_rng_seed(sm_rng *rng, uint64_t seed) {
    for (int i = 0; i < 4; i++) rng->s[i] = splitmix64(&seed);
}

uint64_t sm_rng_next(sm_rng *rng) {
    uint64_t *s = rng->s;
    const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

float sm_rng_uniform(sm_rng *rng) {
    return (float)(sm_rng_next(rng) >> 40) * 0x1p-24f;
}

/* The sum of twelve uniforms (Irwin-Hall): variance 12 * 1/12 = 1, normal to within 0.3 % of the
 * distribution function, never beyond +-6. Box-Muller would need log and cos, whose last bit
 * depends on the libm and on FMA contraction; this sum is exact in integers and is rounded once.
 * The mean is subtracted exactly, so the distribution is symmetric. With 2^-32 steps ties are as
 * rare as float itself allows, which matters because pruning keeps all of them. */
float sm_rng_normal(sm_rng *rng) {
    enum { PAIRS = 6 };
    for (;;) {
        int64_t sum = -(int64_t)PAIRS * UINT32_MAX;
        for (int i = 0; i < PAIRS; i++) {
            const uint64_t pair = sm_rng_next(rng);
            sum += (int64_t)(pair >> 32) + (int64_t)(pair & UINT32_MAX);
        }
        if (sum != 0) return (float)sum * 0x1p-32f;
    }
}
