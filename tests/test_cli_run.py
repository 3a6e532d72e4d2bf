"""What run, check, list and breakeven give when all is well: records, tables, axes."""

import json
import os
import re
import statistics
import unittest

from program import (DATA, ROOT, ProgramTest, cells_of, errors, fields, kernels, listed_kernels,
                     needs_program, read_records, run, table)

ALL_THREADS = len(os.sched_getaffinity(0))
IN_JSON = {"str": str, "int": int, "real": (int, float, type(None)), "bool": bool, "words": list,
           "reals": list, "ints": list}


@needs_program
class Records(ProgramTest):
    def test_a_small_run(self):
        out = self.path("r.jsonl")
        done = self.finish(self.small_run("--sparsity", "0.5,0.9", "--n", "1,8", "--out", out))
        records = read_records(out)
        self.assertEqual([record["type"] for record in records], ["run"] + ["cell"] * 16)
        self.assertEqual({record["schema"] for record in records}, {2})
        self.assertEqual(len({record["run_id"] for record in records}), 1)
        self.assertEqual(records[0]["peers"], [])  # none was asked for
        rates = self.read_rates(records[0])
        if any(rates[memory] for memory in ("L1", "L2", "L3")):
            self.assertIsNone(rates["DRAM"])  # no row needs it, and touching it takes long
        cells = records[1:]
        for cell in cells:
            self.check_cell(cell)
        self.check_groups(records[0], cells)
        self.check_table(done.stdout, cells)
        self.check_benchmark_json(cells)
        self.check_breakeven(out)

    @staticmethod
    def read_rates(head):
        return {row["memory"]: row["read_gbytes_s"][0] for row in head["roof"]["bandwidth"]}

    def check_cell(self, cell):
        self.assertEqual(set(cell), {"type", "schema", "run_id"} | {name for _, name in fields()})
        for kind, name in fields():
            self.assertIsInstance(cell[name], IN_JSON[kind], name)
        self.assertEqual(len(cell["samples_ns"]), cell["sample_count"])
        self.assertEqual(len(cell["sample_taints"]), cell["sample_count"])
        self.assertGreater(min(cell["samples_ns"]), 0)
        self.assertLessEqual(cell["err_bound_ratio"], 1)
        self.assertEqual(cell["verified_share"], 1)
        self.assertAlmostEqual(cell["sparsity"], 1 - cell["nnz"] / (cell["m"] * cell["k"]), 8)
        self.assertLess(abs(cell["sparsity"] - cell["sparsity_asked"]), 1 / cell["k"])
        self.assertEqual(cell["bytes_dense_weights"], 4 * cell["m"] * cell["k"])
        self.assertIn(cell["plan_choice"], kernels())
        self.assertIn(cell["roof_limit"], ("fma", "L1", "L2", "L3", "DRAM"))
        self.assertGreater(cell["roof_share"], 0)
        dense = cell["m"] * cell["k"] if cell["format"] == "dense" else cell["nnz"]
        self.assertAlmostEqual(
            2 * dense * cell["n"] / cell["bytes_moved"] / cell["arithmetic_intensity"], 1, 6)
        self.assertTrue(cell["ci_low_ns"] <= cell["time_ns_median"] <= cell["ci_high_ns"])
        self.check_derived(cell)
        if cell["kernel"] == cell["dense_kernel"]:
            self.assertEqual(cell["speedup_dense"], 1)

    def check_derived(self, cell):
        """What follows from other fields."""
        m, k, n, time = (cell[name] for name in ("m", "k", "n", "time_ns_median"))
        clean = [ns for ns, taint in zip(cell["samples_ns"], cell["sample_taints"]) if not taint]
        used = clean if len(clean) >= 5 else cell["samples_ns"]
        self.assertAlmostEqual(statistics.median(used) / time, 1, 6)
        quarter = statistics.quantiles(used, n=4, method="inclusive")[0]
        self.assertAlmostEqual(quarter / cell["time_ns_p25"], 1, 6)
        self.assertTrue("noisy" in cell["taints"] or len(clean) >= 5)
        self.assertEqual(cell["bytes_moved"], cell["bytes_weights"] + 4 * (m + k) * n)
        for name, amount in (("gflops_nnz", 2 * cell["nnz"] * n), ("gflops_dense", 2 * m * k * n),
                             ("gbytes_s", cell["bytes_moved"])):
            self.assertAlmostEqual(cell[name] * time / amount, 1, 6, name)
        if not cell["peer"]:
            self.assertTrue(100 < cell["pack_ns"] < 1e10)

    def check_groups(self, head, cells):
        groups = {}
        for cell in cells:
            groups.setdefault(cell["group"], []).append(cell)
        self.assertEqual(list(groups), head["options"]["points"])
        for members in groups.values():
            self.assertEqual({cell["group_cells"] for cell in members}, {len(members)})
            self.assertEqual(len({cell["kernel"] for cell in members}), len(members))
            dense = {cell["kernel"]: cell["time_ns_median"] for cell in members
                     if cell["format"] == "dense"}
            self.assertEqual({cell["dense_kernel"] for cell in members}, {min(dense, key=dense.get)})
        shapes = {(cell["layer"], cell["m"], cell["k"], cell["n"], cell["sparsity_asked"])
                  for cell in cells}
        self.assertEqual(shapes, {(*layer, n, s) for layer in [("square", 64, 48), ("odd", 33, 65)]
                                  for n in (1, 8) for s in (0.5, 0.9)})

    def check_table(self, text, cells):
        head, rows, below = table(text)
        samples = [taint for cell in cells for taint in cell["sample_taints"]]
        share = sum(taint != 0 for taint in samples) / len(samples)
        self.assertIn(f"{len(cells)} rows; {100 * share:.1f} % of the samples were disturbed", below[0])
        self.assertEqual(len(below), 2 if share > 0.2 else 1)
        self.assertEqual("THE MACHINE WAS BUSY" in text, share > 0.2)
        self.assertIn("speedup [95 % interval]", head)
        self.assertEqual([re.split(r" +", row)[5] for row in rows],
                         [cell["kernel"] for cell in cells])

    def check_benchmark_json(self, cells):
        with open(self.path("benchmark.json"), encoding="utf-8") as file:
            data = json.load(file)
        self.assertIn("date", data["context"])
        by_name = {}
        for row in data["benchmarks"]:
            for name, kind in [("name", str), ("run_name", str), ("run_type", str), ("threads", int),
                               ("real_time", float), ("cpu_time", float), ("time_unit", str),
                               ("repetitions", int), ("repetition_index", int), ("iterations", int)]:
                self.assertIsInstance(row[name], kind, name)
            self.assertEqual((row["run_type"], row["time_unit"]), ("iteration", "ns"))
            by_name.setdefault(row["run_name"], []).append(row)
        self.assertEqual(set(by_name), {f"{cell['kernel']}/{cell['group']}" for cell in cells})
        for cell in cells:
            rows = by_name[f"{cell['kernel']}/{cell['group']}"]
            self.assertEqual([row["repetition_index"] for row in rows],
                             list(range(cell["sample_count"])))
            for row, sample in zip(rows, cell["samples_ns"]):
                self.assertAlmostEqual(row["real_time"] / sample, 1, 6)
                self.assertEqual(row["repetitions"], cell["sample_count"])

    def check_breakeven(self, out):
        text = self.finish(run("breakeven", out)).stdout
        for layer in "square", "odd":
            self.assertRegex(text, rf"(?m)^{layer} .*%")
        os.rename(out, self.path("records.jsonl"))
        data = json.loads(self.finish(run("breakeven", self.folder, "--json")).stdout)
        self.assertIn('"square"', json.dumps(data))

    def test_json_lines_instead_of_the_table(self):
        done = self.finish(self.small_run("--sparsity", "0.5", "--n", "8", "--json"))
        cells = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([cell["group_cells"] for cell in cells], [2, 2, 2, 2])
        for cell in cells:
            self.assertEqual(list(cell), [name for _, name in fields()])

    def test_weights_from_memory(self):
        out = self.path("r.jsonl")
        self.finish(self.small_run("--sparsity", "0.5", "--n", "8", "--cache", "warm,cold-weights",
                                   "--kernels", "spmm_csr_f32_scalar_row_1x8", "--out", out))
        cells = cells_of(out)
        self.assertEqual([cell["cache"] for cell in cells],
                         2 * (["warm"] * 2 + ["cold-weights"] * 2))
        for cell in cells:
            self.assertIn(f"|{cell['cache']}|", cell["group"])
        self.assertGreater(self.read_rates(read_records(out)[0])["DRAM"], 0)

    def test_the_list_runs_nothing(self):
        out = self.path("r.jsonl")
        done = self.finish(self.small_run("--sparsity", "0,0.5", "--n", "8", "--list", "--out", out))
        *points, total = done.stdout.splitlines()
        self.assertEqual(len(points), 4)
        for point in points:
            self.assertRegex(point, r"^(square|odd)\|.*\|s=0(\.5)?\|n=8\|.*  about [0-9.]+ s$")
        self.assertRegex(total, r"^4 points, about \d+ s$")
        self.assertEqual(os.listdir(self.folder), ["layers.txt"])

    def test_the_quick_sweep_lists_what_its_file_says(self):
        with open(os.path.join(ROOT, "harness", "quick.inc"), encoding="utf-8") as file:
            lines = re.findall(r'^SM_QUICK\("([^"]*)", *(\d+), ([^)]*)\)', file.read(), re.MULTILINE)
        wanted = [(layer, float(s), int(n)) for layer, n, list_ in lines for s in list_.split(",")]
        done = self.finish(run("run", "--quick", "--peers", "none", "--list"))
        found = re.findall(r"(?m)^([^|]*)\|.*\|s=([0-9.]+)\|n=(\d+)\|", done.stdout)
        self.assertEqual([(layer, float(s), int(n)) for layer, s, n in found], wanted)

    def test_the_same_seed_gives_the_same_weights_and_activations(self):
        def measured(seed):
            out = self.path(f"{seed}-{len(os.listdir(self.folder))}.jsonl")
            self.finish(self.small_run("--sparsity", "0.7", "--n", "5", "--seed", seed, "--out", out,
                                       "--kernels", "spmm_csr_f32_scalar_row_1x8"))
            return [(cell["nnz"], cell["err_bound_ratio"]) for cell in cells_of(out)
                    if cell["format"] == "csr"]
        first = measured("7")
        self.assertEqual(len(first), 2)
        self.assertEqual(measured("7"), first)
        self.assertNotEqual(measured("8"), first)


