"""Files with a few bytes changed, by number: the same number gives the same file on every machine."""

from collections.abc import Sequence

import numpy as np

TELLING = (
    0,
    1,
    2,
    7,
    8,
    9,
    32,
    64,
    127,
    128,
    255,
    256,
    1 << 15,
    (1 << 16) - 1,
    1 << 24,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
)
"""Numbers that programs get wrong: limits of integers, and types in headers."""
HEAD = 400
"""Bytes in which most headers lie; half of all changes are made there."""


def mutant(seeds: Sequence[bytes], number: int) -> bytes:
    """Seed `number` modulo their count with one to eight changes."""
    rng = np.random.default_rng([number, 20160627])
    data = bytearray(seeds[number % len(seeds)])
    for _ in range(int(rng.integers(1, 9))):
        change = CHANGES[int(rng.integers(len(CHANGES)))]
        if len(data) > 8:
            change(data, _place(data, rng), rng)
    if rng.random() < 0.05:
        other = seeds[int(rng.integers(len(seeds)))]
        data = data[: int(rng.integers(len(data) + 1))] + other[int(rng.integers(len(other))) :]
    return bytes(data)


def _place(data, rng):
    return int(rng.integers(min(HEAD, len(data)) if rng.random() < 0.5 else len(data)))


def _flip(data, place, rng):
    data[place] ^= 1 << int(rng.integers(8))


def _byte(data, place, rng):
    data[place] = int(rng.integers(256))


def _number(data, place, rng):
    size = int(rng.choice([1, 2, 4, 8]))
    value = TELLING[int(rng.integers(len(TELLING)))] & ((1 << 8 * size) - 1)
    data[place : place + size] = value.to_bytes(size, "little" if rng.random() < 0.5 else "big")


def _cut(data, place, rng):
    del data[place : place + int(rng.integers(1, 65))]


def _repeat(data, place, rng):
    data[place:place] = data[place : place + int(rng.integers(1, 65))] * int(rng.integers(1, 5))


def _insert(data, place, rng):
    data[place:place] = rng.bytes(int(rng.integers(1, 33)))


def _zero(data, place, rng):
    length = min(int(rng.integers(1, 33)), len(data) - place)
    data[place : place + length] = bytes(length)


def _truncate(data, place, rng):
    del data[max(place, len(data) // 4) :]


def _swap(data, place, rng):
    length = int(rng.integers(1, 33))
    other = _place(data, rng)
    low, high = sorted((place, other))
    if low + length <= high and high + length <= len(data):
        data[low : low + length], data[high : high + length] = (
            data[high : high + length],
            data[low : low + length],
        )


CHANGES = (
    _flip,
    _flip,
    _byte,
    _byte,
    _number,
    _number,
    _number,
    _cut,
    _repeat,
    _insert,
    _zero,
    _truncate,
    _swap,
)
