"""A run in the middle, as one file: with it the run goes on bit for bit, in another process, without its input files.

What is in it: the pictures at the size of the result, the settings, the arrangement in memory, the optimiser with its
state, and what the bits depend on besides: backend, network, versions and processor.

It is a safetensors file with many arrays and a text, written piece by piece: one array is in memory at a time. The
library's own writer needs all of them at once, and a run that needs most of the memory could not be saved. Layout:
https://huggingface.co/docs/safetensors (8 bytes of length, a JSON header, the arrays one after the other).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import PIL
from numpy.typing import NDArray

from nst._version import __version__
from nst.backends.autotune import processor
from nst.cgroups import cores
from nst.engine.stage import RunState, StageState
from nst.errors import NSTError
from nst.files import read_json, unwritten, writing_atomically
from nst.inputs import Pictures
from nst.models.weights import NetworkWeights
from nst.optim import Optimizer, State
from nst.optim.serialise import pack, unpack
from nst.pictures.masks import Masks
from nst.pictures.picture import Picture, clean_tags
from nst.planning.plan import Plan, free_memory
from nst.protocol import Backend
from nst.settings import Settings, make_settings
from nst.workers.devices import Devices

FORMAT = 2

_POSITION = {
    "scale": int,
    "done": int,
    "seconds": float,
    "found": {"weights": {str: float}, "sides": [(int, None)], "scale": [(float, bool)]},
    "state": object,
}
_MASKS = {
    "regions": [(str, None)],
    "sources": [(str, None)],
    "protect": (str, None),
    "content": (str, None),
    "feather": float,
}
_TAGS = {"dpi": ([float], None), "author": str, "copyright": str}
_FORM = {
    "settings": {str: object},
    "pictures": {"styles": int, "start": bool, "masks": (_MASKS, None), "tags?": _TAGS},
    "plan": {
        "side": (int, None),
        "history": int,
        "half": bool,
        "peak": int,
        "history_bytes": int,
        "free?": (int, None),
        "workers?": int,
    },
    "optimizer": object,
    "losses": [str],
    "position": _POSITION,
    "backend": {"name": str, "device": str, "dtype": str, "precision": str},
    "devices": {"names": [str], "ray": (str, None), "workers": (int, None)},
    "weights": {"name": str, "sha256": str, "spec": (str, None)},
    "versions": {str: str},
    "notes": {str: object},
}
"""What the JSON of a checkpoint must be; see `nst.files`."""

MOST = 2**16  # styles, pairs of L-BFGS and the like: more of them nobody has


@contextmanager
def _damaged_is_said() -> Iterator[None]:
    """Whatever a value from a file leads to is one line."""
    try:
        yield
    except NSTError:
        raise
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        RecursionError,
        OSError,
    ) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise NSTError(f"the checkpoint is damaged, or nst has not written it ({reason})") from error


def _checked(right: bool, what: str) -> None:
    if not right:
        raise ValueError(f"{what} cannot be")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A file's content: plain values, and arrays that are read when they are needed."""

    document: Mapping[str, Any]  # what JSON can hold
    arrays: Mapping[str, ArrayReader]  # the rest, by name

    @property
    def settings(self) -> Settings:
        """Of the run."""
        with _damaged_is_said():
            return make_settings(**self.document["settings"])

    @property
    def pictures(self) -> Pictures:
        """Of the run."""
        named = self.document["pictures"]
        masks = named["masks"]
        with _damaged_is_said():
            _checked(0 <= named["styles"] < MOST, "the number of styles")
            if masks is not None:
                masks = Masks(
                    [self._mask(name) for name in masks["regions"]],
                    [self._mask(name) for name in masks["sources"]],
                    self._mask(masks["protect"]),
                    self._mask(masks["content"]),
                    masks["feather"],
                )
                _checked(0 <= masks.feather < MOST, "feather")
            styles = tuple(self._picture(f"style {number}") for number in range(1, named["styles"] + 1))
            start = self._picture("start") if named["start"] else None
            tags = clean_tags(*(named.get("tags", {}).get(name) for name in ("dpi", "author", "copyright")))
            return Pictures(replace(self._picture("content"), tags=tags), styles, start, masks)

    @property
    def plan(self) -> Plan:
        """The arrangement in memory."""
        with _damaged_is_said():
            plan = Plan(**self.document["plan"])
            _checked(plan.side is None or 0 < plan.side < MOST, "the side of the windows")
            _checked(0 < plan.history < MOST and 0 < plan.workers < MOST, "the plan")
            pixels = self.arrays["content"]().size
        needed = 2 * plan.history * pixels * (2 if plan.half else 4)
        free = free_memory(self.backend["device"])
        if free is not None and needed > free:
            raise NSTError(
                f"the run remembers {plan.history} pairs of L-BFGS, which take {needed / 1e9:.1f} GB, and "
                f"{free / 1e9:.1f} GB are free: close other programs, or start anew with a smaller history (--history)"
            )
        return plan

    @property
    def optimizer(self) -> Optimizer:
        """That of the run; for `optimizer` "custom"."""
        with _damaged_is_said():
            optimizer: Optimizer = unpack(self.document["optimizer"], _no_tensor, _no_tensor)
            _checked(callable(getattr(optimizer, "advance", None)), "the optimizer")
            return optimizer

    @property
    def losses(self) -> tuple[str, ...]:
        """Names of the losses of the caller's own."""
        return tuple(self.document["losses"])

    @property
    def backend(self) -> Mapping[str, str]:
        """`name`, `device`, `dtype` and `precision`."""
        made: Mapping[str, str] = self.document["backend"]
        if ":" in made["name"]:  # package.module:Class: no file may say what is imported
            raise NSTError(
                f"the checkpoint names the backend {made['name']!r}, which no file may choose: give backend"
            )
        return made

    @property
    def devices(self) -> Devices:
        """The one of this machine that it ran on.

        NSTError: its windows were shared out among several, or on a cluster: to connect to an address, or to start
        processes, is nothing that a file may ask for.
        """
        saved = self.document["devices"]
        if saved["ray"] is not None:
            raise NSTError(
                "the run was shared out on a Ray cluster: say again on which, with device=nst.Devices(..., ray=...) "
                "(--ray ADDRESS), or give the device to go on with (--device cpu)"
            )
        if len(saved["names"]) != 1:
            raise NSTError(
                "the run was shared out among several devices: say again among which, with device= "
                "(--device cuda:0,cuda:1)"
            )
        return Devices(tuple(saved["names"]))

    @property
    def weights(self) -> Mapping[str, Any]:
        """`name` and `sha256` of the network; `spec` is what it was asked for by, None for an object."""
        network: Mapping[str, Any] = self.document["weights"]
        return network

    @property
    def notes(self) -> Mapping[str, Any]:
        """The caller's own."""
        notes: Mapping[str, Any] = self.document["notes"]
        return notes

    def file(self, name: str) -> bytes:
        """The caller's own."""
        with _damaged_is_said():
            return self.arrays[f"file {name}"]().tobytes()

    def position(self, backend: Backend[Any], schedule: Sequence[tuple[int, int]], shape: Shape) -> RunState:
        """Where the run was, for the backend that it goes on with.

        `schedule` is (longest side in pixels, steps) of each scale; `shape` makes of a longest side the
        (1, 3, height, width) of the iterate.
        """
        with _damaged_is_said():
            saved = self.document["position"]
            _checked(0 < saved["scale"] <= len(schedule), "the scale")
            longest, steps = schedule[saved["scale"] - 1]
            _checked(0 <= saved["done"] < 2**53 and 0 <= saved["seconds"] < math.inf, "the time")
            found = self._position(backend, tuple(shape(longest)))
            _checked(isinstance(found.state, State) and 0 <= found.state.step <= steps, "the state")
            return found

    def _position(self, backend: Backend[Any], shape: tuple[int, ...]) -> RunState:

        def read(name: str) -> Any:
            array = self.arrays[name]()
            _checked(array.shape in ((), shape) and array.dtype.kind == "f", name)
            return backend.from_numpy(array)

        def read_stack(name: str) -> Any:
            array, space = self.arrays[name](), backend.space
            _checked(array.ndim == 4 and array.shape[1:] == shape[1:] and 0 < len(array) < 2 * MOST, name)
            rows = [backend.from_numpy(array[row : row + 1]) for row in range(len(array))]
            stack = space.stack(len(rows), rows[0], array.dtype == np.float16)
            for number, row in enumerate(rows):
                stack = space.put(stack, number, row, 1.0)
            return stack

        packed = dict(self.document["position"])
        stage = packed.pop("found")
        sides, scale = tuple(stage["sides"]), tuple(stage["scale"])
        _checked(all(side is None or 0 < side < MOST for side in sides) and bool(sides), "the windows")
        _checked(tuple(map(type, scale)) == (float, bool, int), "the scale of the loss")
        state = unpack(packed.pop("state"), read, read_stack)
        kept = {name: packed[name] for name in ("scale", "done", "seconds")}
        return RunState(**kept, stage=StageState(stage["weights"], sides, scale), state=state)

    def differences(self, backend: Backend[Any], weights: NetworkWeights) -> list[str]:
        """What is other here than where the run was saved ("torch is 2.9 here, was 2.8"); none: the same bits."""
        before = {**self.backend, **self.document["versions"]}
        now = {**_made_with(backend), **_versions(backend)}
        changed = [
            f"{name} is {now.get(name)} here, was {before.get(name)}"
            for name in {**before, **now}
            if before.get(name) != now.get(name)
        ]
        if self.weights["sha256"] != weights.sha256:
            changed.append(
                f"the network is {weights.name} here, was {self.weights['name']} with other weights"
            )
        return changed

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the file whole or not at all, or NSTError; what was there before is there still."""
        try:
            write_tensors(path, self.arrays, json.dumps(self.document))
        except OSError as error:
            raise NSTError(f"cannot write the checkpoint {path}: {unwritten(error)}") from error

    def _mask(self, name: str | None) -> NDArray[Any] | None:
        return None if name is None else self._plane(name)

    def _plane(self, name: str) -> NDArray[Any]:
        array = self.arrays[name]()
        _checked(array.ndim == 2 and 0 not in array.shape and array.dtype == np.float32, name)
        return array

    def _picture(self, name: str) -> Picture:
        rgb, alpha = self.arrays[name](), f"{name} alpha"
        _checked(rgb.ndim == 3 and rgb.shape[2] == 3 and 0 not in rgb.shape and rgb.dtype == np.float32, name)
        opacity = self._plane(alpha) if alpha in self.arrays else None
        _checked(opacity is None or opacity.shape == rgb.shape[:2], alpha)
        _checked(bool(np.isfinite(rgb).all()), name)
        return Picture(rgb, opacity)


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Open a file that `Checkpoint.write` has written.

    NSTError: it is not there, damaged, of another program or of a later version.
    """
    try:
        arrays, text = open_tensors(path)
        written = read_json(text, {"format": (int, float, str)})["format"]
    except FileNotFoundError:
        raise NSTError(f"there is no checkpoint {path}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise NSTError(f"{path} is not a whole checkpoint of nst ({reason})") from error
    if written != FORMAT:
        raise NSTError(f"{path} is a checkpoint of another version of nst (format {written}, here {FORMAT})")
    try:
        document = read_json(text, _FORM)
    except ValueError as error:
        raise NSTError(f"{path} is not a whole checkpoint of nst ({error})") from error
    return Checkpoint(document, arrays)


def make_checkpoint(
    *,
    settings: Settings,
    pictures: Pictures,
    plan: Plan,
    optimizer: Optimizer,
    losses: Sequence[str],
    position: RunState,
    backend: Backend[Any],
    devices: Devices,
    weights: NetworkWeights,
    spec: str | None,
    notes: Mapping[str, Any],
    files: Mapping[str, NDArray[np.uint8]],
) -> Checkpoint:
    """A checkpoint of a run that is under way; tensors leave the device when it is written.

    `losses` are the names of those of the caller's own, `spec` is what the network was asked for by, None for an
    object; notes (for JSON) and files are the caller's own. SettingsError: an optimiser of the caller's own.
    """
    tensors: dict[str, Any] = {}
    state = pack(position.state, tensors)
    arrays, named = _pictures(pictures)
    document = {
        "format": FORMAT,
        "settings": settings.as_dict(),
        "pictures": named,
        "plan": asdict(plan),
        "optimizer": pack(optimizer, {}),
        "losses": list(losses),
        "position": {
            "scale": position.scale,
            "done": position.done,
            "seconds": position.seconds,
            "found": asdict(position.stage),
            "state": state,
        },
        "backend": _made_with(backend),
        "devices": asdict(devices),
        "weights": {"name": weights.name, "sha256": weights.sha256, "spec": spec},
        "versions": _versions(backend),
        "notes": dict(notes),
    }
    readers: dict[str, ArrayReader] = {
        name: partial(backend.to_numpy, tensor) for name, tensor in tensors.items()
    }
    held = {**arrays, **{f"file {name}": data for name, data in files.items()}}
    return Checkpoint(document, {**readers, **{name: _holding(array) for name, array in held.items()}})


def _pictures(pictures: Pictures) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays by name, and what there is of them."""
    arrays: dict[str, NDArray[Any]] = {}
    shown = {"content": pictures.content, "start": pictures.start}
    shown |= {f"style {number}": style for number, style in enumerate(pictures.styles, start=1)}
    for name, picture in shown.items():
        if picture is not None:
            arrays[name] = picture.rgb
            if picture.alpha is not None:
                arrays[f"{name} alpha"] = picture.alpha
    named: dict[str, Any] = {"styles": len(pictures.styles), "start": pictures.start is not None}
    named["tags"] = asdict(pictures.content.tags)

    def put(name: str, mask: NDArray[Any] | None) -> str | None:
        if mask is None:
            return None
        arrays[name] = mask
        return name

    masks = pictures.masks
    named["masks"] = masks and {
        "regions": [put(f"region {i}", mask) for i, mask in enumerate(masks.regions)],
        "sources": [put(f"source {i}", mask) for i, mask in enumerate(masks.sources)],
        "protect": put("protect", masks.protect),
        "content": put("content mask", masks.content),
        "feather": masks.feather,
    }
    return arrays, named


def _holding(array: NDArray[Any]) -> ArrayReader:
    return lambda: array


def _no_tensor(name: str) -> Any:
    raise KeyError(name)


def _made_with(backend: Backend[Any]) -> dict[str, str]:
    return {name: getattr(backend, name) for name in ("name", "device", "dtype", "precision")}


def _versions(backend: Backend[Any]) -> dict[str, str]:
    """What the last bits depend on: packages, the processor, and how many threads share a sum."""
    return {
        "nst": __version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        **backend.versions(),
        "processor": processor(),
        "cores": str(os.environ.get("OMP_NUM_THREADS") or cores()),
    }


Shape: TypeAlias = Callable[[int], Sequence[int]]

ArrayReader: TypeAlias = Callable[[], NDArray[Any]]
"""Gives an array when it is needed, the same each time."""

NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "uint8": "U8"}
TEXT = "nst"


def write_tensors(path: str | os.PathLike[str], arrays: Mapping[str, ArrayReader], text: str) -> None:
    """Write the file whole or not at all; each array is read twice, first for its size.

    OSError: it cannot be written; what was there before is there still.
    """
    header: dict[str, Any] = {"__metadata__": {TEXT: text}}
    end = 0
    for name, read in arrays.items():
        array = read()
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": NAMES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    with writing_atomically(path) as file:
        file.write(len(encoded).to_bytes(8, "little"))
        file.write(encoded)
        for read in arrays.values():
            array = np.asarray(read(), order="C")
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            file.write(little.reshape(-1).view(np.uint8).data)


def open_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, ArrayReader], str]:
    """The arrays by name, each read from the file when it is asked for, and the text.

    OSError or ValueError: it is not there, damaged, or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    def reader(name: str) -> ArrayReader:
        def read() -> NDArray[Any]:
            try:
                with safe_open(path, framework="numpy") as file:
                    array: NDArray[Any] = file.get_tensor(name)
                    return array
            except SafetensorError as error:
                raise ValueError(str(error)) from error

        return read

    try:
        with safe_open(path, framework="numpy") as file:
            names, metadata = list(file.keys()), file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    if TEXT not in metadata:
        raise ValueError("another program has written it")
    return {name: reader(name) for name in names}, metadata[TEXT]
