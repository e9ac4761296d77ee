"""What a style transfer needs, before it is run: peak memory, what is free, and the windows and history that fit.

The peak is the sum of four parts:

- the process with its framework, before any picture;
- the network's weights;
- the feature maps of what is computed at once, whole picture or window: a multiple, which each backend declares, of the
  bytes of all convolutions' outputs;
- pictures: the vectors of the optimiser and the targets of the content.
"""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from nst import cgroups
from nst.encoding.windows import PASSES, margin, overlap_factor, side_of, smallest_side, windows
from nst.errors import ReprHtml, SettingsError
from nst.models import vgg
from nst.models.weights import NetworkWeights
from nst.optim import OPTIMIZERS
from nst.protocol import Backend
from nst.settings import Settings

SIGNS = (
    "memoryerror",
    "out of memory",
    "outofmemory",
    "resourceexhausted",
    "failed to allocate",
    "can't allocate",
)
"""What exceptions of numpy, PyTorch, TensorFlow and ONNX Runtime say, in lower case."""

SHARE = 0.8
"""Part of the free memory that a plan may fill: other programs live here too."""


SIDES = (3072, 2048, 1536, 1024, 768, 512, 384, 256)
"""Of windows, in pixels: the larger, the less is computed twice."""

HISTORIES: Mapping[int, float] = {10: 1.0, 5: 1.08, 3: 1.3}
"""Pairs of L-BFGS, each of which costs two pictures, and how many times the steps of 10 pairs they take."""

WORKING = 8
"""Pictures that a run holds with any optimiser, measured: content, style, iterate, gradient, direction, the next."""

