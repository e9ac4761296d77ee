"""What the cases compute: pictures, networks, the work that is in a step, and the fastest that the machine does it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from nst.models import vgg
from nst.models.random import random_weights
from nst.models.store.resolve import resolve_weights
from nst.models.weights import NetworkWeights
from nst.pictures.kinds import from_any
from nst.pictures.picture import planar
from nst.protocol import Backend, HostArray
from nst.transfer import StyleTransfer

__all__ = [
    "demo_arrays",
    "dimensions",
    "drawn",
    "network",
    "peak",
    "pictures",
    "seconds",
    "step_flop",
    "transfer",
]


def dimensions(size: int, device: str) -> tuple[int, int]:
    """(width, height): the goals are set at 512x384 on a CPU and at 512x512 on a GPU."""
    return (size, size) if device == "cuda" else (size, size * 3 // 4)


def network(name: str) -> NetworkWeights:
    """VGG19 to conv5_1 with random filters ("full"), or what `--weights` calls so, without a download."""
    if name == "full":
        return random_weights(0, depth="conv5_1")
    return resolve_weights(name, offline=True)


def pictures(names: Sequence[str], width: int, height: int) -> list[Any]:
    """Content and style: "demo" for the two drawings, skimage's photographs by name, or paths."""
    demo = drawn("harbour", width, height), drawn("strokes", width, height)
    return [demo[i] if name == "demo" else _picture(name) for i, name in enumerate(names)]


def drawn(name: str, width: int, height: int) -> Image.Image:
    """The drawing "harbour" or "strokes" at a size."""
    with Image.open(Path(__file__).parent / "pictures" / f"{name}.jpg") as picture:
        return picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)


def demo_arrays(width: int, height: int) -> list[HostArray]:
    """Content and style of the demo, (1, 3, H, W)."""
    return [planar(from_any(picture)[0]) for picture in pictures(("demo", "demo"), width, height)]


def _picture(name: str) -> Any:
    if "." in name:
        return Image.open(name)
    from skimage import data

    return getattr(data, name)()


def transfer(
    backend: Backend[Any] | str, weights: NetworkWeights, width: int, height: int, **settings: Any
) -> StyleTransfer:
    """The demo pictures at one size; of a backend that is only named, `device` is among the settings."""
    content, style = pictures(("demo", "demo"), width, height)
    given = {"size": "content", "scales": 1, **settings}
    return StyleTransfer(content, style, backend=backend, weights=weights, **given)


def step_flop(
    weights: NetworkWeights, layers: Sequence[str], width: int, height: int, alone: bool = False
) -> int:
    """Floating-point operations of the convolutions in a step: forward, and backward to the picture.

    A multiplication and an addition for each tap and channel, twice: the filters are frozen, so that a training step's
    third pass, their gradient, is not there. Gram matrices, another 5 % at full width, are not counted.
    With `alone`, of the layers that are named and not of those below them.
    """
    taps = 0
    for layer in vgg.layers_up_to(layers):
        if isinstance(layer, vgg.Conv) and not (alone and layer.name not in layers):
            rows, columns = vgg.layer_size(layer.name, height, width)
            taps += weights.convolutions[layer.name][0].size * rows * columns
    return 2 * 2 * taps


def seconds(work: Callable[[], object]) -> float:
    """Of one call, by the clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


PRODUCTS = {"cpu": (2048, 1), "cuda": (8192, 20)}
"""Side of the matrices of `peak`, and how many products are waited for at once."""


def peak(dtype: str, device: str) -> float:
    """Floating-point operations a second of a large matrix product in PyTorch, the best of several; no TF32."""
    import torch

    n, repeats = PRODUCTS[device]
    a, b = (torch.randn(n, n, device=device).to(getattr(torch, dtype)) for _ in range(2))

    def products() -> None:
        for _ in range(repeats):
            c = a @ b
        float(c[0, 0])  # waits for the device

    products()
    return 2.0 * n**3 * repeats / min(seconds(products) for _ in range(6))
