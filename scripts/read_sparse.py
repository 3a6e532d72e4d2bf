"""Reads a .safetensors file, tensors that sparsemark stored sparse included: {name: array}.
harness/store/README.md describes what is read here."""
import json
import sys

import numpy

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
         "I8": "<i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "?"}


def read(path):
    data = numpy.fromfile(path, numpy.uint8)
    size = int(data[:8].view("<u8")[0])
    header = json.loads(data[8:8 + size].tobytes())
    notes = header.pop("__metadata__", {})
    arrays = {}
    for name, t in header.items():
        begin, end = (8 + size + offset for offset in t["data_offsets"])
        arrays[name] = numpy.frombuffer(data[begin:end].tobytes(), TYPES[t["dtype"]]).reshape(
            t["shape"])
    for key, scheme in notes.items():
        name = key.removeprefix("sparsemark.sparse.")
        if name == key:
            continue
        shape = [int(n) for n in scheme.removeprefix("bitmap F32 ").split(",") if n]
        values, bits = arrays.pop(name + ".sparse_values"), arrays.pop(name + ".sparse_bitmap")
        dense = numpy.zeros(numpy.prod(shape, dtype=int), "<f4")
        dense[numpy.unpackbits(bits, count=dense.size, bitorder="little") == 1] = values
        arrays[name] = dense.reshape(shape)
    return arrays


if __name__ == "__main__":
    for name, array in read(sys.argv[1]).items():
        print(name, array.dtype, array.shape, f"{numpy.mean(array == 0):.1%} zero")
