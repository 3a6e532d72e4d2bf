"""The self-contained page: machine card, charts, tables, noise, how to read it. No network."""

import html
import json
import math

from report_data import CONDITIONS, breakeven, left_out, points_of
from report_limits import NO_ROOF, roof_points, roofs_of
from report_noise import disturbed_share, noise_of

BUSY = 0.2

STYLE = """
body{font:15px/1.45 "Liberation Sans",Arial,Helvetica,sans-serif;color:#222;margin:0 auto;
max-width:1400px;padding:1.5em}
h1{font-size:1.5em;margin:0 0 .2em}h2{font-size:1.2em;margin:2em 0 .5em;
border-bottom:1px solid #ccc}h3{font-size:1em;margin:1.4em 0 .4em}
table{border-collapse:collapse;font-size:13px}td,th{padding:.22em .7em;text-align:left;
border-bottom:1px solid #e4e4e4;vertical-align:top}th{background:#f5f5f5}
td.num,th.num{text-align:right;font-variant-numeric:tabular-nums}
.scroll{overflow:auto;max-height:36em;border:1px solid #ddd}.chart{overflow-x:auto;margin:1em 0 2em}
.warn{background:#fff4e0;border-left:4px solid #E69F00;padding:.4em .8em;margin:.6em 0}
.lose{color:#b03a00}.mark{color:#b03a00;font-weight:bold}.small{color:#555;font-size:13px}
.vega-bind{margin:.5em 0}code{background:#f3f3f3;padding:0 .25em}
"""

READING = """
<p><b>Speedup</b> is the time of the best verified dense kernel (this project's or another
library's, whichever is fastest) divided by the time of the sparse one, both timed in turn in the
same rounds: the median over rounds of the paired ratio, from samples that nothing disturbed.
Above the line at 1× sparse is faster. The <b>band</b> is the interval of that median.</p>
<p><b>Break-even</b> is the sparsity from which on sparse wins at every higher sparsity measured.
<i>never</i> means: not even at the highest one measured. <i>≤</i> means: already at the lowest.</p>
<p><b>N:M patterns</b> keep N of every M weights, so each has one sparsity, 1 − N/M, and no
break-even: its row says how fast it is there and, under <i>bytes</i>, how large. They share pictures
as points; bars are their intervals.</p>
<p><b>Marked</b> cells (hollow points, <span class="mark">*</span>) are shown and used, but do not
lean on them: <code>!precision</code> the interval is wider than asked for; <code>noisy</code> fewer
than five undisturbed samples, so that all were used; <code>weak-baseline</code> the best dense
kernel stayed far below what this CPU can do, so the speedup flatters; <code>not-cold</code> faster
than the memory that the weights should have come from. The last two are in no mean. Cells marked
<code>wrong</code> are left out altogether.</p>
<p><b>Bytes</b> are modelled from the format: weights, activations and output, each moved once. Time
that shrinks with the bytes says that memory is the limit; time that lags behind says that work on
the nonzeros is.</p>
<p><b>Packing paid after</b> so many calls: what packing the weights took, divided by what each call
saves against the best dense kernel; of the layers the one that needs the most calls.</p>
<p>The <b>roofline</b> sets work on nonzeros a second against work a byte moved. The slopes are what
each memory delivers, the flat line is what the multiply-add units do; both were measured in the same
run. A point far below every roof that its bytes allow is limited by something else: instructions on
indices, latency, or the width of the register tile.</p>
<p>A <b>geometric mean</b> covers layers of one provenance and one set of conditions only, and
stands beside its worst layer. Weights that were pruned here from random numbers have evenly spread
nonzeros, which is kinder than what training leaves: quote the provenance with the number, and the
CPU, the number of threads and N.</p>
"""


def _e(value):
    return html.escape(str(value))


def table(head, rows, numeric=(), scroll=False):
    def cells(tag, values):
        return "".join(f'<{tag}{" class=num" if i in numeric else ""}>{v}</{tag}>'
                       for i, v in enumerate(values))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    top = f"<thead><tr>{cells('th', map(_e, head))}</tr></thead>" if head else ""
    text = f"<table>{top}<tbody>{body}</tbody></table>"
    return f'<div class="scroll">{text}</div>' if scroll else text


