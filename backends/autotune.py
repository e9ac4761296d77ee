"""Which precision is fastest here: measured once on a small network and remembered in the user's cache folder."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from nst.backends.selection import PRECISIONS
from nst.errors import BackendError, WeightsError
from nst.files import write_atomically
from nst.models.random import random_weights
from nst.models.store.cache import weights_folder
from nst.models.weights import NetworkWeights
from nst.protocol import Backend, Ops, in_precision

GAIN = 1.2
"""A lower precision is taken if it is this much faster."""

DEPTH = "conv2_1"
SIDE = {"cpu": 128}
SIDE_ELSEWHERE = 1024
GLIMPSE = 32
"""Side of a first, small picture in pixels."""

EMULATED = 3.0
"""So many times slower is a precision that the processor has no instructions for; bfloat16 was 30 times slower."""

REMEMBERED = 50

HELD: dict[str, dict[str, Any]] = {}
"""What could not be written: a batch asks for each of its pictures."""


def settled_precision(backend: Backend[Any], precision: Any) -> Any:
    """A `precision` of the settings without "fastest" and "auto", as this machine has it.

    "auto" is the fastest below the last size and float32 at the last, so that the result is one of float32; where
    float32 is the fastest, or there is no choice, all is as without it.
    """
    if precision not in ("auto", "fastest"):
        return precision
    if backend.dtype == "float64":  # who asks for it wants digits
        return None
    words = {name: word for word, name in PRECISIONS.items()}
    own, fastest = words[backend.dtype], words[choose_precision(backend)]
    if own == fastest:
        return None if backend.precision == backend.dtype else own
    return fastest if precision == "fastest" else (fastest, "...", own)


def choose_precision(backend: Backend[Any]) -> str:
    """The fastest precision on this machine, float32 unless another is `GAIN` times faster.

    float16 is no candidate on a CPU, whose kernels convert from and to float32.
    """
    base = in_precision(backend, backend.dtype)
    rivals = [rival for rival in (_rival(base, p) for p in base.capabilities.precisions) if rival]
    if not rivals:
        return base.precision
    key = _key(base)
    known = HELD.get(key) or _read().get(key, {})
    if known.get("precision") in {base.precision, *(rival.precision for rival in rivals)}:
        chosen: str = known["precision"]
        return chosen
    weights = random_weights(0, depth=DEPTH)
    side = SIDE.get(base.device, SIDE_ELSEWHERE)
    glimpse, seconds = _seconds(base, weights, GLIMPSE), {base.precision: _seconds(base, weights, side)}
    for rival in rivals:  # one that the processor emulates is not waited for
        emulated = _seconds(rival, weights, GLIMPSE) > EMULATED * glimpse
        seconds[rival.precision] = float("inf") if emulated else _seconds(rival, weights, side)
    chosen = fastest(seconds)
    _remember(key, {"precision": chosen, "seconds": seconds})
    return chosen


def fastest(seconds: Mapping[str, float]) -> str:
    """The first precision, or a later one that is `GAIN` times as fast as the best before it."""
    best, *others = seconds
    for other in others:
        if seconds[other] * GAIN < seconds[best]:
            best = other
    return best


def _rival(base: Backend[Any], precision: str) -> Backend[Any] | None:
    if precision == "float16" and base.device == "cpu":
        return None
    with suppress(BackendError):  # declared in principle, not there on this device
        return in_precision(base, precision)
    return None


def _seconds(backend: Backend[Any], weights: NetworkWeights, side: int) -> float:
    """Of one forward and backward pass through three convolutions at that size; infinite if it fails."""
    network = backend.network(weights, [DEPTH], "avg")

    def function(ops: Ops[Any], x: Any, _: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        return ops.sum(ops.square(network(ops, x)[DEPTH])), {}

    def once() -> float:
        began = time.perf_counter()
        gradient = objective(x, {}).gradient
        backend.space.dots([(gradient, gradient)])  # waits for the device
        return time.perf_counter() - began

    try:
        x = backend.from_numpy(np.full((1, 3, side, side), 0.5, np.float32))
        objective = backend.compile(function, x, {})
        once()  # warms up
        return round(min(once() for _ in range(2)), 5)
    except Exception:  # whatever the framework raises: this precision is not for this device
        return float("inf")


def _key(backend: Backend[Any]) -> str:
    versions = " ".join(f"{name} {version}" for name, version in sorted(backend.versions().items()))
    machine = f"{platform.node()} {processor()} x{os.cpu_count()}"
    return f"{backend.name} ({versions}) on {backend.device} of {machine}"


def processor() -> str:
    """What the processor calls itself; the architecture where it says nothing."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _path() -> Path:
    return weights_folder().parent / "precision.json"


def _read() -> dict[str, Any]:
    with suppress(OSError, ValueError, WeightsError):
        found = json.loads(_path().read_text())
        if isinstance(found, dict):
            return {key: value for key, value in found.items() if isinstance(value, dict)}
    return {}


def _remember(key: str, value: dict[str, Any]) -> None:
    entries = [*((k, v) for k, v in _read().items() if k != key), (key, value)][-REMEMBERED:]
    HELD[key] = value
    with suppress(OSError, WeightsError):  # another process measures it again
        _path().parent.mkdir(parents=True, exist_ok=True)
        write_atomically(_path(), (json.dumps(dict(entries), indent=1) + "\n").encode())
