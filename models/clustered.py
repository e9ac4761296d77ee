"""Filters of at most 256 different values: an 8-bit index for each number, and a table of the values.

A convolution's 2.4 million float32 numbers take a quarter of the space that way. `split` and `join` lose nothing;
`cluster` chooses the values (Lloyd, *Least squares quantization in PCM*, 1982, in one dimension).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from nst.errors import WeightsError

VALUES = 256  # different values that an 8-bit index tells apart

Array = NDArray[np.float32]
Index = NDArray[np.uint8]


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


def parts(name: str, weight: Array) -> dict[str, NDArray[np.generic]]:
    """What a file holds in place of the tensor `name`: NAME.index and NAME.table.

    WeightsError: more than 256 different values.
    """
    try:
        index, table = split(weight)
    except WeightsError as error:
        raise WeightsError(f"{name} has {error}") from error
    return {f"{name}.index": index, f"{name}.table": table}


def joined(tensors: Mapping[str, NDArray[np.generic]], where: str) -> dict[str, NDArray[np.generic]]:
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


def cluster(weight: Array, rounds: int = 200) -> Array:
    """The same numbers, each replaced by the nearest of 256 values that lie where the numbers are dense.

    Lloyd's algorithm on the sorted numbers: a cluster is a stretch of them, so that a round costs a binary search; it
    ends when no border moves. Nothing is drawn: the same numbers give the same values.
    """
    numbers = np.sort(weight, axis=None).astype(np.float64)
    if len(np.unique(numbers)) <= VALUES:
        return weight
    sums = np.concatenate([[0.0], np.cumsum(numbers)])
    centres = _start(numbers)
    borders = np.empty(0, np.int64)
    for _ in range(rounds):
        middle = (centres[1:] + centres[:-1]) / 2
        moved = np.searchsorted(numbers, middle, side="right")
        if np.array_equal(moved, borders):
            break
        borders = moved
        edges = np.concatenate([[0], borders, [len(numbers)]])
        counts = np.diff(edges)
        means = np.diff(sums[edges]) / np.maximum(counts, 1)
        centres = np.where(counts > 0, means, centres)
    table = centres.astype(np.float32)
    nearest = np.searchsorted((centres[1:] + centres[:-1]) / 2, weight.astype(np.float64), side="left")
    result: Array = table[nearest]
    return result


def _start(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """256 ascending values: the quantiles of the density's cube root, to which Lloyd's algorithm tends.

    Panter and Dite (1951): the best quantiser puts its values where the cube root of the density is large.
    """
    density, edges = np.histogram(numbers, bins=4096)
    mass = np.concatenate([[0.0], np.cumsum(np.cbrt(density))])
    centres: NDArray[np.float64] = np.interp((np.arange(VALUES) + 0.5) / VALUES * mass[-1], mass, edges)
    return centres