def _words(value):
    """A value of the card in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {_words(v)}" for k, v in value.items()
                         if v not in ("", None, [], {}))
    if isinstance(value, list):
        return "; ".join(_words(v) for v in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def cpu_name(card):
    cpu = card.get("cpu")
    name = cpu.get("brand") if isinstance(cpu, dict) else None
    return " ".join(name.split()) if isinstance(name, str) and name.strip() else "an unnamed CPU"


def _peer_table(peers):
    rows = [[_e(p.get("name", "")), _e(p.get("kind", "")),
             _e(p.get("version", "") if p.get("usable") else f"not used: {p.get('reason', '')}"),
             _e(p.get("core", ""))] for p in peers if isinstance(p, dict)]
    return table(["peer", "kind", "version", "chosen core type"], rows) if rows else ""


def machine_card(card):
    """The conditions: short ones in the open, raw CPUID and the topology picture folded away."""
    build = card.get("build") if isinstance(card.get("build"), dict) else {}
    cpu = card.get("cpu") if isinstance(card.get("cpu"), dict) else {}
    options = card.get("options") if isinstance(card.get("options"), dict) else {}
    dirty = {True: " (with local changes)", False: ""}.get(build.get("dirty"), "")
    levels = [x.get("name") for x in card.get("levels") or [] if isinstance(x, dict)
              and x.get("usable")]
    rows = [
        ("CPU", cpu_name(card)),
        ("identity", _words({k: v for k, v in cpu.items() if k != "brand"})),
        ("levels usable", ", ".join(map(str, levels))),
        ("measured", card.get("utc")),
        ("commit", f"{build.get('commit', 'unknown')}{dirty}"),
        ("compiler", _words({k: build.get(k) for k in ("compiler", "type", "flags")})),
        ("options", _words({k: v for k, v in options.items() if k != "points"})),
        ("governor", card.get("governor")),
        ("load average", _words(card.get("load_average") or "")),
        ("CPUs allowed", card.get("cpuset")),
        ("environment", _words(card.get("environment") or [])),
        ("run", card.get("run_id"))]
    text = table([], [[f"<b>{_e(k)}</b>", _e(v)] for k, v in rows if v])
    text += _peer_table(card.get("peers") or [])
    for warning in card.get("warnings") or []:
        text += f'<div class="warn">{_e(_words(warning))}</div>'
    topology = card.get("topology")
    picture = topology.get("picture") if isinstance(topology, dict) else None
    if picture:
        text += f"<details><summary>topology</summary><pre>{_e(picture)}</pre></details>"
    raw = _e(json.dumps(card, indent=1, ensure_ascii=False))
    return (text + "<details><summary>the whole record of the run</summary>"
            f"<pre>{raw}</pre></details>")


def varying(all_conditions):
    """The names of the conditions that differ, and those that are the same everywhere."""
    columns = list(zip(*all_conditions))
    differ = [name for name, values in zip(CONDITIONS, columns) if len(set(values)) > 1]
    return differ, [name for name in CONDITIONS if name not in differ]


def conditions_text(conditions, only=None):
    return ", ".join(f"{name} {value}" for name, value in zip(CONDITIONS, conditions)
                     if value != "" and (only is None or name in only))


def _values(conditions, only):
    return [_e(value) for name, value in zip(CONDITIONS, conditions) if name in only]


def _times(value):
    return f'<span class="{"lose" if value < 1 else ""}">{value:.2f}×</span>'


def _conditions_table(all_conditions, head, rows, numeric):
    """A table with a column for every condition that varies; the others stand above it."""
    differ, same = varying(all_conditions)
    shift = len(differ)
    return (f"<p class=small>{_e(conditions_text(all_conditions[0], same))}</p>"
            + table(differ + head, [_values(c, differ) + row
                                    for c, row in zip(all_conditions, rows)],
                    numeric={i + shift for i in numeric}, scroll=True))


def calls_text(calls):
    """After how many calls packing has paid."""
    if calls is None:
        return "-"
    return f"{math.ceil(calls):,}" if calls < 1e9 else "never"


def means_table(means):
    if not means:
        return "<p>No cell has a speedup that a mean may use.</p>"
    rows = [[m["n"], _e(m["series"]), f"{m['percent']} %", _times(m["geomean"]),
             _times(m["worst"]), _e(m["worst_layer"]), calls_text(m["payback"]), m["points"],
             f'<span class="mark">{m["marked"]}</span>' if m["marked"] else 0] for m in means]
    return _conditions_table([m["conditions"] for m in means],
                             ["N", "format", "sparsity", "geometric mean", "worst", "worst layer",
                              "packing paid after (calls)", "layers", "marked"], rows,
                             numeric=(0, 2, 3, 4, 6, 7, 8))


def _nearest(curve, goal):
    near = [p for p in curve.points if p.speedup and abs(p.sparsity - goal) <= 0.02 + 1e-9]
    return min(near, key=lambda p: abs(p.sparsity - goal)) if near else None


def _from(found):
    """Break-even and interval."""
    return (_e(found.short()),
            ("too noisy to say: " if found.noisy else "") + _e(found.interval()))


def _at_its_own(point):
    """The same columns for a pattern that has one sparsity: the speedup there, its interval."""
    interval = f"{_times(point.low)} to {_times(point.high)}" if point.low and point.high else "?"
    return f"{_times(point.speedup)} at {100 * point.sparsity:.0f} %", interval


def breakeven_table(curves):
    rows, conditions = [], []
    for curve in curves:
        found = None if curve.redundant else breakeven(curve)
        if not found:
            continue
        at = [_nearest(curve, goal) for goal in (0.5, 0.7, 0.9)]
        shared = curve.points[0] if curve.fixed else at[1]
        conditions.append(curve.conditions)
        rows.append([_e(curve.layer), _e(curve.shape), curve.n, _e(curve.series),
                     f"{len(curve.points)} of {len(curve.measured) or len(curve.points)}",
                     *(_at_its_own(curve.points[0]) if curve.fixed else _from(found)),
                     *(_times(p.speedup) if p else "-" for p in at),
                     f"{100 * shared.bytes_share:.0f} %" if shared and shared.bytes_share else "-",
                     f'<span class="mark">{_e(" ".join(curve.marks()))}</span>'])
    if not rows:
        return "<p>No cell has a speedup.</p>"
    return _conditions_table(conditions,
                             ["layer", "M×K", "N", "format", "sparsities", "from", "interval",
                              "50 %", "70 %", "90 %", "bytes at 70 %", "marks"], rows,
                             numeric=(2, 4, 5, 7, 8, 9, 10))


def left_out_sentence(run):
    counts = left_out(run)
    text = ", ".join(f"{count} marked <code>{_e(mark)}</code>" for mark, count in counts.items())
    return f"<p>Sparse cells left out of these means: {text or 'none'}.</p>"


def incomplete_warning(run):
    asked, done = points_of(run)
    if done == asked:
        return ""
    return (f'<div class="warn"><b>Incomplete:</b> {done} of {asked} points were measured. '
            "<code>run --resume</code> goes on.</div>")


def busy_warning(run):
    share = disturbed_share(run)
    if share <= BUSY:
        return ""
    return (f'<div class="warn"><b>The machine was busy:</b> {100 * share:.0f} % of the samples were '
            "disturbed. They are left out of the estimates where five others remain, but measure "
            "again on a quiet machine before you lean on this run.</div>")


def noise_section(run):
    noise = noise_of(run)
    cells = len(run.cells)
    share = noise["tainted"] / noise["samples"] if noise["samples"] else 0
    rows = [[_e(name), count, f"{100 * count / max(noise['samples'], 1):.1f} %"]
            for name, count in noise["bits"].items()]
    marks = [[f'<span class="mark">{_e(mark)}</span>', count, f"{100 * count / cells:.1f} %"]
             for mark, count in sorted(noise["marks"].items())]
    return (f"<p>{noise['samples']} samples in {cells} cells; {100 * share:.1f} % disturbed: left "
            "out of the estimates where five others remain.</p>"
            + table(["samples disturbed by", "samples", "share"], rows, numeric=(1, 2))
            + "<br>" + table(["cells marked", "cells", "share"], marks, numeric=(1, 2)))


def _json_for_script(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def page(sections, bundle):
    """sections: (run, curves, means, [(title, spec)], noise spec) a run; bundle: Vega's JavaScript."""
    parts, specs = [], []

    def add(spec):
        parts.append(f'<div class="chart" id="chart{len(specs)}"></div>')
        specs.append(spec)

    for run, curves, means, charts, noise in sections:
        parts.append(f"<h1>Sparse against dense on {_e(cpu_name(run.card))}</h1>"
                     f"<p class=small>{len(run.cells)} cells, run {_e(run.card['run_id'])}</p>"
                     + incomplete_warning(run) + busy_warning(run))
        parts.append(f"<h2>The machine and the run</h2>{machine_card(run.card)}<h2>Charts</h2>")
        if not any(p.speedup for curve in curves for p in curve.points):
            parts.append('<div class="warn">No dense kernel was timed beside the sparse ones: '
                         "there is no speedup to show.</div>")
        for title, spec in charts:
            parts.append(f"<h3>{_e(title)}</h3>")
            add(spec)
        if not roof_points(run, roofs_of(run)):
            parts.append(f"<p>Roofline: {NO_ROOF}.</p>")
        parts.append(f"<h2>Geometric means over layers</h2>{left_out_sentence(run)}"
                     f"{means_table(means)}")
        parts.append(f"<h2>Break-even of every layer</h2>{breakeven_table(curves)}")
        parts.append(f"<h2>Noise</h2>{noise_section(run)}")
        if noise:
            add(noise)
    parts.append(f"<h2>How to read this</h2>{READING}")
    bundle = bundle.replace("</script", r"<\/script")
    title = _e(f"sparsemark: {cpu_name(sections[0][0].card)}")
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style></head>
<body>
{"".join(parts)}
<script>{bundle}</script>
<script>
const specs = {_json_for_script(specs)};
const options = {{renderer: "svg", actions: {{export: true, source: false, compiled: false,
                                             editor: false}}}};
specs.forEach((spec, i) => vegaEmbed("#chart" + i, spec, options));
</script></body></html>
"""
