"""The network as a `torch.nn.Module`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from nst.models import vgg
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.protocol import Ops


class VGG(nn.Module):  # type: ignore[misc]  # torch is not followed by the type checker
    """VGG19 or VGG16, as the weights are, down to the deepest of `layers`: a module that works without nst.

    `forward` takes pictures (N, 3, H, W) in sRGB [0, 1] and returns a dictionary of feature maps by layer
    name, after the ReLU. The parameters are frozen and named conv1_1.weight, conv1_1.bias, ... The convolutions
    beyond the first may be in a lower precision than the rest, which pictures and feature maps have.
    """

    def __init__(self, weights: NetworkWeights, layers: Sequence[str], pooling: Pooling = "avg") -> None:
        super().__init__()
        self.layers = tuple(layers)
        factor, shift = (torch.from_numpy(array).reshape(1, 3, 1, 1) for array in weights.input_affine)
        self.register_buffer("input_factor", factor)
        self.register_buffer("input_shift", shift)
        for layer in vgg.layers_up_to(layers, weights.layer_names):
            if isinstance(layer, vgg.Pool):
                self.add_module(layer.name, nn.AvgPool2d(2) if pooling == "avg" else nn.MaxPool2d(2))
                continue
            weight, bias = weights.convolutions[layer.name]
            convolution = nn.utils.skip_init(nn.Conv2d, weight.shape[1], weight.shape[0], 3, padding=1)
            convolution.weight.data = torch.from_numpy(weight.copy())
            convolution.bias.data = torch.from_numpy(bias.copy())
            self.add_module(layer.name, convolution)
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {name: maps.to(self.input_factor.dtype) for name, maps in self.maps(x).items()}

    def maps(self, x: Tensor) -> dict[str, Tensor]:
        """What `forward` returns, in the precision of the convolutions."""
        x = x * self.input_factor + self.input_shift
        *_, last = (module for module in self.children() if isinstance(module, nn.Conv2d))
        features = {}
        for name, module in self.named_children():
            if isinstance(module, nn.Conv2d):
                x = module(x).to(last.weight.dtype)
                x = functional.relu(x, inplace=True)  # no convolution needs its own output again
            else:
                x = module(x)
            if name in self.layers:
                features[name] = x
        return features


class TorchNetwork:
    """See `nst.protocol.Network`; `native` is a `VGG` module."""

    def __init__(self, native: VGG) -> None:
        self.native = native

    def __call__(self, ops: Ops[Tensor], x: Tensor) -> dict[str, Tensor]:
        features: dict[str, Tensor] = self.native.maps(x)
        return features
