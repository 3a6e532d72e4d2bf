"""The CNN of the TensorFlow pruning tutorial in PyTorch, and its safetensors file.

conv1 5x5, ReLU, pool 2; conv2 5x5, BatchNorm, ReLU, pool 2; flatten; dense1, ReLU, dropout 0.4;
dense2. The file has TensorFlow's orders: conv [height, width, in, out], dense [in, out], and
features flattened as height, width, channel. How wide the layers are comes from the file.
"""

import numpy as np
import safetensors
import safetensors.numpy
import torch
from torch import nn
from torch.nn.functional import max_pool2d

from common import LAYERS, MnistError, write_whole
from images import SIDE

WIDTHS = {"conv1": 32, "conv2": 64, "dense1": 1024, "dense2": 10}
KERNEL, POOLED = 5, SIDE // 4
# One entry: safetensors writes several in an order of chance, and files are to be equal.
METADATA = {"sparsemark.weights_order": "in-out,hwio"}
# Keras's BatchNorm: epsilon 1e-3, and 0.99 of the old mean stays.
BATCHNORM = {"eps": 1e-3, "momentum": 0.01}
NAMES = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean",
         "running_var": "moving_variance"}


class Network(nn.Module):
    def __init__(self, widths=None):
        super().__init__()
        w = self.widths = {**WIDTHS, **(widths or {})}
        self.conv1 = nn.Conv2d(1, w["conv1"], KERNEL, padding=KERNEL // 2)
        self.conv2 = nn.Conv2d(w["conv1"], w["conv2"], KERNEL, padding=KERNEL // 2)
        self.bn = nn.BatchNorm2d(w["conv2"], **BATCHNORM)
        self.dense1 = nn.Linear(POOLED * POOLED * w["conv2"], w["dense1"])
        self.dropout = nn.Dropout(0.4)
        self.dense2 = nn.Linear(w["dense1"], w["dense2"])
        for layer in self.layers().values():
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.to(memory_format=torch.channels_last)

    def layers(self):
        return {name: getattr(self, name) for name in LAYERS}

    def forward(self, x):
        x = max_pool2d(self.conv1(x).relu(), 2)
        x = max_pool2d(self.bn(self.conv2(x)).relu(), 2)
        x = x.permute(0, 2, 3, 1).flatten(1)
        return self.dense2(self.dropout(self.dense1(x).relu()))


def tensors_of(network):
    """name -> array, as in the file."""
    found = {}
    for name, layer in network.layers().items():
        weight = layer.weight.detach()
        weight = weight.permute(2, 3, 1, 0) if weight.dim() == 4 else weight.T
        found[f"{name}.weight"] = np.ascontiguousarray(weight.numpy())
        found[f"{name}.bias"] = layer.bias.detach().numpy()
    for ours, name in NAMES.items():
        found[f"bn.{name}"] = getattr(network.bn, ours).detach().numpy()
    return found


def save(path, network):
    tensors = tensors_of(network)
    write_whole(path, lambda name: safetensors.numpy.save_file(tensors, name, metadata=METADATA))


def load(path):
    """The network of a file, as wide as its tensors are."""
    try:
        tensors = safetensors.numpy.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise MnistError(f"{path}: cannot be read: {error}") from None
    widths = {}
    for name in LAYERS:
        bias = tensors.get(f"{name}.bias")
        if bias is None or bias.ndim != 1 or bias.size == 0:
            raise MnistError(f"{path}: {name}.bias: expected a tensor of rank 1")
        widths[name] = bias.size
    network = Network(widths)
    for name, made in tensors_of(network).items():
        given = tensors.get(name)
        if given is None or given.shape != made.shape or given.dtype != np.float32:
            raise MnistError(f"{path}: {name}: expected F32 of shape {list(made.shape)}, got "
                             f"{'none' if given is None else f'{given.dtype} {given.shape}'}")
    with torch.no_grad():
        for name, layer in network.layers().items():
            weight = torch.from_numpy(tensors[f"{name}.weight"])
            weight = weight.permute(3, 2, 0, 1) if weight.dim() == 4 else weight.T
            layer.weight.copy_(weight)
            layer.bias.copy_(torch.from_numpy(tensors[f"{name}.bias"]))
        for ours, name in NAMES.items():
            getattr(network.bn, ours).copy_(torch.from_numpy(tensors[f"bn.{name}"]))
    return network