UNKNOWN = OPTIMIZERS["adam"]
"""What an optimiser of the caller's own is taken for."""


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be computed."""

    settings: Settings  # layers, optimiser, steps, `tile`, `history` count
    weights: NetworkWeights
    backend: Backend[object]  # its name and precision count
    size: tuple[int, int]  # (width, height) of the result in pixels
    layers: tuple[str, ...]  # that all losses read, in network order
    workers: int = 1  # that windows are shared out among; 1 for this process alone
    nearby: int = 0  # how many of them use the memory of this process's device
    networks: int = 1  # in so many precisions; the memory of coarser sizes' ones comes back late
    coarser: bool = False  # a coarser size comes before it


@dataclass(frozen=True, repr=False)
class Plan(ReprHtml):
    """How to compute a picture, and what that takes."""

    side: int | None  # of the windows in pixels; None for the whole picture at once
    history: int  # pairs of L-BFGS
    half: bool  # the history is kept in float16
    peak: int  # bytes of memory that the process is expected to reach
    history_bytes: int  # how many of them are the history
    free: int | None = None  # bytes that can be had, or None where nobody can tell
    workers: int = 1  # that the windows are shared out among

    def _repr_rows(self) -> dict[str, str]:
        free = "" if self.free is None else f" of {self.free / 1e9:.2f} GB that are free"
        return {
            "windows": "none" if self.side is None else f"of {self.side} px",
            "history": f"of {self.history} pairs{' in float16' if self.half else ''}",
            "memory": f"{self.peak / 1e9:.2f} GB{free}{'' if self.fits else ': it may not fit'}",
        }

    def sides(self, task: Task) -> list[int | None]:
        """The windows to take, and those to fall back on: none if the caller has chosen them."""
        if task.settings.tile != "auto":
            return [self.side]
        least = smallest_side(task.layers)
        return [self.side, *(n for n in SIDES if least <= n < (self.side or SIDES[0] + 1))]

    @property
    def fits(self) -> bool:
        """Whether it stays within what is free, with room for others."""
        return self.free is None or self.peak <= SHARE * self.free


def predict(task: Task, side: int | None = None, history: int = max(HISTORIES), half: bool = False) -> Plan:
    """The plan for given windows (None for the whole at once), pairs of L-BFGS, and whether these are in float16."""
    settings, weights, backend = task.settings, task.weights, task.backend
    width, height = task.size
    costs = backend.capabilities.costs
    rim = margin(settings.padding, task.layers, weights.layer_names)
    rows, columns = height + 2 * rim, width + 2 * rim
    if side is not None:
        first = windows(rows, columns, side, task.layers, weights.layer_names)[0]
        rows, columns = first.height, first.width
    share = 0.5 if backend.precision in ("bfloat16", "float16") else 1.0
    element = 8 if backend.dtype == "float64" else 4
    layers = vgg.layers_up_to(task.layers, weights.layer_names)
    convolutions = [layer.name for layer in layers if isinstance(layer, vgg.Conv)]
    maps = element * sum(weights.channels(layer) * _positions(layer, rows, columns) for layer in convolutions)
    targets = element * sum(
        weights.channels(layer) * _positions(layer, height, width)
        for layer in (settings.content_layers if settings.uses_content else ())
    )
    picture = 3 * element * width * height
    method = OPTIMIZERS.get(settings.optimizer, UNKNOWN)
    full_history = method.pairs * min(history, _steps(settings)) * picture
    history_bytes = round(full_history * (2 / element if half else 1.0))
    copies = (costs.history - 1.0) * full_history  # in the working precision
    parameters = element * sum(array.size for layer in convolutions for array in weights.convolutions[layer])
    copies_of_weights = task.networks * costs.copies + costs.coarser * task.coarser
    network = costs.process + copies_of_weights * parameters
    computing = (costs.maps + (costs.pass_1 if side is not None else 0.0)) * share * maps
    peak = network + targets + (WORKING + method.vectors) * picture + history_bytes + copies
    if side is None or not task.nearby:
        peak += computing  # of the targets alone, where workers are elsewhere
    else:
        peak += task.nearby * (network + computing + (targets + picture) / task.workers)
    return Plan(side, history, half, round(peak), history_bytes, workers=task.workers)


def choose(task: Task, limit: int | None = None) -> Plan:
    """The fastest plan that fits, or the most frugal one if none does.

    Small windows compute much twice, and a short history takes more steps: whichever costs less work goes first. `tile`
    "off" or a number leaves only the history to be chosen. SettingsError: even the most frugal plan goes beyond
    `limit`, in bytes; without one, what is free on the device counts, and beyond what its control groups leave it would
    be killed.
    """
    settings, size = task.settings, task.size
    free = free_memory(task.backend.device) if limit is None else limit
    layers, convolutions = task.layers, task.weights.layer_names
    least = smallest_side(layers, convolutions)
    wanted = {*SIDES, *(side_of(max(size), count, layers, convolutions) for count in _fair(task.workers))}
    sides: list[int | None] = [None, *sorted(side for side in wanted if least <= side < max(size))]
    if settings.tile != "auto":
        sides = [None if settings.tile == "off" else settings.tile]
    histories = HISTORIES if settings.history is None else {settings.history: 1.0}
    work = {
        side: overlap_factor(size[1], size[0], side, layers, convolutions, task.workers)
        * (PASSES if side else 1)
        for side in sides
    }
    choices = [
        (work[side] * more_steps, half, side, history)
        for half in (False, True)
        for side in sides
        for history, more_steps in histories.items()
    ]
    plans = []
    for _, half, side, history in sorted(choices, key=lambda choice: choice[:2]):
        found = predict(task, side, history, half)
        plans.append(replace(found, free=free))
        if plans[-1].fits:
            return plans[-1]
    least_of_all = min(plans, key=lambda plan: plan.peak)
    allowed = killed_above(task.backend.device) if limit is None else limit
    if least_of_all.peak > allowed:
        raise SettingsError(
            f"{size[0]}x{size[1]} pixels need about {least_of_all.peak / 1e9:.2f} GB and the memory is limited to "
            f"{allowed / 1e9:.2f} GB: allow more, or take a smaller size or another backend"
        )
    return least_of_all


def _fair(workers: int) -> range:
    """How many windows a side has where each worker gets as many as the others; none for one worker."""
    return range(2, 2 * workers + 1) if workers > 1 else range(0)


def _positions(layer: str, height: int, width: int) -> int:
    rows, columns = vgg.layer_size(layer, height, width)
    return rows * columns


def _steps(settings: Settings) -> int:
    steps = settings.steps
    return sum(int(count) for count in steps if count != "...") if isinstance(steps, tuple) else steps


def is_out_of_memory(error: BaseException) -> bool:
    """Whether any framework means by this that it had no memory left."""
    text = f"{type(error).__name__}: {error}".lower()
    return any(sign in text for sign in SIGNS)


def free_memory(device: str) -> int | None:
    """Bytes that can be had on a device ("cpu", "mps", "cuda:N"), or None where nobody can tell."""
    if device.startswith("cuda"):
        return _free_on_gpu(device.partition(":")[2] or "0")
    return min([int(psutil.virtual_memory().available), *cgroups.free_memory()])


def killed_above(device: str) -> float:
    """Bytes of this process above which its control groups let it be killed; none of them knows a GPU's."""
    left = cgroups.free_memory()
    if device.startswith("cuda") or not left:
        return math.inf
    return int(psutil.Process().memory_full_info().uss) + min(left)


def _free_on_gpu(index: str) -> int | None:
    """What the driver's own tool says: it knows of every process."""
    tool = shutil.which("nvidia-smi")
    if tool is None or Path(tool).resolve().parent == Path.cwd():  # where Windows looks first, among pictures
        return None
    query = [tool, f"--id={index}", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
        return int(answer.stdout.split()[0]) * 2**20
    return None
