#!/usr/bin/env python3
"""How time grows with the nonzeros, with N, with K and with the number of layers.

Each series changes one of them and keeps the others. Its times are fitted by t0 + c x^p, relative
errors weighing alike: p is the slope of the log-log picture beyond the fixed cost t0. Beside them
stand the fixed cost of a call (a matrix of one weight) and packing and running one large layer.

    scripts/scaling.py FOLDER                       # tables and picture of what FOLDER holds
    scripts/scaling.py FOLDER --run [-- OPTION...]  # measures first; OPTIONs of sparsemark run

FOLDER gets records.jsonl (sparsemark run), layers.json (the series of layers, through the Python
binding, on a clock of its own), scaling.md, scaling.svg and scaling.png.
"""

import argparse
import json
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from paired import is_timed, markdown, measure, split_arguments  # noqa: E402
from plan_choice import save  # noqa: E402
from report_records import ReportError, read_runs  # noqa: E402

# Layers carry the series' name: what is measured for one is never taken for another.
SPARSITIES = "0.5,0.6,0.7,0.8,0.9,0.95,0.98,0.99,0.995,0.998,0.999"
NS = "1,2,4,8,16,32,64,128,256,512,1024"
KS = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
LAYERS = (1, 2, 4, 8, 16, 32, 64)
LARGE = ("large", 14336, 4096)
SERIES = {"nnz": ("nonzeros", "scale-nnz"), "n": ("N, columns of X", "scale-n"),
          "k": ("K, columns of W", "scale-k"), "layers": ("layers", None)}
# Below that a strip is mostly padding, and one column has kernels of its own.
FITTED_FROM = {"n": 32}


