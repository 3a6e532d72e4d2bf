"""Reads a .safetensors file, tensors that sparsemark stored sparse included: {name: array}.
harness/store/README.md describes what is read here. NumPy has no bfloat16 and no float8: those come
as unsigned integers of the same bits."""
import json
import sys

import numpy as np

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4",
         "I16": "<i2", "I8": "<i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1",
         "BOOL": "?", "C64": "<c8", "F8_E4M3": "<u1", "F8_E5M2": "<u1", "F8_E8M0": "<u1"}


def read(path):
    data = np.fromfile(path, np.uint8)
    start = 8 + int(data[:8].view("<u8")[0])
    header = json.loads(data[8:start].tobytes())
    notes = header.pop("__metadata__", {})
    arrays = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        array = np.frombuffer(data[start + begin:start + end].tobytes(), TYPES[t["dtype"]])
        arrays[name] = array.reshape(t["shape"])
    for key, text in notes.items():
        if key.startswith("sparsemark.sparse."):
            name = key.removeprefix("sparsemark.sparse.")
            scheme, _, sizes = text.split(" ")
            shape = [int(n) for n in sizes.split(",") if n]
            values = arrays.pop(name + ".sparse_values")
            dense = np.zeros(np.prod(shape, dtype=int), "<f4")
            if scheme == "bitmap":
                bits = arrays.pop(name + ".sparse_bitmap")
                dense[np.unpackbits(bits, count=dense.size, bitorder="little") == 1] = values
            else:  # "1:4": two bits a value
                bits = arrays.pop(name + ".sparse_indices")
                places = (bits[:, None] >> np.arange(0, 8, 2) & 3).reshape(-1)[:values.size]
                dense[4 * np.arange(values.size) + places] = values
            arrays[name] = dense.reshape(shape)
    return arrays


def complain(what):
    print(f"read_sparse.py: {what}", file=sys.stderr)
    return 2


def main(argv):
    if len(argv) != 1:
        return complain("expected the name of a .safetensors file")
    try:
        arrays = read(argv[0])
    except OSError as error:
        return complain(f"{argv[0]}: cannot read: {error.strerror}")
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return complain(f"{argv[0]}: expected a .safetensors file")
    for name, array in arrays.items():
        print(name, array.dtype, array.shape, f"{np.mean(array == 0):.1%} zero")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
