"""A run in the middle, as one file: with it the run goes on bit for bit, in another process, without its input files.

What is in it: the pictures at the size of the result, the settings, the arrangement in memory, the optimiser with its
state, and what the bits depend on besides: backend, network, versions and processor.

It is a safetensors file with many arrays and a text, written piece by piece: one array is in memory at a time. The
library's own writer needs all of them at once, and a run that needs most of the memory could not be saved. Layout:
https://huggingface.co/docs/safetensors (8 bytes of length, a JSON header, the arrays one after the other).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import PIL
from numpy.typing import NDArray

from nst._version import __version__
from nst.backends.autotune import processor
from nst.engine.stage import RunState, StageState
from nst.errors import NSTError
from nst.files import writing_atomically
from nst.inputs import Pictures
from nst.models.weights import NetworkWeights
from nst.optim import Optimizer
from nst.optim.serialise import pack, unpack
from nst.pictures.masks import Masks
from nst.pictures.picture import Picture
from nst.planning.plan import Plan
from nst.protocol import Backend
from nst.settings import Settings, make_settings
from nst.workers.devices import Devices
from nst.workers.local import cores

__all__ = ["ArrayReader", "Checkpoint", "make_checkpoint", "open_tensors", "read_checkpoint", "write_tensors"]

FORMAT = 2


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A file's content: plain values, and arrays that are read when they are needed.

    Attributes:
        document: what JSON can hold.
        arrays: the rest, by name.
    """

    document: Mapping[str, Any]
    arrays: Mapping[str, ArrayReader]

    @property
    def settings(self) -> Settings:
        """Of the run."""
        return make_settings(**self.document["settings"])

    @property
    def pictures(self) -> Pictures:
        """Of the run."""
        named = self.document["pictures"]
        masks = named["masks"]
        if masks is not None:
            masks = Masks(
                [self._array(name) for name in masks["regions"]],
                [self._array(name) for name in masks["sources"]],
                self._array(masks["protect"]),
                self._array(masks["content"]),
                masks["feather"],
            )
        styles = tuple(self._picture(f"style {number}") for number in range(1, named["styles"] + 1))
        start = self._picture("start") if named["start"] else None
        return Pictures(self._picture("content"), styles, start, masks)

    @property
    def plan(self) -> Plan:
        """The arrangement in memory."""
        return Plan(**self.document["plan"])

    @property
    def optimizer(self) -> Optimizer:
        """That of the run; for `optimizer` "custom"."""
        optimizer: Optimizer = unpack(self.document["optimizer"], _no_tensor, _no_tensor)
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
            raise NSTError(f"the checkpoint names the backend {made['name']!r}, which is none: give backend")
        return made

    @property
    def devices(self) -> Devices:
        """That its windows were shared out among."""
        saved = self.document["devices"]
        return Devices(**{**saved, "names": tuple(saved["names"])})

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
        return self.arrays[f"file {name}"]().tobytes()

    def position(self, backend: Backend[Any]) -> RunState:
        """Where the run was."""

        def read(name: str) -> Any:
            return backend.from_numpy(self.arrays[name]())

        def read_stack(name: str) -> Any:
            array, space = self.arrays[name](), backend.space
            rows = [backend.from_numpy(array[row : row + 1]) for row in range(len(array))]
            stack = space.stack(len(rows), rows[0], array.dtype == np.float16)
            for number, row in enumerate(rows):
                stack = space.put(stack, number, row, 1.0)
            return stack

        packed = dict(self.document["position"])
        stage = packed.pop("found")
        stage = StageState(stage["weights"], tuple(stage["sides"]), tuple(stage["scale"]))
        state = unpack(packed.pop("state"), read, read_stack)
        return RunState(**packed, stage=stage, state=state)

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
        """Write the file whole or not at all.

        Raises:
            NSTError: it cannot be written; what was there before is there still.
        """
        try:
            write_tensors(path, self.arrays, json.dumps(self.document))
        except OSError as error:
            raise NSTError(f"cannot write the checkpoint {path}: {error.strerror or error}") from error

    def _array(self, name: str | None) -> NDArray[Any] | None:
        return None if name is None else self.arrays[name]()

    def _picture(self, name: str) -> Picture:
        alpha = f"{name} alpha"
        return Picture(self.arrays[name](), self.arrays[alpha]() if alpha in self.arrays else None)


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Open a file that `Checkpoint.write` has written.

    Raises:
        NSTError: it is not there, damaged, of another program or of a later version.
    """
    try:
        arrays, text = open_tensors(path)
        document = json.loads(text)
        written = document["format"]
    except FileNotFoundError:
        raise NSTError(f"there is no checkpoint {path}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise NSTError(f"{path} is not a whole checkpoint of nst ({reason})") from error
    if written != FORMAT:
        raise NSTError(f"{path} is a checkpoint of another version of nst (format {written}, here {FORMAT})")
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

    Args:
        settings: as `StyleTransfer` has settled them.
        pictures: it is made of.
        plan: its arrangement in memory.
        optimizer: that makes the steps.
        losses: names of the losses of the caller's own.
        position: where the run is.
        backend: where it runs.
        devices: that windows are shared out among.
        weights: of its network.
        spec: what the network was asked for by; None for an object.
        notes: the caller's own, for JSON.
        files: the caller's own.

    Raises:
        SettingsError: an optimiser of the caller's own.
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


ArrayReader: TypeAlias = Callable[[], NDArray[Any]]
"""Gives an array when it is needed, the same each time."""

NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "uint8": "U8"}
TEXT = "nst"


def write_tensors(path: str | os.PathLike[str], arrays: Mapping[str, ArrayReader], text: str) -> None:
    """Write the file whole or not at all; each array is read twice, first for its size.

    Raises:
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

    Raises:
        OSError, ValueError: it is not there, damaged, or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    def reader(name: str) -> ArrayReader:
        def read() -> NDArray[Any]:
            with safe_open(path, framework="numpy") as file:
                array: NDArray[Any] = file.get_tensor(name)
                return array

        return read

    try:
        with safe_open(path, framework="numpy") as file:
            names, metadata = list(file.keys()), file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    if TEXT not in metadata:
        raise ValueError("another program has written it")
    return {name: reader(name) for name in names}, metadata[TEXT]
