#!/usr/bin/env bash
# Installs what sparsemark needs. This is the one list of packages; run.sh, test.sh and lint.sh
# call it. Debian packages come from apt, Python ones go into .venv in the project's root.
# usage: setup.sh [--tests] [--with-mkl] [--with-aocl] [--with-pytorch] [--no-install]
# Exit codes: 0 everything is there, 2 something is missing or could not be installed.
set -euo pipefail

build_packages=(build-essential cmake ninja-build pkg-config git python3-venv libbenchmark-dev
    libhwloc-dev libcpuid-dev libjansson-dev libgsl-dev zlib1g-dev)
peer_packages=(libopenblas0-pthread libblis4-pthread libdnnl2 librsb0 libxnnpack0)
test_packages=(libcmocka-dev clang clang-format-14 clang-tidy libclang-rt-14-dev cppcheck
    shellcheck binutils)

say() { echo "$*" >&2; }
die() {
    say "setup: $*"
    exit 2
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
packages=("${build_packages[@]}" "${peer_packages[@]}")
requirements=(requirements.txt requirements-peers.txt)
install=1
for argument; do
    case $argument in
    --tests)
        packages+=("${test_packages[@]}")
        requirements+=(requirements-test.txt)
        ;;
    --with-mkl) requirements+=(requirements-mkl.txt) ;;
    --with-aocl) requirements+=(requirements-aocl.txt) ;;
    --with-pytorch) requirements+=(requirements-pytorch.txt) ;;
    --no-install) install=0 ;;
    *) die "unknown argument $argument; expected --tests, --with-mkl, --with-aocl," \
        "--with-pytorch or --no-install" ;;
    esac
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    die "no apt-get here; install what your system calls ${packages[*]}, then build with" \
        "'cmake --preset release && cmake --build --preset release'"
fi

# A package that was removed but not purged is known to dpkg and still missing.
missing_packages() {
    local installed
    # shellcheck disable=SC2016 # dpkg-query expands these, not the shell
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null |
        sed -n 's/ installed$//p') || true
    printf '%s\n' "${packages[@]}" | grep -vxF "$installed" || true
}

# The stamp of a requirements file holds its hash and is written once all of it is installed.
hash_of() { sha256sum "$root/scripts/$1" | cut -d' ' -f1; }
stamp_of() { echo "$venv/installed-${1%.txt}"; }
python_usable() { [ -x "$venv/bin/python" ] && "$venv/bin/python" -c '' 2>/dev/null; }
missing_requirements() {
    local file usable=1
    python_usable || usable=0
    for file in "${requirements[@]}"; do
        if [ $usable -eq 0 ] || [ "$(cat "$(stamp_of "$file")" 2>/dev/null)" != "$(hash_of "$file")" ]
        then
            echo "$file"
        fi
    done
}
names_in() { (cd "$root/scripts" && grep -hv '^ *\(#\|$\)' "$@") | tr '\n' ' '; }

install_packages() {
    local as_root=(env)
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            die "not root and no sudo; as root run: apt-get install ${lacking_packages[*]}"
        as_root=(sudo env)
    fi
    as_root+=(DEBIAN_FRONTEND=noninteractive)
    "${as_root[@]}" apt-get update -q >&2 ||
        die "apt-get update failed (its message is above): is there a network?"
    "${as_root[@]}" apt-get install -q -y --no-install-recommends "${lacking_packages[@]}" >&2 ||
        die "apt-get could not install ${lacking_packages[*]} (its message is above)"
}

# Debian's python3, because python3-venv belongs to it; another one in PATH may lack venv.
# PyTorch's list is complete, and leaves out what would only be downloaded.
install_requirements() {
    local file options
    if ! python_usable || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        /usr/bin/python3 -m venv --clear "$venv" >&2 || die "cannot create $venv"
    fi
    for file in "${lacking_requirements[@]}"; do
        options=(-q --disable-pip-version-check)
        if [ "$file" = requirements-pytorch.txt ]; then options+=(--no-deps); fi
        "$venv/bin/python" -m pip install "${options[@]}" \
            -r "$root/scripts/$file" >&2 ||
            die "pip could not install scripts/$file (its message is above): is there a network?"
        hash_of "$file" >"$(stamp_of "$file")"
    done
}

for file in "${requirements[@]}"; do
    [ -r "$root/scripts/$file" ] || die "scripts/$file cannot be read"
done
mapfile -t lacking_packages < <(missing_packages)
mapfile -t lacking_requirements < <(missing_requirements)
if [ ${#lacking_packages[@]} -eq 0 ] && [ ${#lacking_requirements[@]} -eq 0 ]; then exit 0; fi

verb="will install"
[ $install -eq 1 ] || verb="missing"
if [ ${#lacking_packages[@]} -gt 0 ]; then say "setup: $verb with apt: ${lacking_packages[*]}"; fi
if [ ${#lacking_requirements[@]} -gt 0 ]; then
    say "setup: $verb with pip, in .venv: $(names_in "${lacking_requirements[@]}")"
fi
[ $install -eq 1 ] || exit 2
if [ ${#lacking_packages[@]} -gt 0 ]; then install_packages; fi
if [ ${#lacking_requirements[@]} -gt 0 ]; then install_requirements; fi
say "setup: done"
