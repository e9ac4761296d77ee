"""Two methods that nst has not, from their papers, to paint the pairs of `quality.py` beside it.

NNST: Kolkin, Kucera, Paris, Sýkora, Shechtman, Shakhnarovich, *Neural Neighbor Style Transfer*, 2022 (by steps).
STROTSS: Kolkin, Salavon, Shakhnarovich, *Style Transfer by Relaxed Optimal Transport and Self-Similarity*, CVPR 2019.

Both use VGG16; here it is nst's VGG19, of which the layers are taken that have a counterpart (the embedded one ends at
conv5_1, which stands for conv5_3). Steps are theirs but at the last size, where they are fewer (80 for 200, twice, and
120 for 250), for a processor's sake. Where a paper leaves a number open it is that of the authors' code.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from nst.backends.torch.network import VGG
from nst.models.weights import NetworkWeights
from nst.pictures.color_match import recolor_palette
from nst.pictures.picture import Picture

Maps = dict[str, Tensor]

SHALLOW = tuple(f"conv{b}_{i}" for b, count in ((1, 2), (2, 2), (3, 3)) for i in range(1, count + 1))
RATE = 2e-3


def network(weights: NetworkWeights, layers: Sequence[str]) -> VGG:
    """Maximum pooling; the convolutions beyond the first in bfloat16."""
    module = VGG(weights, layers, "max")
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d) and name != "conv1_1":
            child.to(torch.bfloat16)
    return module


def resized(picture: Tensor, size: Sequence[int]) -> Tensor:
    return functional.interpolate(picture, tuple(size), mode="bilinear", align_corners=False)


def pyramid(picture: Tensor, levels: int) -> list[Tensor]:
    """Differences from level to level, the finest first, and what is left."""
    parts = []
    for _ in range(levels):
        small = resized(picture, [max(1, side // 2) for side in picture.shape[2:]])
        parts.append(picture - resized(small, picture.shape[2:]))
        picture = small
    return [*parts, picture]


def levels_of(picture: Tensor) -> range:
    """Of its pyramid, from about 64 pixels on."""
    return range(max(1, round(math.log2(max(picture.shape[2:]) / 64))), -1, -1)


def collapse(parts: Sequence[Tensor]) -> Tensor:
    """The picture of a pyramid."""
    picture = parts[-1]
    for part in reversed(parts[:-1]):
        picture = part + resized(picture, part.shape[2:])
    return picture


def descend(
    start: Sequence[Tensor],
    steps: int,
    method: Callable[..., torch.optim.Optimizer],
    loss: Callable[[Tensor], Tensor],
) -> list[Tensor]:
    """The pyramid after `steps` steps."""
    parts = [part.detach().clone().requires_grad_() for part in start]
    optimizer = method(parts)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(collapse(parts)).backward()
        optimizer.step()
    return [part.detach() for part in parts]


def unit(rows: Tensor) -> Tensor:
    """Each of the rows at length 1."""
    return functional.normalize(rows, dim=-1)


def centred(rows: Tensor) -> Tensor:
    """The rows less their mean, at length 1: products of two such sets are centred cosines."""
    return unit(rows - rows.mean(0))


def nearest(rows: Tensor, others: Tensor) -> Tensor:
    """For each of the unit rows the number of the one of `others` that is most like it."""
    blocks = rows.bfloat16().split(1024)
    return torch.cat([(block @ others.bfloat16().T).argmax(1) for block in blocks])


# --- NNST

NNST_STEPS = 200, 80  # a size, and at the last one: so many for whole columns and as many layer by layer
NNST_LAYERS = (*SHALLOW, "conv4_1", "conv4_2", "conv4_3")


def nnst(content: Tensor, style: Tensor, weights: NetworkWeights) -> Tensor:
    """Section 3 of the paper, without its last step, the colours."""
    look = network(weights, NNST_LAYERS)
    contents, styles = pyramid(content, 8), pyramid(style, 8)
    painted = [torch.zeros_like(part) for part in contents[:3]] + contents[3:]

    def adam(parts: list[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parts, RATE)

    first, *_ = levels = levels_of(content)
    for level in levels:
        seen = collapse(contents[level:])
        if (
            level < first
        ):  # a quarter of what is sought for is the picture so far, with the content's finest level
            seen = 0.75 * seen + 0.25 * collapse([contents[level], *painted[level + 1 :]])
        turned = [torch.rot90(collapse(styles[level:]), turn, (2, 3)) for turn in range(4)]
        with torch.no_grad():
            features = [look(one) for one in turned]
            choice = torch.cat([hypercolumns(one) for one in features])
            wanted = unit(choice[nearest(centred(hypercolumns(look(seen))), centred(choice))])
        del choice

        def matched(picture: Tensor, wanted: Tensor = wanted) -> Tensor:
            return 1 - (unit(hypercolumns(look(picture))) * wanted).sum(1).mean()

        def split(picture: Tensor, features: list[Maps] = features) -> Tensor:
            return split_features(look(picture), features)

        painted[level:] = descend(painted[level:], NNST_STEPS[not level], adam, matched)
    painted = descend(painted, NNST_STEPS[1], adam, split)
    return collapse(painted)


def hypercolumns(features: Maps) -> Tensor:
    """(positions, channels): each layer over its number of channels, at a quarter of the picture's size."""
    height, width = features["conv1_1"].shape[2:]
    maps = [resized(maps / maps.shape[1], (height // 4, width // 4)) for maps in features.values()]
    return torch.cat(maps, 1)[0].flatten(1).T


def split_features(found: Maps, styles: Sequence[Maps]) -> Tensor:
    """Each layer's positions against those of the style that are nearest now; some 64 along the longer side."""
    total = torch.zeros(())
    for layer, maps in found.items():
        stride = max(1, max(maps.shape[2:]) // 64)
        row, column = torch.randint(stride, (2,)).tolist()
        mine = centred(maps[0, :, row::stride, column::stride].flatten(1).T)
        rows = [one[layer][0, :, row::stride, column::stride].flatten(1).T for one in styles]
        choice = centred(torch.cat(rows))
        with torch.no_grad():
            numbers = nearest(mine, choice)
        total = total + 1 - (mine * choice[numbers]).sum(1).mean()
    return total


# --- STROTSS

STROTSS_STEPS = 250, 120  # a size, and at the last one
STROTSS_LAYERS = (*SHALLOW, "conv4_3", "conv5_1")
SAMPLES = 1024
YUV = torch.tensor([[0.299, 0.587, 0.114], [-0.147, -0.289, 0.436], [0.615, -0.515, -0.1]])


def strotss(content: Tensor, style: Tensor, weights: NetworkWeights) -> Tensor:
    """Equation 1, with an alpha of 16 at the first size and half of it at each that follows."""
    look = network(weights, STROTSS_LAYERS)
    first, *_ = levels = levels_of(content)
    contents, styles = pyramid(content, first), pyramid(style, first)
    picture = style.mean((2, 3), keepdim=True)
    with (
        torch.no_grad()
    ):  # theirs has activations of about 1, the moments of the original VGG19's outweighed all
        scale = {layer: 1 / maps.square().mean().sqrt() for layer, maps in look(style).items()} | {"rgb": 1.0}

    def columns(picture: Tensor) -> Maps:
        return {layer: scale[layer] * maps for layer, maps in {"rgb": picture, **look(picture)}.items()}

    for level in levels:
        alpha = 16.0 / 2 ** (first - level)
        seen = collapse(contents[level:])
        picture = resized(picture, seen.shape[2:])
        if level:
            picture = picture + pyramid(seen, 1)[0]
        with torch.no_grad():
            own, theirs = columns(seen), columns(collapse(styles[level:]))

        def loss(x: Tensor, own: Maps = own, theirs: Maps = theirs, alpha: float = alpha) -> Tensor:
            place = torch.rand(1, 1, SAMPLES, 2) * 2 - 1
            a, c = sampled(columns(x), place), sampled(own, place)
            s = sampled(theirs, torch.rand(1, 1, SAMPLES, 2) * 2 - 1)
            style = moments(a, s) + relaxed_emd(cosine(a, s))
            palette = relaxed_emd(torch.cdist(a[:, :3] @ YUV.T, s[:, :3] @ YUV.T))
            return (alpha * self_similarity(a, c) + style + palette / alpha) / (2 + alpha + 1 / alpha)

        rate = RATE if level else RATE / 2

        def rmsprop(parts: list[Tensor], rate: float = rate) -> torch.optim.Optimizer:
            return torch.optim.RMSprop(parts, rate)

        picture = collapse(descend(pyramid(picture, 5), STROTSS_STEPS[not level], rmsprop, loss))
    return picture


def sampled(columns: Maps, place: Tensor) -> Tensor:
    """Hypercolumns (positions, channels) at places (1, 1, positions, 2) between -1 and 1."""
    rows = [
        functional.grid_sample(maps, place, padding_mode="border", align_corners=False)
        for maps in columns.values()
    ]
    return torch.cat(rows, 1)[0, :, 0].T


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Distances of all pairs."""
    return 1 - unit(a) @ unit(b).T


def relaxed_emd(distances: Tensor) -> Tensor:
    """Equation 5: the larger of what both sets are from their nearest in the other."""
    return torch.maximum(distances.amin(0).mean(), distances.amin(1).mean())


def moments(a: Tensor, b: Tensor) -> Tensor:
    """Equation 7: means and covariances."""
    means = a.mean(0), b.mean(0)
    one, other = ((rows - mean).bfloat16() for rows, mean in zip((a, b), means, strict=True))
    spread = (one.T @ one).float() - (other.T @ other).float()
    return (means[0] - means[1]).abs().mean() + spread.abs().mean() / len(a)


def self_similarity(a: Tensor, b: Tensor) -> Tensor:
    """Equation 8, times the number of positions, as the authors' code has it."""
    one, other = (distances / distances.sum(0) for distances in (cosine(a, a), cosine(b, b)))
    return (one - other).abs().sum(0).mean()


RECIPES = {"nnst": nnst, "strotss": strotss}


def paint(
    name: str, content: Image.Image, style: Image.Image, weights: NetworkWeights, size: int
) -> Image.Image:
    """The picture by a recipe, its longer side and the style's of `size` pixels."""
    torch.manual_seed(0)
    small = [fitted(picture, size) for picture in (content, style)]
    tensors = [torch.from_numpy(one.copy()).permute(2, 0, 1)[None] for one in small]
    found = RECIPES[name](*tensors, weights)
    pixels = found[0].permute(1, 2, 0).clamp(0, 1).numpy()
    if name == "nnst":
        # lightness in the style's range, chroma of the content spread as the style's
        pixels = recolor_palette(Picture(pixels), Picture(small[0]), 1.0)
    return Image.fromarray(np.round(pixels * 255).astype(np.uint8))


def fitted(picture: Image.Image, size: int) -> np.ndarray:
    """(H, W, 3) in [0, 1], with a longer side of `size`."""
    sides = [max(1, round(side * size / max(picture.size))) for side in picture.size]
    return np.asarray(picture.resize(sides, Image.Resampling.LANCZOS), np.float32) / 255
