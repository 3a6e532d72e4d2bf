#!/usr/bin/env python3
"""The network of `sparsemark model` in PyTorch, timed when told to.

Started by `sparsemark model --against pytorch`, and not meant for people. Reads a line of JSON and
the weights and images as raw float32 from standard input, then commands: "prepare BATCH" answers
"format NAME" and the batch's logits as raw float32, "run REPS" answers "ns TIME" of one call. All on
the CPUs and threads that the first line names, so that both sides have the same machine.
"""

import array
import json
import math
import os
import sys
import time

GLANCES = 5


def read_floats(torch, stream, shape):
    data = bytearray(stream.read(4 * math.prod(shape)))
    if len(data) != 4 * math.prod(shape):
        sys.exit(2)  # the parent went away
    return torch.frombuffer(data, dtype=torch.float32).reshape(shape)


def build(torch, header, stream):
    """Folded layers as modules; a dense layer behind a convolution takes the map channel by channel,
    as PyTorch flattens it."""
    modules = []
    for layer in header["layers"]:
        out, channels, height, width = layer["shape"]
        weight = read_floats(torch, stream, (out, channels, height, width))
        bias = read_floats(torch, stream, (out,))
        if layer["conv"]:
            module = torch.nn.Conv2d(channels, out, (height, width),
                                     padding=(height // 2, width // 2))
        else:
            weight = weight.reshape(out, channels)
            module = torch.nn.Linear(channels, out)
            if modules and isinstance(modules[-1], torch.nn.MaxPool2d):
                modules.append(torch.nn.Flatten())
        module.weight.data, module.bias.data = weight, bias
        modules.append(module)
        if layer["relu"]:
            modules.append(torch.nn.ReLU(inplace=True))
        if layer["pool"]:
            modules.append(torch.nn.MaxPool2d(2))
    return torch.nn.Sequential(*modules).eval()


def seconds_of(model, batch, calls):
    start = time.perf_counter()
    for _ in range(calls):
        model(batch)
    return (time.perf_counter() - start) / calls


def prepare(torch, model, images, count):
    """The faster memory format for this batch."""
    found = []
    for name in "contiguous", "channels_last":
        memory = getattr(torch, name + "_format" if name == "contiguous" else name)
        variant = model.to(memory_format=memory)
        batch = images[:count].contiguous(memory_format=memory)
        model(batch)
        found.append((min(seconds_of(variant, batch, 1) for _ in range(GLANCES)), name, memory))
    _, name, memory = min(found, key=lambda entry: entry[0])
    return name, model.to(memory_format=memory), images[:count].contiguous(memory_format=memory)


def main():
    stream, out = sys.stdin.buffer, sys.stdout.buffer
    header = json.loads(stream.readline())
    os.sched_setaffinity(0, set(header["cpus"]))
    os.environ["OMP_NUM_THREADS"] = str(header["threads"])
    try:
        import torch  # pylint: disable=import-outside-toplevel # its threads stay on those CPUs
    except ImportError as error:
        print(f"{error} (scripts/setup.sh --with-pytorch)", flush=True)  # the parent complains
        sys.exit(2)
    torch.set_num_threads(header["threads"])
    model = build(torch, header, stream)
    count, height, width = header["images"]
    images = read_floats(torch, stream, (count, 1, height, width))
    out.write(f"ready {torch.__version__}\n".encode())
    out.flush()
    batch = images
    with torch.inference_mode():
        for line in stream:
            command, number = line.split()
            if command == b"prepare":
                name, model, batch = prepare(torch, model, images, int(number))
                out.write(f"format {name}\n".encode())
                out.write(array.array("f", model(batch).flatten().tolist()).tobytes())
            else:
                out.write(f"ns {1e9 * seconds_of(model, batch, int(number)):.3f}\n".encode())
            out.flush()


if __name__ == "__main__":
    main()
