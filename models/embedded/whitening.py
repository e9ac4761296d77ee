"""The builder of `--weights whitened`: VGG19's topology with layer-wise whitened random features.

Nothing is trained. Each convolution reads the principal components of the 3x3 patches that reach it,
whitened and rotated until each is sparse, once with each sign. A random network's maps nearly all follow the local
mean, so that its Gram matrices are ruled by one eigenvalue and hardly notice coloured noise; whitened
maps differ from one another, and their Gram matrices see edges, grain and direction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nst.errors import SettingsError
from nst.models import vgg
from nst.models.forward import average_pool, convolve
from nst.models.procedural.pictures import procedural_pictures
from nst.models.weights import NetworkWeights

__all__ = ["LAST_LAYER", "build_whitened", "sparse_rotation"]

LAST_LAYER = "conv5_1"
"""Where the network ends: the deepest style layer of the paper."""

Array = NDArray[np.float32]
Rotation = Literal["sparse", "random", "none"]
Progress = Callable[[str, int, int], None]

_MEAN, _STD = 0.5, 0.25
_CHANNELS = {"1": 64, "2": 128, "3": 256, "4": 512, "5": 512}


def build_whitened(
    width: float | Sequence[float] = 0.5,
    seed: int = 0,
    pictures: int = 240,
    picture_size: int = 144,
    threshold: float = -0.3,
    floor: float | Sequence[float] = (0.003, 0.03, 0.03, 0.03, 0.03),
    patches: int = 60_000,
    families: Sequence[str] | None = None,
    pairs: bool = True,
    border: bool = True,
    rotation: Rotation | Sequence[Rotation] = ("sparse", "sparse", "random", "random", "random"),
    progress: Progress | None = None,
) -> NetworkWeights:
    """Build the network from procedural pictures; about two minutes on one core at the defaults.

    For each convolution: the covariance of the patches (one zero of padding, as the network pads) is
    diagonalised; the leading c_out / 2 components are scaled by 1 / sqrt(eigenvalue + floor * largest),
    rotated until each is sparse, brought to unit deviation and centred by the bias; z becomes the two channels
    relu(z - threshold) and relu(-z - threshold). At the end every channel is scaled to a mean
    activation of 1 over the pictures, and the next layer takes the factor back (a ReLU is homogeneous).

    The threshold is below zero on purpose. Above it, both channels of a pair are silent where a picture is
    flat: skies get no gradient, and each layer makes a faint picture fainter.

    Args:
        width: factor on VGG19's channel counts, or one for each of the five blocks.
        seed: 0 or more; seeds the pictures, the patches and the rotations.
        pictures: how many procedural pictures.
        picture_size: their side in pixels, 32 or more.
        threshold: where the ReLU begins, in deviations of a component.
        floor: least eigenvalue, as a part of the largest; keeps faint directions faint; or one for each block.
        patches: how many 3x3 patches a layer's covariance is taken from.
        families: kinds of pictures, taken in turn; None for all of them.
        pairs: each component with both signs; else twice as many components, each with one sign.
        border: whether patches may reach into the padding.
        rotation: how the whitened components are turned: "sparse" (so that each is far from Gaussian), "random" or
            "none"; one for all blocks, or one for each.
        progress: called with the layer's name, its number from 1 and their count, before each layer.

    Returns:
        The network in float16's values, conv1_1 to conv5_1.

    Raises:
        SettingsError: a setting outside its range.
    """
    widths = (width,) * 5 if isinstance(width, (int, float)) else tuple(width)
    floors = (floor,) * 5 if isinstance(floor, (int, float)) else tuple(floor)
    rotations = (rotation,) * 5 if isinstance(rotation, str) else tuple(rotation)
    for what, values in (("widths", widths), ("floors", floors), ("rotations", rotations)):
        if len(values) != 5:
            raise SettingsError(f"{len(values)} {what}, expected one or five")
    _check(widths, seed, pictures, picture_size, floors, patches)
    rng = np.random.Generator(np.random.PCG64(seed))
    maps = [_network_input(one) for one in procedural_pictures(pictures, picture_size, seed, families)]
    layers = vgg.layers_up_to([LAST_LAYER])
    count = sum(isinstance(layer, vgg.Conv) for layer in layers)
    convolutions: dict[str, tuple[Array, Array]] = {}
    gain = np.ones(3, np.float32)  # what the exported network's maps are multiplied by so far
    for layer in layers:
        if isinstance(layer, vgg.Pool):
            maps = [average_pool(one.astype(np.float32)).astype(np.float16) for one in maps]
            continue
        if progress is not None:
            progress(layer.name, len(convolutions) + 1, count)
        block = int(layer.name[4])
        out = max(2, 2 * round(_CHANNELS[layer.name[4]] * widths[block - 1] / 2))
        sample = _sample_patches(rng, maps, patches, border)
        weight, bias = _fit(sample, out, threshold, floors[block - 1], pairs, rotations[block - 1], rng)
        filters = np.ascontiguousarray(weight.transpose(2, 3, 0, 1))
        total = np.zeros(out)
        for index, one in enumerate(maps):  # in place: one layer's maps are held, not two
            response = np.maximum(convolve(one.astype(np.float32), filters) + bias[:, None, None], 0)
            total += response.mean(axis=(1, 2))
            maps[index] = response.astype(np.float16)
        factor = (1 / np.maximum(total / len(maps), 1e-4)).astype(np.float32)
        weight *= factor[:, None, None, None] / gain[None, :, None, None]
        convolutions[layer.name] = (_half(weight), _half(bias * factor))
        gain = factor
    return NetworkWeights(
        name="whitened",
        convolutions=convolutions,
        mean=(_MEAN,) * 3,
        std=(_STD,) * 3,
        license="Apache-2.0",
        source=(
            f"whitened random features on procedural pictures, built by nst: width "
            f"{_in_words([f'{one:g}' for one in widths])}, seed {seed}, "
            f"{pictures} pictures of {picture_size} px, threshold {threshold:g}, floor "
            f"{_in_words([f'{one:g}' for one in floors])}, rotation {_in_words(rotations)}"
        ),
    )


def _check(
    widths: tuple[float, ...],
    seed: int,
    pictures: int,
    picture_size: int,
    floors: tuple[float, ...],
    patches: int,
) -> None:
    for width in widths:
        if not 0 < width <= 1:
            raise SettingsError(f"width is {width:g}, expected more than 0 and at most 1")
    if seed < 0:
        raise SettingsError(f"seed is {seed}, expected 0 or more")
    if pictures < 1:
        raise SettingsError(f"pictures is {pictures}, expected 1 or more")
    if picture_size < 32:
        raise SettingsError(f"picture size is {picture_size}, expected 32 or more")
    for floor in floors:
        if floor <= 0:
            raise SettingsError(f"floor is {floor:g}, expected more than 0")
    if patches < 2:
        raise SettingsError(f"patches is {patches}, expected 2 or more")


def _in_words(blocks: Sequence[str]) -> str:
    return " ".join(blocks if len(set(blocks)) > 1 else blocks[:1])


def _network_input(picture: Array) -> NDArray[np.float16]:
    scaled = ((picture - _MEAN) / _STD).astype(np.float16)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))


def _half(values: Array) -> Array:
    """Rounded to float16, as the file stores it, in float32."""
    return values.astype(np.float16).astype(np.float32)


def _sample_patches(
    rng: np.random.Generator, maps: list[NDArray[np.float16]], count: int, border: bool
) -> Array:
    """(patches, 9 C) float32: the same number from each picture, tap by tap in row order."""
    share = -(-count // len(maps))
    inset = 0 if border else 1
    rows = []
    for one in maps:
        height, width = one.shape[1:]
        y, x = rng.integers(inset, height - inset, share), rng.integers(inset, width - inset, share)
        padded = np.pad(one, ((0, 0), (1, 1), (1, 1)))
        taps = [padded[:, y + row, x + column].T for row in range(3) for column in range(3)]
        rows.append(np.concatenate(taps, axis=1))
    return np.concatenate(rows).astype(np.float32)


def _fit(
    patches: Array,
    out: int,
    threshold: float,
    floor: float,
    pairs: bool,
    rotation: Rotation,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Whitened, rotated components of the patches: weight (out, in, 3, 3), bias (out,).

    Components beyond the patches' dimension do not exist, so a layer wider than that repeats them (or, of a
    random rotation, holds more mixtures of the same ones).
    """
    mean = patches.mean(axis=0, dtype=np.float64)
    patches = patches - mean.astype(np.float32)
    covariance = (patches.T @ patches).astype(np.float64) / len(patches)
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    wanted = out // 2 if pairs else out
    kept = min(wanted, len(eigenvalues))
    eigenvalues, eigenvectors = eigenvalues[::-1][:kept], eigenvectors[:, ::-1][:, :kept]
    whitener = eigenvectors / np.sqrt(np.maximum(eigenvalues, 0) + floor * eigenvalues[0])
    if rotation == "random":
        mix = np.linalg.qr(rng.standard_normal((wanted, kept)))[0]
    elif rotation == "sparse":
        mix = sparse_rotation(patches @ whitener.astype(np.float32), rng)
    else:
        mix = np.eye(kept)
    components = np.resize(mix, (wanted, kept)) @ whitener.T
    deviation = np.sqrt(np.einsum("ij,jk,ik->i", components, covariance, components, optimize=True))
    components /= np.maximum(deviation, 1e-12)[:, None]
    offset = components @ mean
    weight = np.concatenate([components, -components]) if pairs else components
    bias = (np.concatenate([-offset, offset]) if pairs else -offset) - threshold
    taps = weight.reshape(out, 3, 3, -1).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(taps, np.float32), bias.astype(np.float32)


def sparse_rotation(
    white: NDArray[np.float32], rng: np.random.Generator, rounds: int = 12
) -> NDArray[np.float64]:
    """An orthogonal matrix R such that the columns of white @ R.T are far from Gaussian.

    The nonlinearity is tanh. On patches of pictures, far from Gaussian means sparse: a component answers to one
    kind of edge, line or colour and is near 0 elsewhere.

    Args:
        white: (samples, components), centred, of variance about 1, not correlated.
        rng: draws the rotation that the search starts from.
        rounds: fixed-point steps; most of the way is made in the first few.

    Returns:
        (components, components).
    """
    components = white.shape[1]
    rotation = np.linalg.qr(rng.standard_normal((components, components)))[0]
    for _ in range(rounds):
        bent = np.tanh(white @ rotation.T.astype(white.dtype))
        slope = 1 - np.square(bent).mean(axis=0, dtype=np.float64)
        left, _, right = np.linalg.svd(bent.T @ white / len(white) - slope[:, None] * rotation)
        rotation = left @ right
    return rotation