@needs_program
class Axes(ProgramTest):
    def cells(self, *arguments, **options):
        out = self.path("r.jsonl")
        self.finish(self.small_run(*arguments, "--out", out, **options))
        return cells_of(out)

    def test_layouts_threads_and_formats(self):
        cells = self.cells("--layout", "feature,token", "--threads", "1,all", "--format", "csr,panel",
                           "--n", "native", "--sparsity", "0.8")
        found = {(c["layer"], c["n"], c["layout"], c["threads"], c["format"]) for c in cells}
        self.assertEqual(found, {(*layer, layout, threads, name)
                                 for layer in [("square", 16), ("odd", 7)]
                                 for layout in ("feature", "token") for threads in {1, ALL_THREADS}
                                 for name in ("csr", "panel", "dense")})

    def test_all_levels_and_formats(self):
        cells = self.cells("--isa", "all", "--format", "all", "--n", "8", "--sparsity", "0.5")
        wanted = {(row["isa"], row["format"]) for row in kernels().values()
                  if row["usable"] and row["format"] != "dense"}
        self.assertEqual({(c["isa"], c["format"]) for c in cells if c["format"] != "dense"}, wanted)

    def test_all_kernels(self):
        cells = self.cells("--kernels", "all", "--n", "8", "--sparsity", "0.5")
        wanted = {name for name, row in kernels().items()
                  if row["usable"] and row["format"] != "dense"}
        for layer in "square", "odd":
            mine = [c for c in cells if c["layer"] == layer]
            self.assertEqual({c["kernel"] for c in mine if c["format"] != "dense"}, wanted)
            # Of all of them a plan takes none that was made for one column.
            self.assertNotIn("gather", mine[0]["plan_choice"])

    def test_one_level_forced(self):
        usable = sorted({row["isa"] for row in kernels().values() if row["usable"]})
        for level in usable:
            with self.subTest(level):
                done = self.finish(self.small_run("--n", "8", "--sparsity", "0.5", "--json",
                                                  env={"SPARSEMARK_ISA": level}))
                self.assertIn(f"SPARSEMARK_ISA={level} stands for --isa", done.stderr)
                cells = [json.loads(line) for line in done.stdout.splitlines()]
                self.assertEqual({c["isa"] for c in cells if c["format"] != "dense"}, {level})
                self.assertTrue(any(c["format"] == "dense" for c in cells))

    def test_nothing_above_the_ceiling(self):
        if not any(row["usable"] for row in kernels().values() if row["isa"] == "avx2"):
            self.skipTest("this machine has no AVX2: nothing can be held to it")
        out = self.path("r.jsonl")
        self.finish(self.small_run("--n", "8", "--sparsity", "0.5", "--peers", "auto", "--ceiling",
                                   "avx2", "--kernels", "all", "--out", out))
        run_object, cells = read_records(out)[0], cells_of(out)
        self.assertEqual(run_object["options"]["ceiling"], "avx2")
        self.assertIn("ONEDNN_MAX_CPU_ISA=AVX2", run_object["environment"])
        self.assertEqual({c["isa"] for c in cells if not c["peer"]},
                         {"scalar", "autovec256", "avx2"})
        cores = {peer["core"] for peer in run_object["peers"] if peer["usable"]}
        self.assertFalse({core for core in cores if "skx" in core.lower() or "512" in core})
        for words in ["--isa", "all", "--kernels", "plan"], ["--kernels", "sweep,plan"]:
            done = self.finish(self.small_run("--n", "8", "--sparsity", "0.5", "--json", *words,
                                              "--ceiling", "avx2"))
            held = {json.loads(line)["isa"] for line in done.stdout.splitlines()}
            self.assertFalse(held & {"autovec512", "avx512"})

    def test_dense_alone(self):
        cells = self.cells("--format", "dense", "--n", "8", "--sparsity", "0")
        self.assertEqual([(c["layer"], c["format"]) for c in cells],
                         [("square", "dense"), ("odd", "dense")])

    def test_values_that_overlap_are_measured_once(self):
        cells = self.cells("--n", "8,8", "--threads", "1,1", "--sparsity", "0.5:0.6:0.1,0.5,0.60",
                           "--format", "csr", "--layers", self.layers)
        self.assertEqual(len({c["group"] for c in cells}), 4)
        self.assertEqual(len(cells), 8)

    def test_layers_of_one_name_and_two_shapes_are_two_groups(self):
        other = self.put("other.txt", "square 32 48 16\n")
        cells = self.cells("--layers", other, "--n", "8", "--sparsity", "0.5")
        self.assertEqual({(c["layer"], c["m"]) for c in cells},
                         {("square", 64), ("odd", 33), ("square", 32)})
        self.assertEqual(len({c["group"] for c in cells}), 3)

    def test_ends_of_the_sparsity_axis(self):
        for c in self.cells("--sparsity", "0,1", "--n", "3", "--format", "csr,panel"):
            self.assertLessEqual(c["err_bound_ratio"], 1)
            if c["sparsity_asked"] == 0:
                self.assertEqual(c["nnz"], c["m"] * c["k"])
            else:
                self.assertLessEqual(c["nnz"], 1)

    def test_a_folder_of_dlmc_with_native_n(self):
        out = self.path("r.jsonl")
        self.finish(run("run", "--input", os.path.join(DATA, "dlmc"), "--n", "native", "--peers",
                        "none", "--budget", "1s", "--out", out))
        with open(os.path.join(DATA, "dlmc", "rn50_batchsizes.txt"), encoding="utf-8") as file:
            sizes = [int(line.split(",")[1]) for line in file if line.startswith("tiny,")]
        cells = cells_of(out)
        self.assertEqual({c["n"] for c in cells}, set(sizes))
        self.assertEqual({c["provenance"] for c in cells}, {"pruned-network:rn50/magnitude_pruning"})
        self.assertEqual({c["sparsity_asked"] for c in cells}, {None})
        self.assertTrue(all(c["source"].endswith("0.8/tiny.smtx") for c in cells))

    def test_an_empty_pattern(self):
        path = self.put("empty.smtx", "5, 7, 0\n0 0 0 0 0 0\n\n")
        out = self.path("r.jsonl")
        self.finish(run("run", "--input", path, "--n", "3", "--peers", "none", "--budget", "1s",
                        "--out", out, "--kernels", "all"))
        self.assertEqual({(c["nnz"], c["sparsity"]) for c in cells_of(out)}, {(0, 1)})

    def test_a_path_that_is_no_utf8(self):
        folder = os.fsencode(self.folder)
        for name in b"\xe9.smtx", b"\xe8.smtx":
            with open(os.path.join(folder, name), "wb") as file:
                file.write(b"2, 2, 1\n0 1 1\n0\n")
        out = self.path("r.jsonl")
        command = ["run", "--input", self.folder, "--n", "3", "--peers", "none", "--budget", "1s",
                   "--out", out]
        self.finish(run(*command))
        self.assertEqual(len({c["group"] for c in cells_of(out)}), 2)
        before = len(cells_of(out))
        self.finish(run(*command, "--resume"))
        self.assertEqual(len(cells_of(out)), before)
        with open(os.path.join(folder, b"\xe8.smtx"), "wb") as file:
            file.write(b"2, 2, 2\n0 1 2\n0 1\n")
        self.refuse(run(*command, "--resume"), "%E8.smtx")


