#!/usr/bin/env bash
# From the MNIST images to the table of what pruning gives: trains every recipe, counts sizes,
# measures speed, draws. The same command goes on where it was stopped.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: run.sh --short|--full --data DIR [--out DIR] [--measure-only] [--no-install] [--tensorboard]
  --short         every recipe on the first 4,000 images: five minutes, for a look
  --full          every recipe on all images: the table
  --data DIR      the four gzipped IDX files of MNIST
  --out DIR       results (build/mnist-short, build/mnist-full)
  --measure-only  train nothing: sizes and speed of the models that --out holds, anew
  --no-install    install nothing: list what is missing and exit with code 2
  --tensorboard   log for TensorBoard too, which has to be installed
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
kind='' data='' out='' anew=''
while [ $# -gt 0 ]; do
    case $1 in
    --short | --full) kind=${1#--} ;;
    --data | --out)
        [ $# -gt 1 ] || die "$1: expected a folder"
        if [ "$1" = --data ]; then data=$2; else out=$2; fi
        shift
        ;;
    --measure-only) anew=yes ;;
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
measure=(--budget 80s --against pytorch)
if [ "$kind" = short ]; then
    train+=(--images 4000)
    measure=(--budget 4s)
fi
if [ -n "$anew" ] && ! compgen -G "$out/*/model.safetensors" >/dev/null; then
    die "--measure-only: $out holds no RECIPE/model.safetensors: train first, or expected --out"
fi

bash "$root/scripts/setup.sh" "${setup[@]}"
if ! (cd "$root" && cmake --preset release && cmake --build --preset release) >&2; then
    die "the build failed (its message is above)"
fi
program=$root/build/release/sparsemark
python=$root/.venv/bin/python

# keep FILE COMMAND...: what it leaves in FILE.tmp becomes FILE. Where it fails, what it said stays
# in FILE.error, which the table quotes.
keep() {
    local file=$1
    shift
    if "$@" 2>"$file.error"; then
        mv "$file.tmp" "$file"
        rm "$file.error"
    else
        say "$(tail -n 1 "$file.error")"
        rm -f "$file.tmp" "$file"
    fi
}

# Whether an earlier call made FILE and it counts.
have() { [ -z "$anew" ] && [ -f "$1" ]; }

train_all() {
    local train=("$python" "$root/scripts/mnist/train.py" --data "$data" --out "$out" "${train[@]}")
    # All others start from dense. Two trainings with a thread each take less time than one after
    # the other with two, and the results do not depend on the number of processors.
    "${train[@]}" dense || exit
    sed -n 's/^name = "\(.*\)"$/\1/p' "$root/scripts/mnist/recipes.toml" | grep -vx dense |
        xargs -n 1 -P "$(nproc)" --process-slot-var=MNIST_LINE "${train[@]}" || die "see above"
}

export SPARSEMARK_PROGRAM=$program
[ -n "$anew" ] || train_all
for model in "$out"/*/model.safetensors; do
    folder=$(dirname "$model")
    say "sizes and speed of $(basename "$folder")"
    rm -f "$folder"/*.tmp
    have "$folder/sizes.json" ||
        keep "$folder/sizes.json" "$program" prune --input "$model" --sparsity 0 --json \
            >"$folder/sizes.json.tmp"
    have "$folder/speed.jsonl" ||
        keep "$folder/speed.jsonl" "$program" model --weights "$model" --data "$data" \
            --batch 1,32,128,512 --threads 1 "${measure[@]}" --out "$folder/speed.jsonl.tmp" \
            >/dev/null
done
"$python" "$root/scripts/mnist/table.py" "$out"
say "$out/table.md, $out/accuracy.svg"
