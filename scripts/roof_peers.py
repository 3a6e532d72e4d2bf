#!/usr/bin/env python3
"""Sets what `sparsemark roof` measures beside likwid-bench (Debian: likwid), both in turn.

usage: roof_peers.py [--program build/release/sparsemark] [--rounds 10] [--threads 1,all] [--run-ms 20]

Both count 1e9 bytes a second, reads plus writes and no line that a store fetches first. likwid's
size is that of all streams and threads together, so it gets threads x bytes_per_thread; -W lets each
thread touch its own part. Of both the best round counts; likwid's means are over --run-ms, to be
lowered to 4 where the machine is not quiet. Large arrays of sparsemark are in huge pages where the
system grants them; glibc is asked for the same for likwid's. A ratio is roof / likwid. Exit codes: 0 all
within 10 %, 3 some are not, 2 something did not run.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys

WITHIN = 0.10
FLOPS_BYTES = 16384  # peakflops reads a little; this is in L1
MEMORY_TESTS = {("read", "avx2"): "load_avx", ("read", "avx512"): "load_avx512",
                ("copy", "avx2"): "copy_avx", ("copy", "avx512"): "copy_avx512"}
PEAK_TESTS = {"avx2": "peakflops_sp_avx_fma", "avx512": "peakflops_sp_avx512_fma"}


def fail(message):
    print(f"roof_peers: {message}", file=sys.stderr)
    sys.exit(2)


def output_of(command):
    environment = dict(os.environ, GLIBC_TUNABLES="glibc.malloc.hugetlb=1")
    try:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              encoding="utf-8", errors="replace", check=False)
    except OSError as error:
        fail(f"{command[0]}: {error.strerror}")
    if done.returncode != 0:
        fail(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def roof(program, threads):
    command = [program, "roof", "--json", "--threads", threads, "--time", "2s"]
    return json.loads(output_of(command))["roof"]


def figures(measured):
    """(name, likwid's test, bytes in all, threads) -> rate in 1e9 a second."""
    found = {}
    for column, threads in enumerate(measured["threads"]):
        for peak in measured["peaks"]:
            rate = peak["gops"][column]
            if peak["dtype"] == "f32" and peak["isa"] in PEAK_TESTS and rate:
                key = (f"FMA {peak['isa']}", PEAK_TESTS[peak["isa"]], FLOPS_BYTES * threads, threads)
                found[key] = rate
        for row in measured["bandwidth"]:
            size = row["bytes_per_thread"][column] * threads
            for (kind, isa), test in MEMORY_TESTS.items():
                rates = row[kind + "_by_isa"].get(isa)
                if rates and rates[column]:
                    found[(f"{row['memory']} {kind} {isa}", test, size, threads)] = rates[column]
    return found


def likwid(key, rate, run_s):
    """likwid-bench's figure; rate says how many iterations take about run_s."""
    name, test, size, threads = key
    flops = name.startswith("FMA")
    work = size / 4 * 30 if flops else size  # 15 multiply-adds for each float that it reads
    iterations = max(1, int(run_s * rate * 1e9 / work))
    text = output_of(["likwid-bench", "-t", test, "-W", f"N:{size}B:{threads}", "-i", str(iterations)])
    match = re.search(r"MFlops/s:\s+([\d.]+)" if flops else r"MByte/s:\s+([\d.]+)", text)
    if match is None:
        fail(f"likwid-bench -t {test}: no rate in its output")
    return float(match.group(1)) / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--program", default="build/release/sparsemark")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", default="1,all")
    parser.add_argument("--run-ms", type=float, default=20)
    options = parser.parse_args()
    if shutil.which("likwid-bench") is None:
        fail("likwid-bench is not installed (Debian: apt-get install likwid)")
    ours, theirs = {}, {}
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        for key, rate in figures(roof(options.program, options.threads)).items():
            ours[key] = max(rate, ours.get(key, 0))
        for key, rate in ours.items():
            theirs[key] = max(likwid(key, rate, options.run_ms / 1000), theirs.get(key, 0))
    beyond = 0
    print(f"{'figure':18} {'threads':>7} {'roof':>8} {'likwid':>8} {'ratio':>6}  likwid's test")
    for key, rate in ours.items():
        ratio = rate / theirs[key]
        far = abs(ratio - 1) > WITHIN
        beyond += far
        print(f"{key[0]:18} {key[3]:7} {rate:8.1f} {theirs[key]:8.1f} {ratio:6.2f}  "
              f"{key[1]} {key[2]} B{'  beyond 10 %' if far else ''}")
    print(f"{len(ours) - beyond} of {len(ours)} within {WITHIN:.0%}")
    return 3 if beyond else 0


if __name__ == "__main__":
    sys.exit(main())
