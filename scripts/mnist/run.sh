#!/usr/bin/env bash
# From the MNIST images to the table of what pruning gives: trains every recipe, counts sizes,
# measures speed, draws. The same command goes on where it was stopped.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: run.sh --short|--full --data DIR [--out DIR] [--no-install] [--tensorboard]
  --short       every recipe on the first 4,000 images: five minutes, for a look
  --full        every recipe on all images: the table
  --data DIR    the four gzipped IDX files of MNIST
  --out DIR     results (build/mnist-short, build/mnist-full)
  --no-install  install nothing: list what is missing and exit with code 2
  --tensorboard log for TensorBoard too, which has to be installed
TEXT
}
say() { echo "mnist: $*" >&2; }
die() {
    say "$*"
    exit 2
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
setup=(--with-pytorch)
train=()
kind='' data='' out=''
while [ $# -gt 0 ]; do
    case $1 in
    --short | --full) kind=${1#--} ;;
    --data | --out)
        [ $# -gt 1 ] || die "$1: expected a folder"
        if [ "$1" = --data ]; then data=$2; else out=$2; fi
        shift
        ;;
    --no-install) setup+=("$1") ;;
    --tensorboard) train+=("$1") ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        say "unknown argument $1"
        usage >&2
        exit 2
        ;;
    esac
    shift
done
[ -n "$kind" ] || die "expected --short or --full"
[ -n "$data" ] || die "expected --data DIR with the four gzipped IDX files of MNIST"
out=${out:-$root/build/mnist-$kind}
measure=(--budget 20s --against pytorch)
if [ "$kind" = short ]; then
    train+=(--images 4000)
    measure=(--budget 3s)
fi

bash "$root/scripts/setup.sh" "${setup[@]}"
if ! (cd "$root" && cmake --preset release && cmake --build --preset release) >&2; then
    die "the build failed (its message is above)"
fi
program=$root/build/release/sparsemark
python=$root/.venv/bin/python

# keep FILE COMMAND...: its output in FILE, or what it said in FILE.error, which the table quotes.
keep() {
    local file=$1
    shift
    if "$@" >"$file.tmp" 2>"$file.error"; then
        mv "$file.tmp" "$file"
        rm "$file.error"
    else
        say "$(tail -n 1 "$file.error")"
        rm -f "$file.tmp" "$file"
    fi
}

# All others start from dense. Two trainings with a thread each take less time than one after the
# other with two, and the results do not depend on the number of processors.
export SPARSEMARK_PROGRAM=$program
train=("$python" "$root/scripts/mnist/train.py" --data "$data" --out "$out" "${train[@]}")
"${train[@]}" dense || exit
sed -n 's/^name = "\(.*\)"$/\1/p' "$root/scripts/mnist/recipes.toml" | grep -vx dense |
    xargs -n 1 -P "$(nproc)" --process-slot-var=MNIST_LINE "${train[@]}" || die "see above"
for model in "$out"/*/model.safetensors; do
    folder=$(dirname "$model")
    say "sizes and speed of $(basename "$folder")"
    [ -f "$folder/sizes.json" ] || keep "$folder/sizes.json" "$program" prune --input "$model" \
        --sparsity 0 --json
    [ -f "$folder/speed.jsonl" ] || keep "$folder/speed.jsonl" "$program" model --weights "$model" \
        --data "$data" --batch 128 --threads 1 "${measure[@]}" --json
done
"$python" "$root/scripts/mnist/table.py" "$out"
say "$out/table.md, $out/accuracy.svg"