@needs_program
class Lists(unittest.TestCase):
    def test_every_line_of_the_list_of_kernels(self):
        text = run("list", "kernels").stdout
        self.assertEqual([line.split()[0] for line in text.splitlines()], listed_kernels())
        self.assertEqual(list(kernels()), listed_kernels())

    def test_every_topic(self):
        whole = json.loads(run("list", "--json").stdout)
        for topic in "kernels", "layers", "patterns", "formats", "peers":
            done = run("list", topic)
            self.assertEqual((done.returncode, errors(done.stderr)), (0, []))
            names = [row["name"] for row in json.loads(run("list", topic, "--json").stdout)]
            self.assertEqual([row["name"] for row in whole[topic]], names)
            self.assertEqual([line.split()[0] for line in done.stdout.splitlines()], names)


@needs_program
class Check(unittest.TestCase):
    KERNEL = "spmm_csr_f32_scalar_row_1x8"

    def check(self, *arguments):
        done = run("check", *arguments)
        self.assertEqual((done.returncode, errors(done.stderr)), (0, []))
        return re.findall(r"(?m)^(\w+) +(\d+) +([0-9.e+-]+)  \S", done.stdout), done.stdout

    def test_one_kernel(self):
        rows, text = self.check("--kernels", self.KERNEL)
        self.assertEqual([row[0] for row in rows], [self.KERNEL])
        self.assertGreater(int(rows[0][1]), 100)
        self.assertTrue(0 < float(rows[0][2]) <= 1)
        self.assertIn("0 wrong", text)

    def test_all_beside_a_name_is_all(self):
        rows = self.check("--isa", "scalar", "--kernels", "all," + self.KERNEL)[0]
        self.assertGreater(len(rows), 1)
        self.assertEqual(rows, self.check("--isa", "scalar")[0])

    def test_repeated_with_the_next_seed(self):
        twice, _ = self.check("--kernels", self.KERNEL, "--repeat", "2", "--seed", "5")
        self.assertEqual([row[0] for row in twice], [self.KERNEL] * 2)
        second, _ = self.check("--kernels", self.KERNEL, "--seed", "6")
        self.assertEqual(twice[1:], second)
        self.assertNotEqual(twice[0][2], twice[1][2])

    def test_one_level(self):
        rows, _ = self.check("--isa", "scalar")
        self.assertEqual([row[0] for row in rows],
                         [name for name, row in kernels().items() if row["isa"] == "scalar"])


if __name__ == "__main__":
    unittest.main()
