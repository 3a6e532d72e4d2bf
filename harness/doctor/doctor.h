/* How fine a difference can be seen on this machine now: two copies of one kernel are timed against
 * each other, so that whatever differs is noise. */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "machine/machine.h"
#include "measure/watch.h"
#include <sparsemark/status.h>
#include <stdint.h>

/* A pair is two samples of one round. What pairs of equal work say: */
typedef struct sm_pairs {
    size_t count, quiet; /* quiet: neither sample is tainted */
    int noisy;           /* fewer quiet ones than an estimate needs: all were used */
    double ratio;        /* median over pairs of first / second */
    double floor;        /* half-width of its 95 % interval / median */
    double scatter;      /* median absolute deviation of a pair's ratio / median */
} sm_pairs;

/* Pure: count > 0 pairs, taint[i] is not 0 where one of the two samples was disturbed. */
sm_pairs sm_pairs_of(const double *first, const double *second, const int64_t *taint, size_t count);

/* Half-width of the interval that `pairs` pairs of that scatter give: sm_pairs.floor to come. */
double sm_pairs_floor(double scatter, double pairs);

/* Rounds of which quiet_share is quiet until that half-width is `precision`, as few as a run takes
 * or more. */
double sm_pairs_rounds(double scatter, double quiet_share, double precision);

enum { SM_AA_SPARSE, SM_AA_DENSE, SM_AA_SPEEDUP, SM_AA_ROWS };

typedef struct sm_aa_row {
    const char *name;   /* "sparse", "dense": a kernel and its copy; "speedup": dense / sparse */
    const char *kernel; /* "" for the speedup */
    sm_pairs pairs;
    double bias;       /* |ratio - 1|; NaN for the speedup */
    double detectable; /* smallest true difference that a run can tell from none */
    double time_ns;    /* median of a call; NaN for the speedup */
    double drift;      /* 90th / 10th percentile of all times, or of all ratios for the speedup */
} sm_aa_row;

typedef struct sm_aa {
    sm_aa_row rows[SM_AA_ROWS];
    size_t rounds, samples, quiet; /* quiet: samples without a taint */
    size_t tainted[SM_TAINTS];     /* samples with each bit; a sample may have several */
    double seconds;
    double steal_share; /* of all hardware threads' time, during the run; NaN where not known */
    double others_cpus; /* hardware threads that other processes kept busy; NaN where not known */
    int wrong;          /* a kernel failed the oracle and nothing was timed */
} sm_aa;

/* Times a mid-size product for about `seconds`. */
sm_status sm_aa_run(double seconds, sm_aa *out);

/* The largest of the rows' detectable, and the share of quiet samples. */
double sm_aa_detectable(const sm_aa *aa);
double sm_aa_quiet_share(const sm_aa *aa);

/* Grades from best to worst. A machine has the first whose limits it keeps; the last has none. */
typedef struct sm_grade {
    const char *name;
    double detectable, quiet_share; /* at most, at least */
    const char *meaning;
} sm_grade;
enum { SM_GRADES = 4 };
extern const sm_grade sm_grades[SM_GRADES];
const sm_grade *sm_grade_of(double detectable, double quiet_share);

/* Every finding about the run itself, fine or not. */
void sm_aa_findings(const sm_aa *aa, sm_findings *out);

/* Whether this build's times mean anything: a release build without sanitizers. */
int sm_doctor_build_counts(void);

/* Everything as one object; new reference. conditions are the machine's, from before the run, whose
 * own load they would show afterwards. */
json_t *sm_doctor_json(const sm_findings *conditions, const sm_aa *aa);

/* The problem that is timed. */
enum { SM_AA_M = 768, SM_AA_K = 768, SM_AA_N = 128 };
#define SM_AA_SPARSITY 0.7

#endif
