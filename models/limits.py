"""What a file may ask for: sizes in a file are claims, and are compared with these before anything is read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from nst.errors import WeightsError

MAX_CHANNELS = 2048
"""No layer that claims more is read; VGG19's convolutions have 512, its classifier 4096."""

MAX_NUMBERS = 1 << 25
"""Numbers that are read of one file, 134 MB in float32; VGG19's convolutions have 20 million."""

MAX_FILE = 1_250_000_000
"""Bytes of a file, classifier included: VGG19 has 575 MB in float32, twice as much in float64."""

MAX_CONTENTS = 1 << 20  # bytes of a table of contents; that of a VGG19 has 10 thousand


def check_file(path: Path) -> None:
    """Raise `WeightsError` for a file that is larger than any VGG19."""
    size = path.stat().st_size
    if size > MAX_FILE:
        raise WeightsError(
            f"{path} has {size / 1e9:.1f} GB, more than any VGG19: at most {MAX_FILE / 1e9} are read"
        )


def check_header(path: Path) -> None:
    """Raise `WeightsError` for a safetensors file whose table of contents is too large to be one of tensors."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > MAX_CONTENTS:
        raise WeightsError(f"{path} is damaged or not safetensors: a table of contents of {length} bytes")


def check_shape(shape: Sequence[int], name: str) -> None:
    """Raise `WeightsError` for a shape that no layer of a VGG has."""
    if len(shape) > 4 or not all(0 <= size <= MAX_CHANNELS for size in shape):
        raise WeightsError(f"{name} has shape {tuple(shape)}: at most 4 axes of {MAX_CHANNELS} are read")


def check_shapes(shapes: Mapping[str, Sequence[int]]) -> None:
    """Raise `WeightsError` for tensors that are no layers of a VGG, each by itself or all together."""
    for name, shape in shapes.items():
        check_shape(shape, name)
    numbers = sum(math.prod(shape) for shape in shapes.values())
    if numbers > MAX_NUMBERS:
        raise WeightsError(
            f"its layers have {numbers} numbers, more than any VGG19: at most {MAX_NUMBERS} are read"
        )
