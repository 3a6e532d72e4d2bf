#!/usr/bin/env bash
# From a fresh machine to pictures: installs what is missing, builds, measures the quick sweep and
# writes results/<machine>/<run>/. The last line printed is the path of the page to open.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: run.sh [--no-install] [--with-mkl] [--with-aocl] [-- ARGUMENTS]
  --no-install  install nothing: list what is missing and exit with code 2
  --with-mkl    also install Intel's MKL and compare with it
  --with-aocl   also install AMD's AOCL-Sparse and compare with it
  ARGUMENTS     are passed to `sparsemark run` after --quick, e.g. -- --budget 2m --peers none
TEXT
}
say() { echo "run: $*" >&2; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
setup=()
while [ $# -gt 0 ]; do
    case $1 in
    --no-install | --with-mkl | --with-aocl) setup+=("$1") ;;
    -h | --help)
        usage
        exit 0
        ;;
    --)
        shift
        break
        ;;
    *)
        say "unknown argument $1"
        usage >&2
        exit 2
        ;;
    esac
    shift
done

bash "$root/scripts/setup.sh" "${setup[@]}"
if ! (cd "$root" && cmake --preset release && cmake --build --preset release) >&2; then
    say "the build failed (its message is above)"
    exit 2
fi

program=$root/build/release/sparsemark
slug=$("$program" info --slug)
directory=$root/results/$slug/$(date -u +%Y%m%dT%H%M%SZ)
mkdir -p "$root/results/$slug"
mkdir "$directory"
records=$directory/records.jsonl

# These two make OpenBLAS choose slow kernels: a baseline that flatters everything else.
measure=(env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE "$program" run --quick --out "$records")
code=0
trap : INT # an interrupt reaches the program too; what it left is named below
"${measure[@]}" "$@" || code=$?
trap - INT
if [ $code -ne 0 ]; then
    if [ -s "$records" ]; then
        say "measuring ended with code $code; $records holds what was measured;" \
            "to complete it: ${measure[*]} $* --resume"
    else
        rm -f "$records"
        rmdir "$directory" 2>/dev/null || true
        say "measuring ended with code $code; nothing was measured"
    fi
    exit $code
fi

if ! "$root/.venv/bin/python" "$root/scripts/report.py" "$directory" >&2; then
    say "the report failed (its message is above); $records holds the measurements"
    exit 2
fi
echo "$directory/report.html"
