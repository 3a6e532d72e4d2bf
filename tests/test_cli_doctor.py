"""sparsemark doctor: what it prints, its JSON, and that its exit code does not depend on the grade."""

import json
import unittest

from program import ProgramTest, needs_program, run

CONDITIONS = ["build", "hypervisor", "steal", "load", "threads allowed", "CPU quota",
              "frequency governor", "turbo", "SMT", "NUMA", "transparent huge pages", "swap",
              "address randomisation", "clock source", "clock", "hardware counters"]


@needs_program
class Doctor(ProgramTest):
    def examine(self, *arguments):
        return self.finish(run("doctor", "--time", "1s", *arguments)).stdout

    def check_findings(self, findings):
        for finding in findings:
            self.assertEqual(set(finding), {"name", "value", "verdict", "effect", "advice"})
            self.assertIn(finding["verdict"], ("ok", "note", "bad"))
            self.assertTrue(finding["value"])
            for words in "effect", "advice":
                self.assertEqual(finding[words] == "", finding["verdict"] == "ok", finding)

    def test_json(self):
        report = json.loads(self.examine("--json"))
        slug = run("info", "--slug").stdout.strip()
        card = json.loads(run("info", "--json").stdout)
        self.assertEqual((report["type"], report["schema"], report["machine"]), ("doctor", 1, slug))
        for field in "slug", "build", "cpu":
            self.assertEqual(report["identity"][field], card[field])
        self.check_findings(report["conditions"])
        self.assertEqual([finding["name"] for finding in report["conditions"]], CONDITIONS)
        self.check_build(report)
        self.check_run(report)
        self.check_grade(report)

    def check_build(self, report):
        build = report["identity"]["build"]
        counts = build["type"] == "Release" and build["sanitize"] == ""
        self.assertEqual(report["build_counts"], counts)
        self.assertEqual(report["conditions"][0]["verdict"], "ok" if counts else "bad")

    def check_run(self, report):
        aa = report["run"]
        self.check_findings(aa["findings"])
        self.assertEqual((aa["m"], aa["k"], aa["n"], aa["sparsity"]), (768, 768, 128, 0.7))
        self.assertEqual(aa["samples"], 4 * aa["rounds"])
        self.assertEqual(set(aa["taints"]), {"migrated", "switched", "steal", "probe"})
        self.assertGreaterEqual(sum(aa["taints"].values()), aa["samples"] - aa["quiet_samples"])
        self.assertEqual([row["name"] for row in aa["rows"]], ["sparse", "dense", "speedup"])
        for row in aa["rows"]:
            quiet = 120 * row["quiet_pairs"] / row["pairs"]
            width = 1.96 * 1.2533 * 1.4826 * row["scatter"] / max(quiet, 1) ** 0.5
            self.assertAlmostEqual(row["detectable"], (row["bias"] or 0) + width, 6)
            if row["bias"] is not None:
                self.assertAlmostEqual(row["bias"], abs(row["ratio"] - 1), 6)
        self.assertIsNone(aa["rows"][2]["bias"])

    def check_grade(self, report):
        rows = report["run"]["rows"]
        self.assertEqual(report["detectable"], max(row["detectable"] for row in rows))
        self.assertEqual(report["noise_floor"], max(row["noise_floor"] for row in rows))
        share = report["run"]["quiet_samples"] / report["run"]["samples"]
        self.assertAlmostEqual(report["quiet_share"], share, 6)
        expected = next(limit["grade"] for limit in report["thresholds"]
                        if limit["detectable_at_most"] is None
                        or (report["detectable"] <= limit["detectable_at_most"]
                            and share >= limit["quiet_share_at_least"]))
        self.assertEqual(report["grade"], expected)
        self.assertEqual([limit["grade"] for limit in report["thresholds"]],
                         ["quiet", "fair", "noisy", "unusable"])

    def test_text(self):
        text = self.examine()
        for word in [*CONDITIONS, "A/A run", "_dense_f32_", "detectable", "grade: "]:
            self.assertIn(word, text)
        build = json.loads(run("info", "--json").stdout)["build"]
        said = "not a release build" in text
        self.assertEqual(said, build["type"] != "Release" or build["sanitize"] != "")

    def test_help_states_thresholds_and_formula(self):
        text = self.finish(run("doctor", "--help")).stdout
        for word in ("quiet     at most 1 %, at least 90 %", "fair      at most 2 %, at least 50 %",
                     "noisy     at most 5 %, at least 20 %", "unusable", "1.96 x 1.2533 x 1.4826"):
            self.assertIn(word, text)

    def test_refusals(self):
        for value in "", "x", "0", "0s", "-1", "5d", "nan", "inf", "1 s", "10ss":
            self.refuse(run("doctor", "--time", value), f"--time '{value}'")
        for arguments, part in ((["--time"], "needs a value"), (["more"], "'more'"),
                                (["--frobnicate"], "--frobnicate"), (["-x"], "-x")):
            done = run("doctor", *arguments)
            self.refuse(done, "doctor", part)
            self.assertEqual(done.stdout, "")


if __name__ == "__main__":
    unittest.main()
