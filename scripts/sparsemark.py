"""Python binding of libsparsemark: NumPy arrays in and out, neither X nor Y is copied.

    kept, threshold = prune_mask(w, "unstructured", 0.8)
    plan = Plan(Csr.from_dense(w * kept), n=x.shape[1])
    y = plan.run(x, bias=b, lo=0)

What the checks and ctypes cost, some 10 microseconds, bounds a small run(); bind() checks once.
The library is the file that SPARSEMARK_LIBRARY names, or the release build beside this folder.
"""

import ctypes
import functools
import math
import os
import weakref
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_int64, c_size_t
from ctypes import c_ssize_t, c_uint32, c_void_p

import numpy as np

ABI = 1
E_ARG, E_NOMEM, E_IO, E_FORMAT, E_ISA, E_LIMIT = range(1, 7)
LAYOUTS = ("feature", "token")
ORDERS = ("out-in", "in-out", "oihw", "hwio")
POOLS = ("avg", "max")
BUILT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                     "build", "release", f"libsparsemark.so.{ABI}")


class SparsemarkError(Exception):
    """What the library says of a failure; status is one of E_ARG, E_NOMEM, ..."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def struct(name, *fields):
    return type(name, (ctypes.Structure,), {"_fields_": fields})


# As in the public headers, which a test holds them to.
sm_csr = struct("sm_csr", ("rows", c_size_t), ("cols", c_size_t), ("nnz", c_size_t),
                ("row_ptr", POINTER(c_uint32)), ("col", POINTER(c_uint32)),
                ("val", POINTER(c_float)))
sm_kernel = struct("sm_kernel", *((name, c_char_p) for name in (
    "name", "op", "format", "dtype", "isa", "variant")),
    ("level", c_size_t), ("mr", c_size_t), ("nr", c_size_t), ("run", c_void_p))
sm_args = struct("sm_args", ("x", c_void_p), ("x_rs", c_ssize_t), ("x_cs", c_ssize_t),
                 ("y", c_void_p), ("y_rs", c_ssize_t), ("y_cs", c_ssize_t), ("n", c_size_t),
                 ("bias", c_void_p), ("lo", c_float), ("hi", c_float))
sm_plan_options = struct(
    "sm_plan_options", ("size", c_size_t), ("n", c_size_t), ("layout", c_int),
    ("threads", c_size_t), ("isa_mask", c_uint32), ("format_mask", c_uint32), ("kernel", c_char_p),
    ("kt", c_size_t), ("mc", c_size_t), ("budget_s", c_double), ("parallel_for", c_void_p),
    ("pool", c_void_p), ("cpus", c_void_p))
sm_bytes = struct("sm_bytes", *((name, c_size_t) for name in ("values", "indices", "pointers")))
sm_plan_info = struct(
    "sm_plan_info", ("kernel", POINTER(sm_kernel)),
    *((name, c_size_t) for name in ("rows", "cols", "nnz", "kt", "mc", "threads", "index_bits")),
    ("bytes", sm_bytes),
    *((name, c_double) for name in ("pack_s", "choose_s", "expected_s", "dense_s", "sparse_s")),
    ("candidates", c_size_t))
sm_pattern = struct("sm_pattern", ("kind", c_int),
                    *((name, c_size_t) for name in ("r", "c", "n", "m", "v")))
sm_prune_options = struct(
    "sm_prune_options", ("size", c_size_t), ("pattern", sm_pattern), ("sparsity", c_double),
    ("pool", c_int), ("order", c_int), ("tfmot", c_int), ("threshold", POINTER(c_float)))
sm_prune_result = struct("sm_prune_result", ("threshold", c_float), ("kept", c_size_t))
sm_schedule = struct("sm_schedule", ("kind", c_int), ("initial", c_double), ("final", c_double),
                     *((name, c_int64) for name in ("begin", "end", "frequency")),
                     ("power", c_double))
STRUCTS = (sm_csr, sm_kernel, sm_args, sm_plan_options, sm_bytes, sm_plan_info, sm_pattern,
           sm_prune_options, sm_prune_result, sm_schedule)

FUNCTIONS = (
    ("sm_message", c_char_p),
    ("sm_csr_check", c_int, POINTER(sm_csr)),
    ("sm_csr_from_dense", c_int, c_void_p, c_size_t, c_size_t, c_ssize_t, c_ssize_t,
     POINTER(sm_csr)),
    ("sm_csr_to_dense", None, POINTER(sm_csr), c_void_p),
    ("sm_csr_free", None, POINTER(sm_csr)),
    ("sm_isa_find", c_int, c_char_p, POINTER(c_size_t)),
    ("sm_format_count", c_size_t),
    ("sm_format_name", c_char_p, c_size_t),
    ("sm_plan_create", c_int, POINTER(sm_csr), POINTER(sm_plan_options), POINTER(c_void_p)),
    ("sm_plan_free", None, c_void_p),
    ("sm_plan_get_info", None, c_void_p, POINTER(sm_plan_info)),
    ("sm_plan_workspace", c_size_t, c_void_p, c_size_t),
    ("sm_plan_run", None, c_void_p, POINTER(sm_args), c_void_p),
    ("sm_plan_unpack", c_int, c_void_p, POINTER(sm_csr)),
    ("sm_pattern_parse", c_int, c_char_p, POINTER(sm_pattern)),
    ("sm_prune_mask", c_int, c_void_p, POINTER(c_size_t), c_size_t, POINTER(sm_prune_options),
     c_void_p, POINTER(sm_prune_result)),
    ("sm_prune_threshold", c_int, POINTER(c_void_p), POINTER(c_size_t), c_size_t, c_double,
     POINTER(c_float)),
    ("sm_schedule_parse", c_int, c_char_p, POINTER(sm_schedule)),
    ("sm_schedule_updates", c_int, POINTER(sm_schedule), c_int64),
    ("sm_schedule_sparsity", c_float, POINTER(sm_schedule), c_int64, c_int))


@functools.lru_cache(maxsize=None)
def library():
    """The library, opened at first use."""
    path = os.environ.get("SPARSEMARK_LIBRARY") or BUILT
    try:
        lib = ctypes.CDLL(path)
        abi = lib.sm_abi()
    except (OSError, AttributeError) as error:
        raise SparsemarkError(E_IO, f"{path}: cannot be used: {error}; expected a release build, "
                              "or SPARSEMARK_LIBRARY to name libsparsemark") from None
    if abi != ABI:
        raise SparsemarkError(E_IO, f"{path}: ABI {abi}: expected {ABI}")
    for name, result, *arguments in FUNCTIONS:
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def check(status):
    if status != 0:
        raise SparsemarkError(status, library().sm_message().decode(errors="replace"))


def refuse(message, status=E_ARG):
    raise SparsemarkError(status, message)


def aligned(shape):
    """Floats, not set, that begin on a cache line."""
    size = 4 * math.prod(shape)
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start:start + size].view(np.float32).reshape(shape)


def floats(name, array, shape):
    """Refuses all but float32 of this shape, None standing for any extent; steps in elements."""
    if not isinstance(array, np.ndarray) or array.dtype != np.float32:
        refuse(f"{name}: expected an array of float32, got "
               f"{getattr(array, 'dtype', type(array).__name__)}")
    if len(shape) != array.ndim or any(e not in (None, a) for e, a in zip(shape, array.shape)):
        expected = ", ".join("any" if extent is None else str(extent) for extent in shape)
        refuse(f"{name}: expected shape ({expected}), got {array.shape}")
    if not array.flags.aligned or any(step % 4 for step in array.strides):
        refuse(f"{name}: expected whole floats between elements, got strides of {array.strides} "
               "bytes")
    return [step // 4 for step in array.strides]


def strides(name, array, features, token):
    """(stride between features, stride between columns), as sm_args wants them."""
    between = floats(name, array, (None, features) if token else (features, None))
    rs, cs = between[::-1] if token else between
    columns = array.shape[0 if token else 1]
    # Along an extent of one there are no steps, and NumPy says anything.
    if columns <= 1:
        cs = 1
    if features == 1:
        rs = columns if cs == 1 else 1
    if not (cs == 1 and rs >= columns or rs == 1 and cs >= features or array.size == 0):
        refuse(f"{name}: expected one stride of 1 element and the other at least the extent it "
               f"steps over, got {between} for shape {array.shape}")
    return rs, cs


def whole(name, value):
    if not isinstance(value, (int, np.integer)) or not 0 <= value < 1 << 64:
        refuse(f"{name}: expected a whole number from 0 on, got {value!r}")
    return int(value)


def indices(name, values):
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        refuse(f"{name}: expected one row of integers, got {values.dtype} of {values.shape}")
    if values.size and not (values.min() >= 0 and values.max() < 1 << 32):
        refuse(f"{name}: expected 0 to {(1 << 32) - 1}, got {values.min()} to {values.max()}",
               E_LIMIT)
    return values.astype(np.uint32)


def level_index(name):
    found = c_size_t()
    check(library().sm_isa_find(name.encode(), found))
    return found.value


def format_index(name):
    lib = library()
    names = [lib.sm_format_name(i).decode() for i in range(lib.sm_format_count())]
    if name not in names:
        refuse(f"unknown format '{name}': expected one of {', '.join(names)}")
    return names.index(name)


def mask(names, index):
    """Bits of one name or several; None stands for all."""
    if names is None:
        return 0
    bits = 0
    for name in [names] if isinstance(names, str) else names:
        bits |= 1 << index(name)
    return bits or refuse("expected at least one name, got none")


def choice(what, value, names):
    if value not in names:
        refuse(f"unknown {what} '{value}': expected one of {', '.join(names)}")
    return names.index(value)


def is_token(layout):
    return choice("layout", layout, LAYOUTS) == 1


class Csr:
    """A sparse matrix W[M, K]; its arrays are copies and cannot be written."""

    def __init__(self, row_ptr, col, val, cols):
        val = np.asarray(val)
        floats("val", val, (None,))
        self.row_ptr, self.col = indices("row_ptr", row_ptr), indices("col", col)
        self.val = val.copy()
        if self.row_ptr.size == 0 or self.col.size != self.val.size:
            refuse(f"row_ptr, col, val: expected rows + 1, nnz and nnz elements, got "
                   f"{self.row_ptr.size}, {self.col.size}, {self.val.size}")
        for array in (self.row_ptr, self.col, self.val):
            array.flags.writeable = False
        self.shape = (self.row_ptr.size - 1, whole("cols", cols))
        check(library().sm_csr_check(self.struct()))

    @classmethod
    def from_dense(cls, w):
        """Zeros of w[M, K] are left out; any strides."""
        steps, made = floats("w", w, (None, None)), sm_csr()
        check(library().sm_csr_from_dense(w.ctypes.data, *w.shape, *steps, made))
        return cls.take(made)

    @classmethod
    def take(cls, made):
        """Copies what the library allocated, and frees it."""
        try:
            return cls(np.ctypeslib.as_array(made.row_ptr, (made.rows + 1,)),
                       np.ctypeslib.as_array(made.col, (made.nnz,)),
                       np.ctypeslib.as_array(made.val, (made.nnz,)), made.cols)
        finally:
            library().sm_csr_free(made)

    def struct(self):
        pointers = (array.ctypes.data_as(POINTER(kind)) for array, kind in (
            (self.row_ptr, c_uint32), (self.col, c_uint32), (self.val, c_float)))
        return sm_csr(*self.shape, self.val.size, *pointers)

    def to_dense(self):
        w = np.empty(self.shape, np.float32)
        library().sm_csr_to_dense(self.struct(), w.ctypes.data)
        return w


class Plan:
    """Packed weights. The defaults mean "choose"; see sm_plan_options in plan.h."""

    def __init__(self, csr, n=0, layout="feature", threads=1, format=None, isa=None, kernel=None,
                 kt=0, mc=0, budget=0.0):
        self.token, self.shape = is_token(layout), csr.shape
        options = sm_plan_options(
            size=ctypes.sizeof(sm_plan_options), n=whole("n", n), layout=int(self.token),
            threads=whole("threads", threads), isa_mask=mask(isa, level_index),
            format_mask=mask(format, format_index), kernel=kernel.encode() if kernel else None,
            kt=whole("kt", kt), mc=whole("mc", mc), budget_s=budget)
        self.pointer = c_void_p()
        check(library().sm_plan_create(csr.struct(), options, self.pointer))
        weakref.finalize(self, library().sm_plan_free, self.pointer)

    def bind(self, x, out=None, bias=None, lo=-math.inf, hi=math.inf, layout=None):
        """Checks the operands; each call of what it gives multiplies them anew and returns out. One
        at a time: they share a workspace."""
        token = self.token if layout is None else is_token(layout)
        rows, cols = self.shape
        x_strides = strides("x", x, cols, token)
        n = x.shape[0 if token else 1]
        shape = (n, rows) if token else (rows, n)
        out = aligned(shape) if out is None else out
        y_strides = strides("out", out, rows, token)
        floats("out", out, shape)
        if not out.flags.writeable:
            refuse("out: expected an array that can be written")
        if bias is not None and floats("bias", bias, (rows,)) != [1] and rows > 1:
            refuse(f"bias: expected a stride of 1 element, got {bias.strides[0] // 4}")
        if np.shares_memory(out, x) or bias is not None and np.shares_memory(out, bias):
            refuse("out: expected memory of its own, got some of x or bias")
        if not lo <= hi:
            refuse(f"lo, hi: expected lo <= hi, got {lo} and {hi}")
        args = sm_args(x.ctypes.data, *x_strides, out.ctypes.data, *y_strides, n,
                       None if bias is None else bias.ctypes.data, lo, hi)
        workspace = aligned((library().sm_plan_workspace(self.pointer, n) // 4,))
        return functools.partial(self._call, ctypes.byref(args), workspace.ctypes.data, out,
                                 (x, bias, workspace))

    def _call(self, args, workspace, out, _alive):
        library().sm_plan_run(self.pointer, args, workspace)
        return out

    def run(self, x, out=None, bias=None, lo=-math.inf, hi=math.inf, layout=None):
        """clamp(W X + bias) in [lo, hi]: x[K, N] gives out[M, N], token-major x[N, K] out[N, M].
        Values of x are finite."""
        return self.bind(x, out, bias, lo, hi, layout)()

    def info(self):
        """sm_plan_info with the kernel's fields beside the others."""
        info = sm_plan_info()
        library().sm_plan_get_info(self.pointer, info)
        kernel = info.kernel.contents
        told = {name: getattr(kernel, name).decode() for name in ("format", "isa", "variant")}
        told.update(kernel=kernel.name.decode(), mr=kernel.mr, nr=kernel.nr)
        told["bytes"] = {name: getattr(info.bytes, name) for name, _ in sm_bytes._fields_}
        told.update((name, getattr(info, name)) for name, _ in sm_plan_info._fields_
                    if name not in told)
        return told

    def unpack(self):
        """The matrix that was packed, exactly."""
        made = sm_csr()
        check(library().sm_plan_unpack(self.pointer, made))
        return Csr.take(made)


