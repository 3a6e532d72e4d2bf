"""Times one cell without the program: a plan through sparsemark.py and its dense opponent through
ctypes, in turn, by perf_counter_ns. independent.py runs this in a process of its own: JSON on
standard input says what, JSON on standard output what came of it.

What limits it: a call through ctypes costs about a microsecond, which counts as the kernel's time.
"""

import ctypes
import gc
import json
import os
import statistics
import sys
import time
from ctypes import c_char, c_float, c_int, c_int64, c_size_t, c_void_p
from functools import partial

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from sparsemark import Csr, Plan, SparsemarkError, aligned  # noqa: E402

SAMPLE_NS = 5_000_000
ROW_MAJOR, NO_TRANS, TRANS, PACKED = 101, 111, 112, 151  # CBLAS; the last is MKL's
A_MATRIX, B_MATRIX, LP64, GNU_THREADING = 161, 162, 0, 3  # MKL


class Skip(Exception):
    """Why a cell cannot be timed here."""


class Wrong(Exception):
    """What computed something else than W X."""


def function(library, name, *arguments, result=None):
    found = getattr(library, name)
    found.argtypes, found.restype = arguments, result
    return found


def product(w, x, token):
    """a, b, m, n, k, lda, ldb of the row-major product: W X, or X W' where tokens are rows."""
    (m, k), n = w.shape, x.shape[0 if token else 1]
    if token:
        return x.ctypes.data, w.ctypes.data, n, m, k, k, k
    return w.ctypes.data, x.ctypes.data, m, n, k, k, n


def gemv(library, prefix, w, x, y):
    m, k = w.shape
    call = function(library, f"{prefix}cblas_sgemv", *[c_int] * 4, c_float, c_void_p, c_int,
                    c_void_p, c_int, c_float, c_void_p, c_int)
    return partial(call, ROW_MAJOR, NO_TRANS, m, k, 1, w.ctypes.data, k, x.ctypes.data, 1, 0,
                   y.ctypes.data, 1)


def cblas(prefix, set_threads, integer=c_int):
    """OpenBLAS and BLIS: weights as they are, one column to sgemv."""
    def prepare(library, w, x, y, token):
        function(library, set_threads, integer)(1)
        a, b, m, n, k, lda, ldb = product(w, x, token)
        if y.size == w.shape[0]:
            return gemv(library, prefix, w, x, y)
        call = function(library, f"{prefix}cblas_sgemm", *[c_int] * 6, c_float, c_void_p, c_int,
                        c_void_p, c_int, c_float, c_void_p, c_int)
        return partial(call, ROW_MAJOR, NO_TRANS, TRANS if token else NO_TRANS, m, n, k, 1, a, lda,
                       b, ldb, 0, y.ctypes.data, n)
    return prepare


def onednn(library, w, x, y, token):
    function(library, "omp_set_num_threads", c_int)(1)
    a, b, m, n, k, lda, ldb = product(w, x, token)
    call = function(library, "dnnl_sgemm", c_char, c_char, *[c_int64] * 3, c_float, c_void_p,
                    c_int64, c_void_p, c_int64, c_float, c_void_p, c_int64, result=c_int)
    return partial(call, b"N", b"T" if token else b"N", m, n, k, 1, a, lda, b, ldb, 0,
                   y.ctypes.data, n)


