#!/usr/bin/env python3
"""Counts what the hot loops of the hand-written kernels do, from the disassembly of their objects.

A hot loop is an innermost loop with multiply-adds on vectors. Counted are its loads of
vectors, broadcasts and gathers from memory, shuffles, loads of integers, and what touches the
stack: a spill. Loads per FMA (broadcasts included, a gather as one a lane) say what the load ports
allow, on any machine. Needs objdump; runs nothing.

    scripts/hot_loops.py                    # a line a kernel; --all: a line a loop
    scripts/hot_loops.py --check FILE       # against what is stored; --update FILE: stores it
"""

import argparse
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, dataclass

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FMA = re.compile(r"vfn?m(add|sub)\d*ps|vpdpbusds?|vpdpwssds?|vdpbf16ps")
SHUFFLE = re.compile(r"v(p?perm|p?shuf|p?unpck|p?insert|p?extract|p?align|p?expand|p?compress|"
                     r"movlhps|movhlps|movs[lh]dup|movddup|p?blend)")
BROADCAST = re.compile(r"vp?broadcast")
LANES = {"x": 4, "y": 8, "z": 16}
# Instructions that leave memory alone though they name an address.
NO_ACCESS = re.compile(r"lea|nop|prefetch|cs$|data16")


class HotLoopsError(Exception):
    """One line for the user: what, where, what was expected."""


@dataclass
class Instruction:
    address: int
    name: str
    operands: list  # AT&T's order: the destination is the last

    @property
    def target(self):
        """Where a jump goes, None for what is none or goes through a register."""
        found = re.match(r"([0-9a-f]+) <", " ".join(self.operands))
        return int(found[1], 16) if found and self.name.startswith("j") else None

    @property
    def ends_path(self):
        return self.name in ("jmp", "ret", "retq", "ud2", "jmpq")


@dataclass
class Loop:
    instructions: int = 0
    fma: int = 0
    loads: int = 0       # of vectors, as an instruction of their own or as an operand
    broadcasts: int = 0  # from memory
    gathers: int = 0     # lanes
    shuffles: int = 0
    index_loads: int = 0  # into integer registers, and beyond the stack
    stores: int = 0
    stack: int = 0  # whatever touches the stack

    @property
    def loads_per_fma(self):
        return (self.loads + self.broadcasts + self.gathers) / self.fma


