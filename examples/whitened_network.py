"""Make a network that nobody trained: VGG19 at half width, its filters whitened random features of a few pictures.

    python examples/whitened_network.py nst/samples/*.jpg -o whitened.safetensors        # about two minutes
    nst stylize photo.jpg painting.jpg -o out.png --weights whitened.safetensors

Each convolution reads the principal components of the 3x3 patches that reach it, whitened, rotated (in blocks 1 and 2
until each is far from Gaussian, which on pictures means sparse; deeper at random) and taken once with each sign. A
random network's maps nearly all follow the local mean, so that one eigenvalue rules its Gram matrices; whitened maps
differ from one another, and their Gram matrices see edges, grain and direction. docs/networks.md has what came of it.

A network of another make goes the same way: `NetworkWeights` of any filters, `save_weights`, `--weights FILE`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nst.models.weights import NetworkWeights, save_weights

CHANNELS = {1: 64, 2: 128, 3: 256, 4: 512, 5: 512}
LAYERS = (
    "conv1_1 conv1_2 pool conv2_1 conv2_2 pool conv3_1 conv3_2 conv3_3 conv3_4 pool "
    "conv4_1 conv4_2 conv4_3 conv4_4 pool conv5_1"
)
THRESHOLD = -0.3  # below 0: above it, both signs of a component are silent where a picture is flat
FLOOR = {1: 0.003, 2: 0.03, 3: 0.03, 4: 0.03, 5: 0.03}  # least eigenvalue, as a part of the largest

Maps = NDArray[np.float32]


def build(
    pictures: Sequence[NDArray[np.float32]],
    width: float = 0.5,
    seed: int = 0,
    crops: int = 240,
    side: int = 144,
    patches: int = 60_000,
) -> NetworkWeights:
    """The network.

    Args:
        pictures: (H, W, 3) in sRGB [0, 1].
        width: factor on VGG19's channel counts.
        seed: of the crops, the patches and the rotations.
        crops: how many squares are cut out of the pictures in turn.
        side: of a square in pixels; no picture may be smaller.
        patches: how many 3x3 patches a layer is made from.
    """
    rng = np.random.default_rng(seed)
    maps = [(2 * (2 * crop - 1)).transpose(2, 0, 1) for crop in _crops(pictures, crops, side, rng)]
    convolutions = {}
    gain = np.ones(3)  # what the maps of the network below are multiplied by
    for layer in LAYERS.split():
        if layer == "pool":
            maps = [_pool(one) for one in maps]
            continue
        block = int(layer[4])
        out = 2 * max(1, round(CHANNELS[block] * width / 2))
        weight, bias = _fit(_patches(maps, patches, rng), out, FLOOR[block], block < 3, rng)
        maps = [_convolve(one, weight, bias) for one in maps]
        mean = np.maximum(np.mean([one.mean((1, 2)) for one in maps], 0, dtype=float), 1e-4)
        # a ReLU is homogeneous: every channel gets a mean of 1, and the next layer takes the factor back
        scaled = weight / mean[:, None, None, None] / gain[None, :, None, None]
        convolutions[layer] = (scaled.astype(np.float32), (bias / mean).astype(np.float32))
        gain = 1 / mean
        print(f"{layer}: {out} channels", file=sys.stderr, flush=True)
    return NetworkWeights(
        "whitened",
        convolutions,
        mean=(0.5, 0.5, 0.5),
        std=(0.25, 0.25, 0.25),
        source=f"whitened random features by examples/whitened_network.py, width {width:g}, seed {seed}",
    )


def _crops(
    pictures: Sequence[NDArray[np.float32]], count: int, side: int, rng: np.random.Generator
) -> Iterator[NDArray[np.float32]]:
    for index in range(count):
        picture = pictures[index % len(pictures)]
        y, x = (rng.integers(0, length - side + 1) for length in picture.shape[:2])
        yield picture[y : y + side, x : x + side]


def _pool(maps: Maps) -> Maps:
    channels, height, width = maps.shape
    blocks = maps[:, : height // 2 * 2, : width // 2 * 2].reshape(channels, height // 2, 2, width // 2, 2)
    return np.asarray(blocks.mean((2, 4)), np.float32)


def _convolve(maps: Maps, weight: Maps, bias: Maps) -> Maps:
    """With one zero of padding, and the ReLU."""
    height, width = maps.shape[1:]
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1)))
    total = np.zeros((len(weight), height * width), np.float32)
    for row in range(3):
        for column in range(3):
            window = padded[:, row : row + height, column : column + width].reshape(len(maps), -1)
            total += np.ascontiguousarray(weight[:, :, row, column]) @ window
    return np.maximum(total + bias[:, None], 0).reshape(-1, height, width)


def _patches(maps: Sequence[Maps], count: int, rng: np.random.Generator) -> Maps:
    """(count, C * 9): as many of each map, with the padding that the network has."""
    rows = []
    for one in maps:
        height, width = one.shape[1:]
        y, x = (rng.integers(0, length, -(-count // len(maps))) for length in (height, width))
        padded = np.pad(one, ((0, 0), (1, 1), (1, 1)))
        taps = [padded[:, y + row, x + column].T for row in range(3) for column in range(3)]
        rows.append(np.stack(taps, 2).reshape(len(y), -1))
    return np.concatenate(rows).astype(np.float32)


def _fit(patches: Maps, out: int, floor: float, sparse: bool, rng: np.random.Generator) -> tuple[Maps, Maps]:
    """Filters (out, C, 3, 3) and bias of the whitened components with both signs."""
    mean = patches.mean(0, dtype=float)
    patches = patches - mean.astype(np.float32)
    covariance = (patches.T @ patches).astype(float) / len(patches)
    values, vectors = np.linalg.eigh(covariance)
    kept = min(out // 2, len(values))
    values, vectors = values[::-1][:kept], vectors[:, ::-1][:, :kept]
    whitener = vectors / np.sqrt(np.maximum(values, 0) + floor * values[0])
    if sparse:
        mix = sparse_rotation(patches @ whitener.astype(np.float32), rng)
    else:
        mix = np.linalg.qr(rng.standard_normal((out // 2, kept)))[0]
    components = np.resize(mix, (out // 2, kept)) @ whitener.T
    deviation = np.sqrt(np.sum(components @ covariance * components, 1))
    components /= np.maximum(deviation, 1e-12)[:, None]
    offset = components @ mean
    weight = np.concatenate([components, -components]).reshape(out, -1, 3, 3)
    bias = np.concatenate([-offset, offset]) - THRESHOLD
    return weight.astype(np.float32), bias.astype(np.float32)


def sparse_rotation(white: Maps, rng: np.random.Generator, rounds: int = 12) -> NDArray[np.float64]:
    """An orthogonal R such that the columns of white @ R.T are far from Gaussian (symmetric FastICA with tanh)."""
    rotation = np.linalg.qr(rng.standard_normal((white.shape[1], white.shape[1])))[0]
    for _ in range(rounds):
        bent = np.tanh(white @ rotation.T.astype(np.float32))
        slope = 1 - np.square(bent).mean(0, dtype=float)
        left, _, right = np.linalg.svd(bent.T @ white / len(white) - slope[:, None] * rotation)
        rotation = left @ right
    return np.asarray(rotation, float)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", nargs="+", type=Path, help="any; 144 pixels or more on each side")
    parser.add_argument("-o", "--output", type=Path, default=Path("whitened.safetensors"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    pictures = []
    for path in options.pictures:
        picture = Image.open(path).convert("RGB")
        picture.thumbnail((512, 512), Image.Resampling.LANCZOS)
        if min(picture.size) < 144:
            parser.error(f"{path} has {picture.width}x{picture.height} pixels: choose a larger picture")
        pictures.append(np.asarray(picture, np.float32) / np.float32(255))
    save_weights(build(pictures, seed=options.seed), options.output, "float16")


if __name__ == "__main__":
    main()
