"""The weights of a VGG19 or VGG16 in memory, and their file format (safetensors).

A file holds, for each convolution, `convX_Y.weight` (out, in, 3, 3) and `convX_Y.bias` (out,), float32
or float16, from conv1_1 down to any depth, with any widths as long as the shapes chain. Which convolutions there are
says whether it is a VGG19 or a VGG16. In place of `convX_Y.weight` there may be `convX_Y.weight.index` (out, in, 3, 3),
uint8, and `convX_Y.weight.table`, 1 to 256 values, float32 or float16: the weights are table[index], in a quarter of
the space (`split` and `join`, which lose nothing). Its string metadata say how a picture becomes the network's input:

    net_input = (scale * x - mean) / std,   x in sRGB [0, 1]

with `channel_order` ("RGB" or "BGR"), `scale` ("1" or "255"), `mean` and `std` (JSON lists in the
file's channel order); `name`, `license` and `source` are for people.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors import numpy as safetensors_numpy

from nst.errors import SettingsError, WeightsError
from nst.files import write_atomically
from nst.models import vgg
from nst.models.limits import check_file, check_header, check_shapes

Array = NDArray[np.float32]
Index = NDArray[np.uint8]

VALUES = 256  # different values that an 8-bit index tells apart


@dataclass(frozen=True)
class NetworkWeights:
    """A VGG19 or VGG16 down to some depth, input channels in RGB order whatever the file's order was.

    Attributes:
        name: what people call it ("vgg19", "random-0", ...).
        convolutions: name -> (weight (out, in, 3, 3), bias (out,)), float32, in network order.
        scale: factor on x in sRGB [0, 1], 1 or 255.
        mean: subtracted after the factor, one number a channel (R, G, B).
        std: divisor after that, one number a channel (R, G, B).
        license: the licence of the weights, for people.
        source: where they come from, for people.

    Raises:
        WeightsError: a layer is missing, a shape does not chain, a value is not finite.
    """

    name: str
    convolutions: Mapping[str, tuple[Array, Array]]
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    license: str = field(default="", compare=False)
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not self.convolutions:
            raise WeightsError(f"weights {self.name!r}: no convolution found, conv1_1.weight is missing")
        expected = vgg.topology_with(self.convolutions)[: len(self.convolutions)]
        if tuple(self.convolutions) != expected:
            raise WeightsError(
                f"weights {self.name!r}: layers must be {', '.join(expected)}, got {', '.join(self.convolutions)}"
            )
        channels = 3
        for layer, (weight, bias) in self.convolutions.items():
            out = weight.shape[0] if weight.ndim else 0
            if weight.shape != (out, channels, 3, 3) or out == 0:
                raise WeightsError(
                    f"weights {self.name!r}: {layer}.weight has shape {weight.shape}, "
                    f"expected (channels, {channels}, 3, 3)"
                )
            if bias.shape != (out,):
                raise WeightsError(
                    f"weights {self.name!r}: {layer}.bias has shape {bias.shape}, expected ({out},)"
                )
            for array, part in ((weight, "weight"), (bias, "bias")):
                if not np.isfinite(array).all():
                    raise WeightsError(f"weights {self.name!r}: {layer}.{part} holds NaN or infinity")
            channels = out
        if not all(np.isfinite([self.scale, *self.mean, *self.std])) or min(self.std) <= 0 or self.scale <= 0:
            raise WeightsError(f"weights {self.name!r}: scale and std must be positive, mean finite")

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The layers that these weights reach: the topology, see `nst.models.vgg`."""
        return tuple(self.convolutions)

    def channels(self, layer: str) -> int:
        """N_l, the number of feature maps of a layer."""
        return int(self.convolutions[layer][0].shape[0])

    def require(self, layers: list[str] | tuple[str, ...]) -> None:
        """Raise `SettingsError` for a layer that lies deeper than these weights, or that VGG16 lacks."""
        vgg.validate_layers(layers)
        last = self.layer_names[-1]
        for layer in layers:
            if layer in self.convolutions:
                continue
            if vgg.LAYER_NAMES.index(layer) < vgg.LAYER_NAMES.index(last):
                raise SettingsError(
                    f"weights {self.name!r} are a VGG16, which has no {layer}: choose another layer"
                )
            raise SettingsError(
                f"weights {self.name!r} end at {last}: {layer} is not there; choose a shallower layer, or the "
                "whole network: nst weights download vgg19"
            )

    @property
    def input_affine(self) -> tuple[Array, Array]:
        """(factor, shift), each (3,): net_input = factor * x + shift for x in sRGB [0, 1]."""
        std = np.asarray(self.std, np.float64)
        factor = self.scale / std
        shift = -np.asarray(self.mean, np.float64) / std
        return factor.astype(np.float32), shift.astype(np.float32)

    @cached_property
    def sha256(self) -> str:
        """Hash of every number that the network computes with; the same however it was stored."""
        digest = hashlib.sha256()
        digest.update(np.array([self.scale, *self.mean, *self.std], "<f8").tobytes())
        for layer, (weight, bias) in self.convolutions.items():
            digest.update(layer.encode())
            digest.update(np.ascontiguousarray(weight, "<f4").tobytes())
            digest.update(np.ascontiguousarray(bias, "<f4").tobytes())
        return digest.hexdigest()


