"""Peak memory of a measurement: the dense weights, X, Y, twice the packed weights and 64 MiB; or what
the roof needed before."""

import json
import os
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = os.path.abspath(os.environ.get("SPARSEMARK_RELEASE",
                                         os.path.join(ROOT, "build", "release", "sparsemark")))
# The first that runs here. Panels are what plans choose, and the tighter limit: CSR packs as much
# as the matrix that it is packed from.
KERNELS = "spmm_panel_f32_avx2_bucket_4x24", "spmm_csr_f32_scalar_row_1x8"
M, K, N = 4096, 4096, 64
MIB = 1 << 20


def usable_kernel():
    rows = json.loads(subprocess.run([PROGRAM, "list", "kernels", "--json"], check=True,
                                     stdout=subprocess.PIPE).stdout)
    usable = {row["name"] for row in rows if row["usable"]}
    return next(name for name in KERNELS if name in usable)


def peak_and_packed(kernel, sparsity, folder):
    """Bytes at the peak of a run, and of the packed weights as its record says."""
    layers, records = os.path.join(folder, "layers"), os.path.join(folder, "records.jsonl")
    with open(layers, "w", encoding="utf-8") as file:
        file.write(f"square {M} {K} {N}\n")
    command = [PROGRAM, "run", "--layers", layers, "--n", str(N), "--sparsity", str(sparsity),
               "--peers", "none", "--kernels", kernel, "--budget", "1s", "--out", records]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit code {child.returncode}")
    with open(records, encoding="utf-8") as file:
        head, *cells = [json.loads(line) for line in file]
    packed = next(cell["bytes_weights"] for cell in cells if cell["kernel"] == kernel)
    dram = next(row for row in head["roof"]["bandwidth"] if row["memory"] == "DRAM")
    return usage.ru_maxrss * 1024, packed, dram["bytes_per_thread"][0]


@unittest.skipUnless(os.path.isfile(PROGRAM),
                     f"{PROGRAM} does not exist: build it, or set SPARSEMARK_RELEASE")
class Memory(unittest.TestCase):
    def check(self, sparsity):
        kernel = usable_kernel()
        with tempfile.TemporaryDirectory() as folder:
            peak, packed, roof = peak_and_packed(kernel, sparsity, folder)
        limit = 4 * (M * K + K * N + M * N) + 2 * packed + 64 * MIB
        limit = max(limit, roof + 64 * MIB)  # what the roof takes is given back before the layers
        print(f"{kernel}: peak at {sparsity:.0%}: {peak / MIB:.0f} MiB of {limit / MIB:.0f} MiB")
        self.assertLessEqual(peak, limit)

    def test_half(self):
        self.check(0.5)

    def test_nine_tenths(self):
        self.check(0.9)


if __name__ == "__main__":
    unittest.main()