def scores(name, array):
    """Any shape, C-contiguous, copied only where they are not."""
    floats(name, array, getattr(array, "shape", ()))
    return np.ascontiguousarray(array)


def prune_mask(score, pattern, sparsity=None, order="out-in", pool="avg", tfmot=False,
               threshold=None):
    """(mask, threshold) of weights or other scores: true where one stays, by their magnitude. See
    sm_prune_mask(). sparsity is for all patterns but nm; threshold, as of prune_threshold(), cuts
    unstructured there instead."""
    values = scores("score", score)
    options = sm_prune_options(size=ctypes.sizeof(sm_prune_options), tfmot=bool(tfmot),
                               pool=choice("pool", pool, POOLS),
                               order=choice("order", order, ORDERS))
    check(library().sm_pattern_parse(str(pattern).encode(), options.pattern))
    options.sparsity = math.nan if sparsity is None else sparsity
    if threshold is not None:
        options.threshold = ctypes.pointer(c_float(threshold))
    kept, result = np.empty(values.shape, np.bool_), sm_prune_result()
    shape = (c_size_t * values.ndim)(*values.shape)
    check(library().sm_prune_mask(values.ctypes.data, shape, values.ndim, options,
                                  kept.ctypes.data, result))
    return kept, result.threshold


def prune_threshold(arrays, sparsity):
    """One threshold over many arrays, for prune_mask(..., threshold=...)."""
    arrays = [scores(f"arrays[{i}]", array) for i, array in enumerate(arrays)]
    found = c_float()
    pointers = (c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
    counts = (c_size_t * len(arrays))(*(array.size for array in arrays))
    check(library().sm_prune_threshold(pointers, counts, len(arrays), sparsity, found))
    return found.value


class Schedule:
    """constant:S[,begin,end,frequency] or polynomial:S0,S1,begin,end[,power,frequency]."""

    def __init__(self, text):
        self._schedule = sm_schedule()
        check(library().sm_schedule_parse(str(text).encode(), self._schedule))

    def updates(self, step):
        """Whether masks are made anew at this step; the first is 1."""
        return bool(library().sm_schedule_updates(self._schedule, step))

    def sparsity(self, step, eager=False):
        """As compiled training rounds it, or as TFMOT's schedules do when called by hand."""
        return library().sm_schedule_sparsity(self._schedule, step, bool(eager))
