#!/usr/bin/env bash
# Builds with gcc, clang and the sanitizers and runs every test. The last line is the sum.
set -uo pipefail

usage() {
    cat <<'TEXT'
usage: test.sh [--no-install] [--fast]
  --no-install  install nothing: list what is missing and exit with code 2
  --fast        only the debug build and the Python tests: no sanitizers, clang or fuzzing
FUZZ_SECONDS (30) sets how long each fuzz target runs.
TEXT
}
say() { echo "test: $*" >&2; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 2
setup=(--tests)
fast=0
for argument; do
    case $argument in
    --no-install) setup+=("$argument") ;;
    --fast) fast=1 ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        say "unknown argument $argument"
        usage >&2
        exit 2
        ;;
    esac
done
fuzz_seconds=${FUZZ_SECONDS:-30}
if ! [[ $fuzz_seconds =~ ^[1-9][0-9]*$ ]]; then
    say "FUZZ_SECONDS is '$fuzz_seconds'; expected a whole number of seconds from 1 on"
    exit 2
fi

bash scripts/setup.sh "${setup[@]}" || exit
for simde in .venv/lib/python3*/site-packages/cmeel.prefix/include; do
    [ -r "$simde/simde/x86/avx512.h" ] && break
done
if ! [ -r "$simde/simde/x86/avx512.h" ]; then
    say "no simde/x86/avx512.h below .venv; remove .venv and run this again"
    exit 2
fi

# The sanitizers' runtimes of Debian 12 dislike the wide address randomisation of newer kernels.
fixed_addresses=()
if setarch "$(uname -m)" -R true 2>/dev/null; then fixed_addresses=(setarch "$(uname -m)" -R); fi

passed=0
failed=0
skipped=0
fail() {
    failed=$((failed + 1))
    say "FAILED: $*"
}

# build PRESET TARGETS OPTIONS...: TARGETS are names in one word, or all.
build() {
    local preset=$1 targets=$2
    shift 2
    say "building $preset"
    # shellcheck disable=SC2086 # several targets are several words
    cmake --preset "$preset" "$@" >/dev/null && cmake --build --preset "$preset" --target $targets
}

# run_ctest PRESET OPTIONS...: adds the numbers that ctest writes to its report.
run_ctest() {
    local preset=$1 report=$root/build/$1/ctest.xml suite total bad left_out
    shift
    rm -f "$report"
    say "ctest in build/$preset"
    "${fixed_addresses[@]}" ctest --test-dir "build/$preset" --output-on-failure -j "$(nproc)" \
        --output-junit "$report" "$@"
    suite=$(tr '\n\t' '  ' <"$report" 2>/dev/null | sed -n 's/.*<testsuite \([^>]*\)>.*/\1/p')
    number() { sed -n "s/.* $1=\"\([0-9]*\)\".*/\1/p" <<<" $suite"; }
    total=$(number tests)
    if [ -z "$total" ]; then
        fail "ctest in build/$preset wrote no report"
        return
    fi
    bad=$(number failures)
    left_out=$(number skipped)
    passed=$((passed + total - bad - left_out))
    skipped=$((skipped + left_out))
    failed=$((failed + bad))
}

build_and_test() {
    local preset=$1
    if build "$preset" all "-DSPARSEMARK_SIMDE=$root/$simde"; then
        run_ctest "$preset" --no-tests=error
    else
        fail "build of $preset"
    fi
}

# ThreadSanitizer is worth its time only where threads are.
test_threads() {
    local sources names
    mapfile -t sources < <(compgen -G 'tests/test_*thread*.c'; compgen -G tests/test_roof.c)
    [ ${#sources[@]} -gt 0 ] || return 0
    names=$(basename -a -s .c "${sources[@]}" | tr '\n' ' ')
    if build tsan "$names"; then
        run_ctest tsan -R 'thread|roof' --no-tests=ignore
    else
        fail "build of tsan"
    fi
}

# As many files at once as there are processors, each on its own: a program that measures pins itself
# to the first that it may use. Files that ask how many there are get all. Logs are shown whole.
test_python() {
    local logs log ran bad left_out cpus
    compgen -G 'tests/test_*.py' >/dev/null || return 0
    logs=$(mktemp -d)
    say "Python tests"
    read -ra cpus < <(.venv/bin/python -c 'import os; print(*sorted(os.sched_getaffinity(0)))')
    # shellcheck disable=SC2016 # the shell of each file expands it
    printf '%s\n' tests/test_*.py | LOGS=$logs CPUS=${cpus[*]} \
        xargs --process-slot-var=SLOT -n 1 -P "${#cpus[@]}" bash -c '
        read -ra cpus <<<"$CPUS"
        log=$LOGS/${1##*/} on=(taskset -c "${cpus[SLOT]}")
        if grep -q sched_getaffinity "$1"; then on=(); fi
        "${on[@]}" .venv/bin/python -m unittest discover -s tests -p "${1##*/}" >"$log" 2>&1
        { echo "$1"; cat "$log"; } >&2' bash
    for log in "$logs"/*; do
        ran=$(sed -n 's/^Ran \([0-9]*\) tests\? in .*/\1/p' "$log" | tail -n 1)
        # The last line reads like "FAILED (failures=1, errors=2, skipped=3)".
        sum() { tail -n 1 "$log" | grep -oE "($1)=[0-9]+" | awk -F= '{n += $2} END {print n + 0}'; }
        bad=$(sum 'failures|errors|successes')
        left_out=$(sum skipped)
        if ! [ "${ran:-0}" -gt 0 ]; then
            fail "${log##*/} ran no test"
            continue
        fi
        passed=$((passed + ran - bad - left_out))
        failed=$((failed + bad))
        skipped=$((skipped + left_out))
    done
    rm -rf "$logs"
}

# libFuzzer adds what it finds to the first folder: that is a copy, never tests/corpus.
fuzz() {
    local target=$1 corpus code=0
    corpus=$(mktemp -d)
    if [ -d "tests/corpus/${target#fuzz_}" ]; then cp -r "tests/corpus/${target#fuzz_}/." "$corpus"; fi
    "${fixed_addresses[@]}" "build/asan/tests/$target" -max_total_time="$fuzz_seconds" \
        -max_len=4096 -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
        -artifact_prefix="$root/build/asan/$target-" "$corpus" || code=1
    rm -rf "$corpus"
    return $code
}

# As many at once as there are processors. What they run was built beside the tests.
test_fuzz() {
    local sources targets at i pids width
    mapfile -t sources < <(compgen -G 'tests/fuzz_*.c')
    [ ${#sources[@]} -gt 0 ] || return 0
    mapfile -t targets < <(basename -a -s .c "${sources[@]}")
    width=$(nproc)
    for ((at = 0; at < ${#targets[@]}; at += width)); do
        say "${targets[*]:at:width}, $fuzz_seconds s"
        pids=()
        for ((i = at; i < at + width && i < ${#targets[@]}; i++)); do
            fuzz "${targets[i]}" &
            pids[i]=$!
        done
        for i in "${!pids[@]}"; do
            if wait "${pids[i]}"; then
                passed=$((passed + 1))
            else
                fail "${targets[i]}; the input that shows it is build/asan/${targets[i]}-*"
            fi
        done
    done
}

build_and_test debug
# The memory test measures what users run.
build release sparsemark_cli || fail "build of release"
test_python
if [ $fast -eq 0 ]; then
    build_and_test asan
    build_and_test clang
    test_threads
    test_fuzz
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