def mkl(library, w, x, y, token):
    """Weights packed once, one column to sgemv."""
    function(library, "MKL_Set_Interface_Layer", c_int)(LP64)
    function(library, "MKL_Set_Threading_Layer", c_int)(GNU_THREADING)
    function(library, "MKL_Set_Num_Threads", c_int)(1)
    if y.size == w.shape[0]:
        return gemv(library, "", w, x, y)
    a, b, m, n, k, lda, ldb = product(w, x, token)
    which, trans = (B_MATRIX, TRANS) if token else (A_MATRIX, NO_TRANS)
    size = function(library, "cblas_sgemm_pack_get_size", *[c_int] * 4, result=c_size_t)
    pack = function(library, "cblas_sgemm_pack", *[c_int] * 6, c_float, c_void_p, c_int, c_void_p)
    packed = aligned((size(which, m, n, k) // 4 + 1,))
    pack(ROW_MAJOR, which, trans, m, n, k, 1, w.ctypes.data, k, packed.ctypes.data)
    call = function(library, "cblas_sgemm_compute", *[c_int] * 6, c_void_p, c_int, c_void_p, c_int,
                    c_float, c_void_p, c_int)
    if token:
        call = partial(call, ROW_MAJOR, NO_TRANS, PACKED, m, n, k, a, lda, packed.ctypes.data, ldb)
    else:
        call = partial(call, ROW_MAJOR, PACKED, NO_TRANS, m, n, k, packed.ctypes.data, lda, b, ldb)
    call = partial(call, 0, y.ctypes.data, n)
    call.packed = packed  # lives as long as the call
    return call


PEERS = {"openblas": cblas("", "openblas_set_num_threads"),
         "openblas-pypi": cblas("scipy_", "scipy_openblas_set_num_threads"),
         "blis": cblas("", "bli_thread_set_num_threads", c_int64),
         "onednn": onednn,
         "mkl": mkl}


def opponent(dense, csr, w, x, y, token):
    """The dense product as a call without arguments: a plan of ours, or a peer's library."""
    if not dense["file"]:
        return own(dense, csr, x, y, token)
    if dense["kernel"] not in PEERS:
        raise Skip(f"no way to call {dense['kernel']} here: expected one of {', '.join(PEERS)}")
    library = ctypes.CDLL(dense["file"], os.RTLD_NOW | os.RTLD_LOCAL | os.RTLD_DEEPBIND)
    return PEERS[dense["kernel"]](library, w, x, y, token)


def own(cell, csr, x, y, token):
    """A plan with the kernel and the blocking of a record."""
    plan = Plan(csr, n=x.shape[0 if token else 1], layout="token" if token else "feature",
                kernel=cell["kernel"], kt=cell["kt"], mc=cell["mc"])
    info = plan.info()
    if (info["kt"], info["mc"]) != (cell["kt"], cell["mc"]):
        raise Skip(f"{cell['kernel']}: kt {info['kt']}, mc {info['mc']}: expected those of the "
                   f"record, {cell['kt']} and {cell['mc']}")
    return plan.bind(x, out=y)


def read_pattern(path, rng):
    """A .smtx file, with values drawn here: only where they are matters to the time."""
    with open(path, encoding="ascii") as file:
        header, row_ptr, col = (np.fromstring(line, np.int64, sep=" ")
                                for line in file.read().replace(",", " ").split("\n")[:3])
    return Csr(row_ptr, col, rng.uniform(0.5, 1.5, header[2]).astype(np.float32), header[1])


def verify(calls, w, x, y, token):
    """The exact product within what rounding may do, from a Y that was not a number before."""
    x = x.T if token else x
    exact = w.astype(np.float64) @ x
    bound = (w.shape[1] + 1) * 2.0 ** -23 * (np.abs(w) @ np.abs(x)) + 1e-30
    for name, call in calls.items():
        y.fill(np.nan)
        call()
        if not (np.abs((y.T if token else y) - exact) <= bound).all():
            raise Wrong(f"{name} did not compute W X")


def sample(call, count):
    """Nanoseconds a call."""
    start = time.perf_counter_ns()
    for _ in range(count):
        call()
    return (time.perf_counter_ns() - start) / count


def time_cell(request):
    rng, token, n = np.random.default_rng(request["seed"]), request["token"], request["n"]
    csr = read_pattern(request["pattern"], rng)
    (m, k), w = csr.shape, aligned(csr.shape)
    w[:] = csr.to_dense()
    x, y = aligned((n, k) if token else (k, n)), aligned((n, m) if token else (m, n))
    x[:] = rng.uniform(-0.5, 0.5, x.shape)
    sparse, dense = request["sparse"], request["dense"]
    calls = {sparse["kernel"]: own(sparse, csr, x, y, token),
             dense["kernel"]: opponent(dense, csr, w, x, y, token)}
    verify(calls, w, x, y, token)
    gc.disable()
    counts = [max(1, round(SAMPLE_NS / min(sample(call, 2) for _ in range(3))))
              for call in calls.values()]
    pairs = list(zip(calls.values(), counts))
    rounds = []
    for i in range(request["rounds"]):
        times = [sample(*pair) for pair in pairs[::-1 if i % 2 else 1]]
        rounds.append(times[::-1 if i % 2 else 1])
    return {"speedup": statistics.median(dense / sparse for sparse, dense in rounds),
            "sparse_ns": statistics.median(sparse for sparse, _ in rounds),
            "dense_ns": statistics.median(dense for _, dense in rounds)}


def main():
    try:
        answer = time_cell(json.load(sys.stdin))
    except (Skip, SparsemarkError, OSError, AttributeError) as error:
        answer = {"skipped": str(error)}
    except Wrong as error:
        answer = {"wrong": str(error)}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
