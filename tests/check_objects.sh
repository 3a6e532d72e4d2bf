#!/usr/bin/env bash
# Checks that no object uses vector registers or encodings wider than its level in kernels/isa.inc
# promises: otherwise a program that dispatches with care still dies on an older CPU.
# usage: check_objects.sh BUILD_DIRECTORY
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${1:?usage: check_objects.sh BUILD_DIRECTORY}
code=0
report() {
    echo "check_objects: $*" >&2
    code=1
}

# What a class of object must not contain. AVX marks even its 128-bit instructions with a v.
vex=$'\t(\\{[a-z]+\\} )?v[a-z0-9]+ .*%[xyz]mm|\tvzero'
evex='%zmm|%k[0-7]|%[xy]mm(1[6-9]|2[0-9]|3[01])\b'

# check OBJECT PATTERN WHAT
check() {
    local found
    found=$(objdump -d --no-show-raw-insn "$1" | grep -m 1 -E -- "$2" || true)
    if [ -n "$found" ]; then report "$1: $3:$found"; fi
}
# must_use OBJECT PATTERN WHAT: also shows that the patterns still match what objdump prints.
must_use() {
    local count
    count=$(objdump -d --no-show-raw-insn "$1" | grep -c -E -- "$2" || true)
    if [ "$count" -eq 0 ]; then report "$1: $3"; fi
}

declare -A flags
while IFS='|' read -r level level_flags; do
    flags[$level]=$level_flags
done < <(sed -n 's/^SM_ISA(\([a-z0-9_]*\),.*"\(.*\)")$/\1|\2/p' "$root/kernels/isa.inc")
[ ${#flags[@]} -gt 0 ] || report "kernels/isa.inc: no level found"

# check_level NAME LEVEL: finds the one object called NAME and holds it to its level.
check_level() {
    local name=$1 level=$2 objects
    mapfile -t objects < <(find "$build" -path "*/$name.dir/*" -name '*.o')
    if [ ${#objects[@]} -ne 1 ]; then
        report "$name: ${#objects[@]} objects below $build, expected 1"
        return
    fi
    object=${objects[0]}
    case ${flags[$level]} in
    *-mavx512*) ;;
    *-mavx2*) check "$object" "$evex" "$level must not use AVX-512" ;;
    *) check "$object" "$vex" "$level must not use AVX" ;;
    esac
    # Written by hand for its registers; what the vectoriser does with autovec is its own affair.
    case $level in
    avx512*) must_use "$object" '%zmm' "$level uses no zmm register" ;;
    avx2*) must_use "$object" '%ymm' "$level uses no ymm register" ;;
    esac
}

kernels=0
while IFS='|' read -r name level; do
    kernels=$((kernels + 1))
    check_level "$name" "$level"
    while read -r object; do
        check "$object" "$evex" "an emulated kernel must not use AVX-512"
    done < <(find "$build" -path "*/emulated_$name.dir/*" -name '*.o')
done < <(sed -n 's/^SM_KERNEL(\(.*\))$/\1/p' "$root/kernels/kernels.inc" | tr -d ' ' |
    awk -F, '{printf "%s_%s_%s_%s_%s_%sx%s|%s\n", $1, $2, $3, $4, $5, $6, $7, $4}')
for level in avx2 avx512; do
    for source in "$root"/kernels/*_"$level".c; do
        check_level "$(basename "$source" .c)" "$level"
    done
done
[ $kernels -gt 0 ] || report "kernels/kernels.inc: no kernel found"

# The measured loops: a dot product that the compiler put together from other instructions would be
# another figure.
loops=0
while IFS='|' read -r name level dtype; do
    loops=$((loops + 1))
    object=
    check_level "$name" "$level"
    if [ -z "$object" ]; then continue; fi
    case $dtype in
    u8s8) must_use "$object" 'vpdpbusd' "no dot product" ;;
    bf16) must_use "$object" 'vdpbf16ps' "no dot product" ;;
    esac
done < <(sed -n 's/^SM_ROOF(\(.*\))$/\1/p' "$root/harness/roof/roof.inc" | tr -d ' ' |
    awk -F, '{printf "roof_%s_%s_%s|%s|%s\n", $1, $2, $3, $4, $2}')
[ $loops -gt 0 ] || report "harness/roof/roof.inc: no loop found"

library=0
while read -r object; do
    library=$((library + 1))
    check "$object" "$vex" "the library outside its kernels must not use AVX"
done < <(find "$build" -path '*/sparsemark.dir/*' -name '*.o')
[ $library -gt 0 ] || report "no object of the library below $build"

# The shared library exports what the public headers declare, and nothing else. Callback types and
# inline functions are not symbols.
declared=$(cat "$root"/kernels/include/sparsemark/*.h | sed 's/\/\*.*\*\///' |
    grep -oE '^[a-z][a-z_0-9 ]*[ *](sm_[a-z_0-9]+)\(' | grep -v '^typedef' |
    grep -oE 'sm_[a-z_0-9]+\($' | tr -d '(' | sort -u)
shared=$build/libsparsemark.so
exported=$(nm -D --defined-only "$shared" | awk '$2 == "T" {sub(/@.*/, "", $3); print $3}' | sort -u)
difference=$(diff <(echo "$declared") <(echo "$exported") | grep '^[<>]' | tr '\n' ' ' || true)
if [ -n "$difference" ]; then report "$shared: declared (<) and exported (>) differ: $difference"; fi

if [ $code -eq 0 ]; then echo "check_objects: $kernels kernels, $loops loops, $library other objects: fine"; fi
exit $code