def load_weights(path: str | Path) -> NetworkWeights:
    """Read a safetensors file in the format that the module describes.

    Raises:
        WeightsError: not there, not safetensors, truncated, or not a VGG; one line that says which.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"weights file {path} not found")
    try:
        check_file(path)
        check_header(path)
        with safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
            names = [name for name in file.keys() if name.startswith("conv")]  # noqa: SIM118
            check_shapes({name: file.get_slice(name).get_shape() for name in names})
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file ({error})") from error
    return _from_tensors(tensors, metadata, default_name=path.stem, where=str(path))


def save_weights(weights: NetworkWeights, path: str | Path, dtype: str = "float32") -> None:
    """Write `weights` as safetensors in RGB order.

    Args:
        weights: the network.
        path: replaced whole or not at all.
        dtype: float32, float16, or "clustered" for indices and tables, which loses nothing.

    Raises:
        WeightsError: "clustered", and a layer's weights have more than 256 values.
        OSError: the file cannot be written.
    """
    tensors: dict[str, NDArray[np.generic]] = {}
    for layer, (weight, bias) in weights.convolutions.items():
        if dtype == "clustered":
            tensors |= _parts(f"{layer}.weight", weight)
        else:
            tensors[f"{layer}.weight"] = np.ascontiguousarray(weight, dtype)
        tensors[f"{layer}.bias"] = np.ascontiguousarray(bias, "float32" if dtype == "clustered" else dtype)
    metadata = {
        "channel_order": "RGB",
        "scale": f"{weights.scale:g}",
        "mean": json.dumps(weights.mean),
        "std": json.dumps(weights.std),
        "name": weights.name,
        "license": weights.license,
        "source": weights.source,
    }
    write_atomically(path, safetensors_numpy.save(tensors, metadata))


def split(weight: Array) -> tuple[Index, Array]:
    """(index of `weight`'s shape, table of its different values): table[index] is `weight`, bit for bit.

    WeightsError: more than 256 different values.
    """
    bits, index = np.unique(np.ascontiguousarray(weight, np.float32).view(np.uint32), return_inverse=True)
    if len(bits) > VALUES:
        raise WeightsError(f"{len(bits)} different values, at most {VALUES} fit an 8-bit index")
    return index.reshape(weight.shape).astype(np.uint8), bits.view(np.float32)


def join(index: NDArray[np.generic], table: NDArray[np.generic]) -> Array:
    """table[index], float32.

    WeightsError: index is not uint8, table is not 1 to 256 numbers, or an index lies outside the table.
    """
    if index.dtype != np.uint8:
        raise WeightsError(f"index is {index.dtype}, expected uint8")
    if table.dtype not in (np.float32, np.float16):
        raise WeightsError(f"table is {table.dtype}, expected float32 or float16")
    if table.ndim != 1 or not 1 <= table.size <= VALUES:
        raise WeightsError(f"table has shape {table.shape}, expected 1 to {VALUES} values")
    if index.size and index.max() >= table.size:
        raise WeightsError(f"index {index.max()} lies outside the table of {table.size} values")
    values: Array = table.astype(np.float32)[index]
    return values


def _parts(name: str, weight: Array) -> dict[str, NDArray[np.generic]]:
    """What a file holds in place of the tensor `name`: NAME.index and NAME.table.

    WeightsError: more than 256 different values.
    """
    try:
        index, table = split(weight)
    except WeightsError as error:
        raise WeightsError(f"{name} has {error}") from error
    return {f"{name}.index": index, f"{name}.table": table}


def _joined(tensors: Mapping[str, NDArray[np.generic]], where: str) -> dict[str, NDArray[np.generic]]:
    """The tensors of a file with NAME in place of NAME.index and NAME.table.

    WeightsError, beginning with `where`: one without the other, both beside NAME, or what `join` refuses.
    """
    found = dict(tensors)
    names = dict.fromkeys(
        key.removesuffix(end) for key in tensors for end in (".index", ".table") if key.endswith(end)
    )
    for name in names:
        index, table = found.pop(f"{name}.index", None), found.pop(f"{name}.table", None)
        if index is None or table is None:
            raise WeightsError(f"{where}: {name} has only one of index and table")
        if name in found:
            raise WeightsError(f"{where}: {name} is there both as it is and as index and table")
        try:
            found[name] = join(index, table)
        except WeightsError as error:
            raise WeightsError(f"{where}: {name}.{error}") from error
    return found


def _from_tensors(
    tensors: Mapping[str, NDArray[np.generic]], metadata: Mapping[str, str], default_name: str, where: str
) -> NetworkWeights:
    convolutions: dict[str, tuple[Array, Array]] = {}
    tensors = _joined(tensors, where)
    for layer in vgg.LAYER_NAMES:
        pair = []
        for part in ("weight", "bias"):
            array = tensors.get(f"{layer}.{part}")
            if array is None:
                continue
            if array.dtype not in (np.float32, np.float16):
                raise WeightsError(f"{where}: {layer}.{part} is {array.dtype}, expected float32 or float16")
            pair.append(array.astype(np.float32))
        if len(pair) == 1:
            raise WeightsError(f"{where}: {layer} has only one of weight and bias")
        if pair:
            convolutions[layer] = (pair[0], pair[1])
    order = metadata.get("channel_order", "RGB")
    if order not in ("RGB", "BGR"):
        raise WeightsError(f"{where}: channel_order is {order!r}, expected RGB or BGR")
    scale = _number(metadata, "scale", where)
    mean = _channel_list(metadata, "mean", "[0, 0, 0]", where)
    std = _channel_list(metadata, "std", "[1, 1, 1]", where)
    if order == "BGR":  # turned into RGB once, here, so that nothing else has to know
        mean, std = mean[::-1], std[::-1]
        if "conv1_1" in convolutions:
            weight, bias = convolutions["conv1_1"]
            convolutions["conv1_1"] = (np.ascontiguousarray(weight[:, ::-1]), bias)
    return NetworkWeights(
        name=metadata.get("name") or default_name,
        convolutions=convolutions,
        scale=scale,
        mean=mean,
        std=std,
        license=metadata.get("license", ""),
        source=metadata.get("source", ""),
    )


def _number(metadata: Mapping[str, str], key: str, where: str) -> float:
    text = metadata.get(key, "1")
    try:
        value = float(text)
    except ValueError as error:
        raise WeightsError(f"{where}: {key} is {text!r}, expected a number") from error
    if not (math.isfinite(value) and value > 0):
        raise WeightsError(f"{where}: {key} is {text!r}, expected a number above 0")
    return value


def _channel_list(
    metadata: Mapping[str, str], key: str, default: str, where: str
) -> tuple[float, float, float]:
    text = metadata.get(key, default)
    try:
        first, second, third = (float(value) for value in json.loads(text))
    except (ValueError, TypeError) as error:
        raise WeightsError(f"{where}: {key} is {text!r}, expected a JSON list of three numbers") from error
    return first, second, third