def split_operands(text):
    """Commas outside brackets separate."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def parse(text):
    """name of the function -> its instructions, from objdump -d --no-show-raw-insn."""
    functions, current = {}, None
    for line in text.splitlines():
        head = re.match(r"[0-9a-f]+ <([^>]+)>:$", line)
        if head:
            current = functions.setdefault(head[1], [])
            continue
        found = re.match(r" *([0-9a-f]+):\t(.*)$", line)
        if not found or current is None:
            continue
        words = re.sub(r"\s*#.*", "", found[2]).strip()
        words = re.sub(r"^(\{[a-z]+\}|bnd|notrack|rep[a-z]*|lock|cs|ds) ", "", words)
        name, _, operands = words.partition(" ")
        if name:
            current.append(Instruction(int(found[1], 16), name, split_operands(operands)))
    return functions


def blocks_of(instructions):
    """Basic blocks: (first index, one past the last), and the successors of each block."""
    at = {ins.address: i for i, ins in enumerate(instructions)}
    starts = {0}
    for i, ins in enumerate(instructions):
        if ins.target in at:
            starts.add(at[ins.target])
        if ins.name.startswith("j") or ins.ends_path:
            starts.add(i + 1)
    starts = sorted(s for s in starts if s < len(instructions))
    ends = starts[1:] + [len(instructions)]
    block_at = {start: b for b, start in enumerate(starts)}
    successors = []
    for end in ends:
        last = instructions[end - 1]
        next_ones = [block_at[at[last.target]]] if last.target in at else []
        if not last.ends_path and end in block_at:
            next_ones.append(block_at[end])
        successors.append(next_ones)
    return list(zip(starts, ends)), successors


def reached_from(start, nodes, edges):
    """The nodes that one or more edges lead to."""
    reached, todo = set(), [start]
    while todo:
        for node in edges[todo.pop()]:
            if node in nodes and node not in reached:
                reached.add(node)
                todo.append(node)
    return reached


def cycles(nodes, successors, before):
    """The strongly connected components that have an edge."""
    left = set(nodes)
    while left:
        start = min(left)
        body = reached_from(start, left, successors) & reached_from(start, left, before)
        if body:
            yield body
        left -= body | {start}


def innermost(nodes, successors, is_hot):
    """Loops of hot blocks that have no such loops in them. The compiler may jump into the middle of
    a loop, too: each of the ways in is taken for its beginning, and the smallest loops found count."""
    before = {node: [] for node in nodes}
    for node in nodes:
        for to in successors[node]:
            if to in nodes:
                before[to].append(node)
    found = []
    for body in cycles(nodes, successors, before):
        if not any(map(is_hot, body)):
            continue
        # Who jumps through a table is not known: the loop's first block then is its beginning.
        entries = {b for b in body if any(p not in body for p in before[b])} or {min(body)}
        inside = {frozenset(loop) for entry in entries for loop in innermost(
            body, {b: [to for to in successors[b] if to in body - {entry}] for b in body}, is_hot)}
        found += [loop for loop in inside if not any(other < loop for other in inside)] or [body]
    return found


def is_vector_fma(ins):
    return bool(FMA.fullmatch(ins.name)) and any(re.search("%[yz]mm", o) for o in ins.operands)


def count(loop, ins, frame):
    """Adds one instruction to the counts. frame: registers that point into the stack."""
    loop.instructions += 1
    loop.fma += is_vector_fma(ins)
    loop.shuffles += bool(SHUFFLE.match(ins.name))
    memory = next((o for o in ins.operands if "(" in o), None)
    if memory is None:
        loop.shuffles += bool(BROADCAST.match(ins.name))
    elif not NO_ACCESS.match(ins.name):
        count_access(loop, ins, memory, frame)


def count_access(loop, ins, memory, frame):
    vector = any(re.search("%[xyz]mm", o) for o in ins.operands)
    if any(f"%{register}" in memory for register in frame):
        loop.stack += 1
    elif ins.operands[-1] == memory and not re.match("v?u?comis|cmp|test", ins.name):
        loop.stores += 1
    elif ins.name.startswith(("vgather", "vpgather")):
        register = next(o for o in ins.operands if re.match("%[xyz]mm", o))
        loop.gathers += LANES[register[1]]
    elif BROADCAST.match(ins.name) or "{1to" in memory:
        loop.broadcasts += 1
    elif vector:
        loop.loads += 1
    else:
        loop.index_loads += 1


def hot_loops(instructions):
    """The innermost loops with multiply-adds on vectors, in the order of the code."""
    blocks, successors = blocks_of(instructions)
    aligned = any(ins.name == "mov" and ins.operands == ["%rsp", "%rbp"] for ins in instructions)
    frame = ("rsp", "rbp") if aligned else ("rsp",)

    def code(block):
        return instructions[slice(*blocks[block])]

    def is_hot(block):
        return any(map(is_vector_fma, code(block)))

    bodies = innermost(set(range(len(blocks))), successors, is_hot)
    found = []
    for body in sorted(bodies, key=min):
        found.append(Loop())
        for block in sorted(body):
            for ins in code(block):
                count(found[-1], ins, frame)
    return found


def tool(*arguments):
    try:
        done = subprocess.run(arguments, capture_output=True, encoding="utf-8", errors="replace",
                              check=False)
    except OSError as error:
        raise HotLoopsError(f"{arguments[0]}: cannot be run: {error.strerror}; expected binutils") \
            from None
    if done.returncode != 0:
        raise HotLoopsError(f"{arguments[-1]}: {arguments[0]} failed: "
                            f"{done.stderr.strip().splitlines()[-1:]}")
    return done.stdout


def compiler_of(path):
    """("gcc", 12) from what the compiler left in the object."""
    text = tool("readelf", "-p", ".comment", path)
    found = re.search(r"(clang) version (\d+)|(GCC): .* (\d+)\.\d+\.\d+", text)
    if not found:
        raise HotLoopsError(f"{path}: no compiler named in .comment: expected gcc or clang")
    return ("clang", int(found[2])) if found[1] else ("gcc", int(found[4]))


def hand_written():
    """The kernels of kernels.inc whose vectors no compiler chose."""
    path = os.path.join(ROOT, "kernels", "kernels.inc")
    with open(path, encoding="utf-8") as file:
        lines = re.findall(r"^SM_KERNEL\(([^)]*)\)", file.read(), re.MULTILINE)
    names = []
    for line in lines:
        *words, mr, nr = [field.strip() for field in line.split(",")]
        if words[3] != "scalar" and not words[3].startswith("autovec"):
            names.append("_".join(words) + f"_{mr}x{nr}")
    return names


def objects_of(build):
    """name of the kernel -> path of its object; every listed one must be there."""
    found = {}
    for folder, _, files in os.walk(build):
        part = re.search(r"/(\w+)\.dir/", folder + "/")
        for name in files:
            if part and name.endswith(".o"):
                found.setdefault(part[1], []).append(os.path.join(folder, name))
    objects = {}
    for name in hand_written():
        paths = found.get(name, [])
        if len(paths) != 1:
            raise HotLoopsError(f"{name}: {len(paths)} objects below {build}: expected 1; build it")
        objects[name] = paths[0]
    return objects


def measure(build):
    """(compiler, major), name -> its loops."""
    objects = objects_of(build)
    compilers = {compiler_of(path) for path in objects.values()}
    if len(compilers) != 1:
        raise HotLoopsError(f"{build}: objects of {sorted(compilers)}: expected one compiler")
    kernels = {}
    for name, path in objects.items():
        functions = parse(tool("objdump", "-d", "--no-show-raw-insn", path))
        kernels[name] = [loop for ins in functions.values() for loop in hot_loops(ins)]
        if not kernels[name]:
            raise HotLoopsError(f"{path}: no loop with multiply-adds: expected one")
    return compilers.pop(), kernels


def table(kernels, every):
    """Lines of a table: every loop, or a line a kernel."""
    lines = [f"{'kernel':<42} {'loops':>5} {'instr':>6} {'FMA':>5} {'loads':>5} {'bcast':>5} "
             f"{'gather':>6} {'shuffle':>7} {'index':>5} {'stack':>5}  loads/FMA"]
    for name, loops in kernels.items():
        ratios = [loop.loads_per_fma for loop in loops]
        spread = f"{min(ratios):.2f}" + (f" to {max(ratios):.2f}" if len(loops) > 1 else "")
        groups = [[loop] for loop in loops] if every else [loops]
        for i, group in enumerate(groups):
            def total(field):
                return sum(getattr(loop, field) for loop in group)
            label = name if i == 0 else ""
            ratio = f"{group[0].loads_per_fma:.2f}" if every else spread
            lines.append(f"{label:<42} {i + 1 if every else len(loops):>5} "
                         f"{total('instructions'):>6} {total('fma'):>5} {total('loads'):>5} "
                         f"{total('broadcasts'):>5} {total('gathers'):>6} {total('shuffles'):>7} "
                         f"{total('index_loads'):>5} {total('stack'):>5}  {ratio}")
    return lines


def compare(compiler, kernels, stored):
    """(complaints, remarks). The same compiler must give the same counts; another one may not spill
    where the stored one does not, nor load more an FMA."""
    complaints, remarks = [], []
    same = (stored["compiler"], stored["major"]) == compiler
    if not same:
        remarks.append(f"stored counts are of {stored['compiler']} {stored['major']}, these of "
                       f"{compiler[0]} {compiler[1]}: only spills and loads per FMA are compared")
    if kernels.keys() != stored["kernels"].keys():
        differ = sorted(kernels.keys() ^ stored["kernels"].keys())
        complaints.append(f"kernels differ from those stored: {', '.join(differ)}")
    for name in [name for name in kernels if name in stored["kernels"]]:
        now, then = kernels[name], [Loop(**loop) for loop in stored["kernels"][name]]
        if same and now != then:
            complaints.append(f"{name}: counts differ from those stored (--update stores them)")
        if not same and sum(lp.stack for lp in now) > sum(lp.stack for lp in then):
            complaints.append(f"{name}: {sum(lp.stack for lp in now)} references to the stack, "
                              f"expected at most {sum(lp.stack for lp in then)}")
        worst, allowed = (max(lp.loads_per_fma for lp in loops) for loops in (now, then))
        if not same and worst > allowed + 0.005:
            complaints.append(f"{name}: {worst:.2f} loads per FMA, expected at most {allowed:.2f}")
    return complaints, remarks


def store(path, compiler, kernels):
    """A loop a line, so that differences can be read."""
    names = [f'  "{name}": [\n' + ",\n".join("    " + json.dumps(asdict(lp)) for lp in loops)
             + "\n  ]" for name, loops in kernels.items()]
    text = (f'{{"compiler": "{compiler[0]}", "major": {compiler[1]}, "kernels": {{\n'
            + ",\n".join(names) + "\n}}\n")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as error:
        raise HotLoopsError(f"{path}: cannot be read: {error}") from None


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "release"),
                        help="folder of the build (build/release)")
    parser.add_argument("--all", action="store_true", help="a line a loop, not a line a kernel")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", metavar="FILE", help="compare with stored counts; 1 if they differ")
    what.add_argument("--update", metavar="FILE", help="store the counts")
    options = parser.parse_args(argv)
    try:
        compiler, kernels = measure(options.build)
        print("\n".join(table(kernels, options.all)))
        if options.update:
            store(options.update, compiler, kernels)
        complaints, remarks = (compare(compiler, kernels, load(options.check)) if options.check
                               else ([], []))
    except HotLoopsError as error:
        print(f"hot_loops.py: {error}", file=sys.stderr)
        return 2
    for line in remarks:
        print(f"hot_loops.py: note: {line}")
    for line in complaints:
        print(f"hot_loops.py: {line}", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
