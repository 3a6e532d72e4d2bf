#!/usr/bin/env python3
"""Draws a result folder: SVG and PNG pictures and one self-contained report.html.

Reads records.jsonl and nothing else, runs nothing, needs no network. Prints the page's path.
"""

import argparse
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from report_charts import breakeven_chart, bytes_chart, explorer_chart, speedup_chart  # noqa: E402
from report_charts import FACETS, ROWS  # noqa: E402
from report_data import CONDITIONS, breakeven, curves_of, means_of  # noqa: E402
from report_records import ReportError, read_runs  # noqa: E402
from report_limits import roofline_chart, saved_chart  # noqa: E402
from report_noise import noise_chart  # noqa: E402
from report_page import conditions_text, cpu_name, page, varying  # noqa: E402


ALL_NM = "nm"


def slug(text):
    return re.sub(r"[^A-Za-z0-9.]+", "-", str(text)).strip("-").lower()


def write(path, data):
    """Whole or not at all: to a temporary name, then renamed."""
    temporary, ours = f"{path}.{os.getpid()}.tmp", False
    try:
        with open(temporary, "xb") as file:
            ours = True
            file.write(data)
        os.replace(temporary, path)
    except OSError as error:
        if ours and os.path.exists(temporary):
            os.unlink(temporary)
        raise ReportError(f"{path}: cannot write: {error.strerror}") from None


def by_conditions(curves):
    """(conditions, their curves, what varies as part of a file name and of a title)."""
    names = varying([c.conditions for c in curves])[0] if curves else []
    for conditions in dict.fromkeys(c.conditions for c in curves):
        tag = "".join(f"-{slug(v)}" for name, v in zip(CONDITIONS, conditions) if name in names)
        suffix = f" ({conditions_text(conditions, names)})" if names else ""
        yield conditions, [c for c in curves if c.conditions == conditions], tag, suffix


def as_drawn(curve):
    """N:M patterns have one point each: they share a picture, in which the series names them."""
    if not curve.fixed:
        return curve
    named = curve.series if curve.series == "best" else f"{curve.pattern} {curve.series}"
    return curve.renamed(ALL_NM, named)


def pattern_charts(run, curves, prefix):
    """Where there are several patterns: the best kernel of each in one picture."""
    cpu = cpu_name(run.card)
    best = [c.renamed("", c.pattern) for c in curves if c.series == "best"]
    for conditions, these, tag, suffix in by_conditions(best):
        text = conditions_text(conditions)
        for n in sorted({c.n for c in these}):
            shown = [c for c in these if c.n == n]
            if len({c.series for c in shown}) > 1:
                spec = speedup_chart(shown, cpu, f"best kernel of each pattern, N = {n}, {text}",
                                     "pattern")
                yield f"{prefix}patterns{tag}-n{n}", f"Patterns at N = {n}{suffix}", spec


def charts_of(run, curves, prefix):
    """(file name, title, spec) of every picture of a run."""
    cpu, charts = cpu_name(run.card), list(pattern_charts(run, curves, prefix))
    for conditions, these, tag, suffix in by_conditions([as_drawn(c) for c in curves]):
        text, shares = conditions_text(conditions), these[0].pattern == ALL_NM
        legend = "pattern, format and level" if shares else "format and level"
        for n in sorted({c.n for c in these}):
            spec = speedup_chart([c for c in these if c.n == n], cpu, f"N = {n}, {text}", legend)
            charts.append((f"{prefix}speedup{tag}-n{n}", f"Speedup at N = {n}{suffix}", spec))
        if shares:
            continue  # no break-even, and means over layers of one pattern only
        found = [b for b in map(breakeven, these) if b]
        charts.append((f"{prefix}breakeven{tag}", f"Break-even{suffix}",
                       breakeven_chart(found, cpu, text)))
        charts.append((f"{prefix}bytes{tag}", f"Bytes and time against dense{suffix}",
                       bytes_chart(these, cpu, text)))
    return [chart for chart in charts if chart[2]]


def limit_charts(run, curves, prefix):
    """The pictures of what limits the kernels: over all conditions, which have facets."""
    cpu = cpu_name(run.card)
    charts = [(f"{prefix}saved", "Bytes saved against time saved", saved_chart(curves, cpu)),
              (f"{prefix}roofline", "Roofline", roofline_chart(run, cpu))]
    return [chart for chart in charts if chart[2]]


def render(vl_convert, charts, out):
    for name, _, spec in charts:
        svg = vl_convert.vegalite_to_svg(spec)
        write(os.path.join(out, f"{name}.svg"), svg.encode())
        write(os.path.join(out, f"{name}.png"), vl_convert.svg_to_png(svg, scale=2))


def report(source, out):
    try:
        import vl_convert
    except ImportError:
        raise ReportError("the module vl_convert is missing: pip install -r "
                          "scripts/requirements.txt") from None
    runs = read_runs(source)
    try:
        os.makedirs(out, exist_ok=True)
    except OSError as error:
        raise ReportError(f"{out}: cannot make the folder: {error.strerror}") from None
    sections = []
    for i, run in enumerate(runs):
        curves = curves_of(run)
        prefix = f"run{i + 1}-" if len(runs) > 1 else ""
        charts = charts_of(run, curves, prefix) + limit_charts(run, curves, prefix)
        noise = noise_chart(run, cpu_name(run.card))
        render(vl_convert, charts + ([(f"{prefix}noise", "", noise)] if noise else []), out)
        shown = [(title, spec) for _, title, spec in charts]
        layers = {(c.layer, c.conditions) for c in curves}
        if len(layers) > min(FACETS, ROWS):
            explorer = explorer_chart(curves)
            shown += [("Any layer", explorer)] if explorer else []
        sections.append((run, curves, means_of(curves), shown, noise))
    path = os.path.join(out, "report.html")
    write(path, page(sections, vl_convert.javascript_bundle()).encode())
    return path


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", help="folder with records.jsonl, or such a file")
    parser.add_argument("--out", help="folder for the pictures and the page (default: beside it)")
    options = parser.parse_args(argv)
    beside = (options.results if os.path.isdir(options.results)
              else os.path.dirname(options.results) or ".")
    try:
        print(report(options.results, options.out or beside))
    except ReportError as error:
        print(f"report.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
