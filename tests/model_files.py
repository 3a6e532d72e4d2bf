"""What tests of model files share: a .safetensors writer and reader, and small networks."""

import json
import struct

import numpy as np

NAMES = {"float32": "F32", "float16": "F16", "int64": "I64"}


def pack(tensors, metadata=None):
    """The bytes of a .safetensors file: tensors in the order of the dictionary."""
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, array in tensors.items():
        array = np.asarray(array)
        begin = len(data)
        data += array.tobytes()
        header[name] = {"dtype": NAMES[array.dtype.name], "shape": list(array.shape),
                        "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def unpack(path):
    """name -> array, and the metadata."""
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    metadata = header.pop("__metadata__", {})
    types = {name: key for key, name in NAMES.items()}
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[8 + size + begin:8 + size + end],
                                      types[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata


def normal(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def statistics(rng, count):
    return np.abs(normal(rng, count)) + np.float32(0.5)


def keras_network(seed=1):
    """Two convolutions, BatchNorm behind the second, two dense layers, on pictures of 4 x 4; HWIO
    and in-out, sorted by name as safetensors files are."""
    rng = np.random.default_rng(seed)
    tensors = {
        "conv1.weight": normal(rng, 3, 3, 1, 8), "conv1.bias": normal(rng, 8),
        "conv2.weight": normal(rng, 3, 3, 8, 6), "conv2.bias": normal(rng, 6),
        "bn.gamma": normal(rng, 6), "bn.beta": normal(rng, 6),
        "bn.moving_mean": normal(rng, 6), "bn.moving_variance": statistics(rng, 6),
        "dense1.weight": normal(rng, 4 * 6, 16), "dense1.bias": normal(rng, 16),
        "dense2.weight": normal(rng, 16, 10), "dense2.bias": normal(rng, 10)}
    return dict(sorted(tensors.items()))


def torch_network(seed=2):
    """The same as PyTorch's Sequential names it; OIHW, out-in, BatchNorm behind both."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for layer, norm, out, inputs in (("0", "1", 8, 1), ("4", "5", 6, 8)):
        tensors[f"features.{layer}.weight"] = normal(rng, out, inputs, 3, 3)
        tensors[f"features.{layer}.bias"] = normal(rng, out)
        tensors[f"features.{norm}.weight"] = normal(rng, out)
        tensors[f"features.{norm}.bias"] = normal(rng, out)
        tensors[f"features.{norm}.running_mean"] = normal(rng, out)
        tensors[f"features.{norm}.running_var"] = statistics(rng, out)
        tensors[f"features.{norm}.num_batches_tracked"] = np.array(7, dtype=np.int64)
    for layer, out, inputs in (("1", 16, 24), ("4", 10, 16)):
        tensors[f"classifier.{layer}.weight"] = normal(rng, out, inputs)
        tensors[f"classifier.{layer}.bias"] = normal(rng, out)
    return dict(sorted(tensors.items()))


def to_keras(t):
    """torch_network() in keras_network()'s terms: (conv, bias, norm) twice, (dense, bias) twice;
    norm is None or (scale, shift, mean, variance); the flattening stays NCHW."""
    convs = [(t[f"features.{c}.weight"].transpose(2, 3, 1, 0), t[f"features.{c}.bias"],
              [t[f"features.{n}.{x}"] for x in ("weight", "bias", "running_mean", "running_var")])
             for c, n in (("0", "1"), ("4", "5"))]
    dense = [(t[f"classifier.{d}.weight"].T, t[f"classifier.{d}.bias"]) for d in ("1", "4")]
    return convs, dense


def of_keras(t):
    norm = [t[f"bn.{x}"] for x in ("gamma", "beta", "moving_mean", "moving_variance")]
    convs = [(t["conv1.weight"], t["conv1.bias"], None), (t["conv2.weight"], t["conv2.bias"], norm)]
    return convs, [(t[f"dense{d}.weight"], t[f"dense{d}.bias"]) for d in (1, 2)]


def forward(network, picture, keep=(None, None), nchw=False):
    """Logits in double; keep[i] switches channels off behind convolution i."""
    convs, dense = network
    x = picture.astype(np.float64)
    for (weight, bias, norm), channels in zip(convs, keep):
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        y = np.zeros(x.shape[:2] + (weight.shape[3],))
        for i in range(3):
            for j in range(3):
                y += padded[i:i + x.shape[0], j:j + x.shape[1]] @ weight[i, j].astype(np.float64)
        y += bias
        if norm is not None:
            scale, shift, mean, variance = norm
            y = (y - mean) / np.sqrt(variance + 1e-3) * scale + shift
        x = np.maximum(y, 0)
        if channels is not None:
            x *= channels
    x = x.reshape(2, 2, 2, 2, -1).max(axis=(1, 3))
    x = (x.transpose(2, 0, 1) if nchw else x).reshape(-1)
    (w1, b1), (w2, b2) = dense
    return np.maximum(x @ w1 + b1, 0) @ w2 + b2
