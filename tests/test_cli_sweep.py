"""run --kernels sweep,plan: who competes, and what the records say of it."""

import json
import unittest

from program import ProgramTest, cells_of, kernels, needs_program, read_records, run

FINALISTS = 6


@needs_program
class Sweep(ProgramTest):
    def run_small(self, words, *arguments):
        out = self.path("r.jsonl")
        self.finish(self.small_run("--kernels", words, "--out", out, *arguments))
        groups = {}
        for cell in cells_of(out):
            groups.setdefault(cell["group"], []).append(cell)
        return read_records(out)[0]["options"]["kernels"], list(groups.values())

    def test_finalists_and_the_plan(self):
        words, groups = self.run_small("sweep,plan", "--sparsity", "0.9", "--n", "1,7")
        self.assertEqual((words, len(groups)), (["sweep", "plan"], 4))
        listed = kernels()
        for cells in groups:
            names = [(cell["kernel"], cell["kt"]) for cell in cells]
            self.assertEqual(len(set(names)), len(names))
            swept = [c for c in cells if c["kernel"] != "plan" and c["format"] != "dense"]
            self.assertEqual(len(swept), FINALISTS)
            plan = next(c for c in cells if c["kernel"] == "plan")
            chosen = listed[plan["plan_choice"]]
            for field in "format", "isa", "variant", "mr", "nr":
                self.assertEqual(plan[field], chosen[field])
            self.assertEqual({c["plan_choice"] for c in cells}, {plan["plan_choice"]})
            self.assertEqual(len({c["sample_count"] for c in cells}), 1)
            self.assertLessEqual(max(c["err_bound_ratio"] for c in cells), 1)
            self.assertLessEqual(max(c["kt"] for c in swept), cells[0]["k"])

    def test_each_has_a_name_of_its_own_for_google_benchmark(self):
        _, groups = self.run_small("sweep", "--sparsity", "0.9", "--n", "7")
        with open(self.path("benchmark.json"), encoding="utf-8") as file:
            names = {row["run_name"] for row in json.load(file)["benchmarks"]}
        self.assertEqual(len(names), sum(map(len, groups)))

    def test_the_plan_alone_may_choose_dense_and_has_the_control_beside_it(self):
        _, groups = self.run_small("plan", "--sparsity", "0", "--n", "64")
        for cells in groups:
            self.assertEqual([cell["kernel"] for cell in cells][:1], ["plan"])
            self.assertEqual(len(cells), 2)
            self.assertEqual(cells[1]["format"], "dense")
            self.assertEqual(cells[0]["dense_kernel"], cells[1]["kernel"])

    def test_copies_of_what_the_plan_chose_from_memory(self):
        _, groups = self.run_small("plan", "--sparsity", "0.9", "--n", "1", "--cache",
                                   "cold-weights")
        self.assertEqual([[c["kernel"] for c in cells][0] for cells in groups], ["plan"] * 2)

    def test_only_what_was_asked_for_is_swept(self):
        _, groups = self.run_small("sweep", "--sparsity", "0.9", "--n", "8", "--isa", "scalar",
                                   "--format", "panel,csr")
        for cells in groups:
            swept = [c for c in cells if c["format"] != "dense"]
            self.assertEqual({(c["format"], c["isa"]) for c in swept},
                             {("panel", "scalar"), ("csr", "scalar")})

    def test_words(self):
        self.refuse(self.small_run("--kernels", "plan,nothing"), "--kernels 'nothing'")
        self.refuse(self.small_run("--kernels", "best,plan"), "--kernels 'best'")
        self.refuse(self.small_run("--kernels", ","), "--kernels ','")
        for word in "plan", "sweep":
            self.refuse(run("check", "--kernels", word), "check expected all")


if __name__ == "__main__":
    unittest.main()
