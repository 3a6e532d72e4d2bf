#!/usr/bin/env bash
# Format, static analysis and the rules of the tree. Every check runs; any finding fails the whole.
# usage: lint.sh [--no-install]
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 2
if [ $# -gt 1 ] || { [ $# -eq 1 ] && [ "$1" != --no-install ]; }; then
    echo "lint: unknown argument ${2:-$1}; expected --no-install or nothing" >&2
    exit 2
fi
bash scripts/setup.sh --tests "$@" || exit

# Files that are not ignored, so that a new one is checked before it is added.
list() { git ls-files --cached --others --exclude-standard -- "$@" | sort -u |
    while read -r file; do if [ -f "$file" ]; then echo "$file"; fi; done; }
mapfile -t c_files < <(list '*.c' '*.h' '*.cc')
mapfile -t sources < <(list '*.c' '*.cc')
mapfile -t shell_files < <(list '*.sh' .ci/run)
mapfile -t python_files < <(list '*.py')
mapfile -t build_files < <(list 'CMakeLists.txt' '*/CMakeLists.txt' '*.cmake' CMakePresets.json \
    kernels/isa.inc harness/roof/roof.inc 'scripts/*.sh')
mapfile -t public_headers < <(list 'kernels/include/*.h')

passed=0
failed=0
# step NAME COMMAND...
step() {
    local name=$1 log
    shift
    log=$(mktemp)
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "lint: $name: fine"
    else
        failed=$((failed + 1))
        echo "lint: $name: FAILED"
        cat "$log"
    fi
    rm -f "$log"
}

# matches_nothing PATTERN FILES...: prints what matches and fails then.
matches_nothing() {
    grep -nE -- "$@" /dev/null
    [ $? -eq 1 ]
}

# The compile commands come from a tree of which only the generated header is built. C only: the
# one C++ file follows the idioms of Google Benchmark, which the analyzer takes for leaks.
run_clang_tidy() {
    local log code=0
    log=$(mktemp)
    if ! { cmake --preset tidy -DSPARSEMARK_FUZZ=ON &&
        cmake --build --preset tidy --target build_info; } >"$log" 2>&1; then
        cat "$log"
        rm -f "$log"
        return 1
    fi
    # One file a process: version 14 carries state of va_list from one file to the next.
    sed -n "s|^ *\"file\": \"$root/\(.*\.c\)\",*\$|\1|p" build/tidy/compile_commands.json | sort -u |
        xargs -d '\n' -n 1 -P "$(nproc)" clang-tidy -quiet -p build/tidy >"$log" 2>&1 || code=1
    # A template compiled for many register tiles repeats what it has to say.
    if [ $code -ne 0 ]; then awk '!/warnings? generated\.$/ && !seen[$0]++' "$log"; fi
    rm -f "$log"
    return $code
}

# It does not read the headers of libraries, hence the loops. What it takes for uninitialised is left
# to clang-tidy, which knows what a vector store and a loop over JSON assign. Where it sees all files at
# once, with one processor, it takes a stub's sm_plan_create for the library's: no ctunullpointer.
run_cppcheck() {
    local loop='=while(v)'
    cppcheck --quiet --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
        --suppress=invalidPointerCast --suppress=uninitvar \
        --suppress=legacyUninitvar --suppress=ctunullpointer --std=c11 \
        -D_GNU_SOURCE -D__x86_64__ -DVL=8 "-Djson_array_foreach(a,i,v)$loop" \
        "-Djson_object_foreach(a,i,v)$loop" -I kernels -I kernels/include -I harness \
        -j "$(nproc)" "${sources[@]}"
}

# Every public header needs nothing before it, in C and in C++.
headers_alone() {
    local header code=0
    local warn=(-fsyntax-only -Wall -Wextra -Wpedantic -Werror -I kernels/include)
    for header in "${public_headers[@]}"; do
        gcc -x c -std=c11 "${warn[@]}" "$header" || code=1
        clang -x c -std=c11 "${warn[@]}" "$header" || code=1
        g++ -x c++ -std=c++17 "${warn[@]}" "$header" || code=1
    done
    return $code
}

intrinsics_in_one_place() {
    local others
    mapfile -t others < <(printf '%s\n' "${c_files[@]}" | grep -vx 'kernels/isa/intrin.h')
    matches_nothing '#[[:space:]]*include[[:space:]]*[<"]([a-z0-9]*intrin\.h|simde/)' "${others[@]}"
}

python_compiles() {
    local file
    for file in "${python_files[@]}"; do
        .venv/bin/python -W error -c 'import sys; compile(open(sys.argv[1]).read(), *sys.argv[1:], "exec")' \
            "$file" || return 1
    done
}

step "clang-format" clang-format-14 --dry-run -Werror "${c_files[@]}"
step "public headers compile alone" headers_alone
step "intrinsics only in kernels/isa/intrin.h" intrinsics_in_one_place
step "nothing built for the building machine" matches_nothing '-march=nativ[e]' "${build_files[@]}"
step "shellcheck" shellcheck "${shell_files[@]}"
step "Python compiles" python_compiles
step "cppcheck" run_cppcheck
step "clang-tidy" run_clang_tidy
echo "lint: $passed passed, $failed failed"
[ $failed -eq 0 ]
