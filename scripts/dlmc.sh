#!/usr/bin/env bash
# Fetches the Deep Learning Matrix Collection (Gale, Zaharia, Young, Elsen: Sparse GPU Kernels for
# Deep Learning, SC 2020): patterns of really pruned networks, one .smtx file a layer.
# usage: dlmc.sh [DIRECTORY]    (data/dlmc in the project's root when not given)
# DLMC_URL names another copy. Exit codes: 0 the collection is there, 2 it is not.
set -euo pipefail

say() { echo "dlmc: $*" >&2; }
die() {
    say "$*"
    exit 2
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ $# -le 1 ] || die "expected at most one argument, the directory"
case ${1-} in -*) die "unknown argument $1; expected a directory" ;; esac
target=${1:-$root/data/dlmc}
target=${target%/}
url=${DLMC_URL:-https://storage.googleapis.com/sgk-sc2020/dlmc.tar.gz}

no_network() { die "no network, or not there: $(tail -n 1 "$work/log")"; }
matrices() { find "$1" -name '*.smtx' | wc -l; }

if [ -d "$target" ] && [ "$(matrices "$target")" -gt 0 ]; then
    say "$target is already there: $(matrices "$target") matrices, $(du -sh "$target" | cut -f1)"
    exit 0
fi
rmdir "$target" 2>/dev/null || true
if [ -e "$target" ]; then die "$target exists and holds no .smtx file; remove it or name another"; fi

parent=$(dirname "$target")
mkdir -p "$parent" || exit 2
# On the same file system as the target, so that the last step is one rename.
work=$(mktemp -d "$parent/.dlmc.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "fetching $url"
archive=$work/archive.tar.gz
if command -v curl >/dev/null; then
    curl -fsSL --connect-timeout 20 --retry 2 -o "$archive" "$url" 2>"$work/log" || no_network
elif command -v wget >/dev/null; then
    wget -nv --connect-timeout=20 --tries=2 -O "$archive" "$url" 2>"$work/log" || no_network
else
    die "neither curl nor wget is installed"
fi
say "unpacking $(du -h "$archive" | cut -f1)"
mkdir "$work/tree"
tar -xzf "$archive" --no-same-owner -C "$work/tree" 2>"$work/log" ||
    die "cannot unpack $url: $(grep -m 1 . "$work/log")"
[ "$(matrices "$work/tree")" -gt 0 ] || die "$url holds no .smtx file"

# The collection's own top folder becomes the target.
content=$work/tree
entries=("$content"/*)
if [ ${#entries[@]} -eq 1 ] && [ -d "${entries[0]}" ]; then content=${entries[0]}; fi
chmod 755 "$content"
mv -T "$content" "$target" || die "cannot create $target"
say "$target: $(matrices "$target") matrices, $(du -sh "$target" | cut -f1)"