def parts(folder, tiny):
    """Lists of arguments of sparsemark run, one a series."""
    ks = KS[:4] if tiny else KS
    side = 64 if tiny else 1024
    lists = {"nnz": [("scale-nnz", side, side)], "n": [("scale-n", side, side)],
             "k": [(f"scale-k/{k}", side // 2, k) for k in ks], "call": [("one-weight", 1, 1)],
             "large": [("large", 128, 64) if tiny else LARGE]}
    # Enough points from FITTED_FROM on.
    axes = {"nnz": ("0.5,0.8,0.9,0.95" if tiny else SPARSITIES, "128"),
            "n": ("0.8", "8,32,64,128,256" if tiny else NS), "k": ("0.8", "128"), "call": ("0", "1"),
            "large": ("0.5", "1,32")}
    found = []
    for name, layers in lists.items():
        path = os.path.join(folder, f"{name}.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{layer} {m} {k} 1\n" for layer, m, k in layers)
        found.append(["--layers", path, "--sparsity", axes[name][0], "--n", axes[name][1],
                      "--peers", "none", "--kernels", "best"])
    return found


def time_layers(counts, side, n, rounds=15):
    """[(layers, ns)]: one call after the other of plans that share nothing, the median of rounds."""
    import numpy as np
    from sparsemark import Csr, Plan
    rng = np.random.default_rng(1)
    x = rng.random((side, n), np.float32)
    calls = []
    for _ in range(max(counts)):
        w = rng.standard_normal((side, side)).astype(np.float32)
        w[np.abs(w) < 1.2816] = 0  # 80 %
        calls.append(Plan(Csr.from_dense(w), n=n).bind(x))
    samples = {count: [] for count in counts}
    for _ in range(rounds + 1):
        for count in counts:
            repeat = max(1, max(counts) // count // 4)
            start = time.perf_counter_ns()
            for _ in range(repeat):
                for call in calls[:count]:
                    call()
            samples[count].append((time.perf_counter_ns() - start) / repeat)
    return [[count, sorted(taken[1:])[rounds // 2]] for count, taken in samples.items()]


def best_cells(runs):
    """The fastest sparse cell of each group."""
    groups = {}
    for i, run in enumerate(runs):
        for cell in run.cells:
            if cell["format"] != "dense" and not cell["peer"] and is_timed(cell):
                groups.setdefault((i, cell["_group"]), []).append(cell)
    return [min(cells, key=lambda c: c["time_ns_median"]) for cells in groups.values()]


def series_of(cells, layers):
    """name -> sorted [(x, ns)]"""
    found = {}
    for name, (_, layer) in SERIES.items():
        points = layers if layer is None else [
            (c[name], c["time_ns_median"]) for c in cells
            if c["layer"] == layer or c["layer"].startswith(layer + "/")]
        if points:
            found[name] = sorted(map(tuple, points))
    return found


def fit(points, slope=None):
    """(t0 ns, c, p, largest relative error) of t0 + c x^p, p free or given; None for fewer than four
    points."""
    if len(points) < 4:
        return None
    import numpy as np
    from scipy.optimize import least_squares
    x, t = (np.array(values, float) for values in zip(*points))

    def model(q):
        return q[0] * t.min() + np.exp(q[1]) * t.max() * (x / x.max()) ** (slope or q[2])

    best = least_squares(lambda q: np.log(model(q) / t), [0.1, 0.0, 1.0],
                         bounds=([0, -5, 0], [1, 5, 4]))
    t0, p = best.x[0] * t.min(), slope or best.x[2]
    return (t0, np.exp(best.x[1]) * t.max() / x.max() ** p, p,
            float(np.max(np.abs(model(best.x) / t - 1))))


def fitted(name, points, slope=None):
    """The fit of a series, over the points that it is for."""
    return fit([p for p in points if p[0] >= FITTED_FROM.get(name, 0)], slope)


def fixed_cost(cells):
    """ns of a call with one weight, or None."""
    times = [c["time_ns_median"] for c in cells if c["layer"] == "one-weight"]
    return min(times) if times else None


def text_of(ns):
    if ns < 1:
        return "none"
    return f"{ns / 1e3:.3g} µs" if ns < 1e6 else f"{ns / 1e6:.3g} ms"


def lines_of(cells, series):
    """The page's Markdown."""
    rows = []
    for name, points in series.items():
        found, linear = fitted(name, points), fitted(name, points, 1)
        ends = [f"{points[0][0]:,} to {points[-1][0]:,}",
                f"{text_of(points[0][1])} to {text_of(points[-1][1])}"]
        since = f", fitted from {FITTED_FROM[name]} on" if name in FITTED_FROM else ""
        rows.append([SERIES[name][0] + since, len(points), *ends, *(
            (f"{found[2]:.2f}", f"{100 * found[3]:.0f} %", text_of(linear[0]),
             f"{100 * linear[3]:.0f} %") if found else ("-",) * 4)])
    lines = markdown(["time against", "points", "from", "time", "slope p", "off by at most",
                      "as a straight line: fixed cost", "off by at most"], rows)
    if fixed_cost(cells) is not None:
        lines += ["", f"A call with one weight and one column takes {text_of(fixed_cost(cells))}."]
    large = [c for c in cells if c["layer"] == "large"]
    if large:
        lines += ["", *markdown(
            ["large layer", "sparsity", "N", "kernel", "packs in", "runs in", "against dense"],
            [[f"{c['m']}×{c['k']}", f"{100 * c['sparsity']:.0f} %", c["n"], c["kernel"],
              f"{c['pack_ns'] / 1e9:.2f} s", text_of(c["time_ns_median"]),
              f"{c['speedup_dense']:.2f}×" if c["speedup_dense"] else "-"] for c in large])]
    return lines


def _panel_title(found):
    if not found:
        return ""
    fixed = text_of(found[0])
    return f"slope {found[2]:.2f}" + (f" beyond {fixed}" if fixed != "none" else "")


def chart(series, cpu):
    """Four log-log panels, points measured, lines fitted; None without a series."""
    from report_charts import PALETTE, _base, _title
    panels = []
    for i, (name, points) in enumerate(series.items()):
        found = fitted(name, points)
        start = FITTED_FROM.get(name, 0)
        rows = [{"x": x, "t": t / 1e3, **({"fit": (found[0] + found[1] * x ** found[2]) / 1e3}
                                          if found and x >= start else {})} for x, t in points]
        x = {"field": "x", "type": "quantitative", "scale": {"type": "log", "nice": False},
             "title": SERIES[name][0], "axis": {"format": "~s", "tickCount": 6}}
        y = {"type": "quantitative", "scale": {"type": "log"}, "title": "µs a call"}
        layers = [{"mark": {"type": "point", "filled": True, "size": 45, "opacity": 1,
                            "color": PALETTE[i]}, "encoding": {"x": x, "y": {**y, "field": "t"}}}]
        if found:
            layers.insert(0, {"mark": {"type": "line", "color": PALETTE[i], "strokeWidth": 1.5},
                              "encoding": {"x": x, "y": {**y, "field": "fit"}}})
        panels.append({"width": 230, "height": 230, "layer": layers, "data": {"values": rows},
                       "title": {"text": _panel_title(found), "fontSize": 12, "offset": 6}})
    if not panels:
        return None
    spec = _base(_title(f"How time grows on {cpu}", "points: measured; lines: t0 + c x^p"), [])
    return {**spec, "hconcat": panels}


def read(folder):
    """(runs, fastest sparse cells, series) of a folder."""
    runs = read_runs(folder)
    path, layers = os.path.join(folder, "layers.json"), []
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            layers = json.load(file)["points"]
    cells = best_cells(runs)
    return runs, cells, series_of(cells, layers)


def measure_all(folder, tiny, extra):
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        measure(os.path.join(folder, "records.jsonl"), parts(made, tiny), extra)
    points = time_layers(LAYERS[:4], 64, 8, 3) if tiny else time_layers(LAYERS, 512, 32)
    save(os.path.join(folder, "layers.json"),
         [json.dumps({"type": "layers", "schema": 1, "unit": "ns", "points": points,
                      "shape": [64, 64, 8] if tiny else [512, 512, 32], "sparsity": 0.8})])


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder")
    parser.add_argument("--run", action="store_true", help="measure first")
    parser.add_argument("--tiny", action="store_true", help="small sizes: to see that it works")
    arguments, extra = split_arguments(argv)
    options = parser.parse_args(arguments)
    try:
        if options.run:
            measure_all(options.folder, options.tiny, extra)
        runs, cells, series = read(options.folder)
        if not series:
            raise ReportError(f"{options.folder}: no series: expected records of scaling.py --run")
        lines = lines_of(cells, series)
        save(os.path.join(options.folder, "scaling.md"), lines)
        import vl_convert
        from report import render
        from report_page import cpu_name
        render(vl_convert, [("scaling", "", chart(series, cpu_name(runs[0].card)))], options.folder)
    except (ReportError, OSError, ImportError) as error:
        print(f"scaling.py: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
