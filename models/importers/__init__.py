"""Weights in other people's formats, recognised by content; nothing in a file is ever executed.

One file a format family; each gives tensors by name, `layout` turns names and shapes into a VGG19's or VGG16's.
"""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nst.errors import NSTError, WeightsError, told_as
from nst.models.importers import archive, keras_h5, layout, matlab, onnx, pickle, safetensors
from nst.models.importers.layout import CONVENTIONS, Convention, convention_of
from nst.models.importers.names import COLOUR
from nst.models.limits import check_file
from nst.models.weights import NetworkWeights, load_weights

__all__ = ["CONVENTIONS", "Convention", "Imported", "detect", "file_digest", "import_file"]

_HDF5 = b"\x89HDF\r\n\x1a\n"
_SUFFIXES = (".bin", ".pth", ".pt", ".safetensors", ".h5", ".mat", ".onnx", ".npz")
_KNOWN = {
    "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44": "torchvision",
    "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0": "torchvision",
    "11aea017b543ff59233749d8f1cf544cda749378f5790d2fedab841fb86b7669": "torchvision",
    "dd893d447ece014ad32d71b8d32b1e0b5c09b912a2866990c286fdeebd368d74": "caffe",
    "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6": "caffe",
}
"""Published sha256 of files whose names alone do not tell how their input is meant."""
_KNOWN_PREFIXES = {"d01eb7cb": "caffe", "00b39a1b": "caffe"}
"""The same where only the first eight digits are published, in the file's name: jcjohnson's VGG19 and VGG16."""


@dataclass(frozen=True)
class Imported:
    """What a file holds."""

    weights: NetworkWeights
    format: str  # the file's, for people
    convention: str  # "caffe", "caffe-rgb", "torchvision", or "stored" where the file itself says it
    certain: bool  # it follows from the file; otherwise it was assumed from the format
    sha256: str  # of the file


def import_file(path: str | Path, name: str | None = None, convention: str | None = None) -> Imported:
    """Read a VGG19 or VGG16 from any of the formats that `detect` tells apart.

    It is called `name`, or else by the stem of the file's name. `convention` is a key of `CONVENTIONS`, how its input
    is meant; without it what the format implies. WeightsError: the file, and the layer where one is at fault.
    """
    path = Path(path)
    if convention is not None and convention not in CONVENTIONS:
        raise WeightsError(f"unknown convention {convention!r}: choose from {', '.join(CONVENTIONS)}")
    format_ = detect(path)
    try:
        return _import(path, format_, name or path.stem, convention)
    except NSTError as error:
        message = str(error)
        raise WeightsError(message if str(path) in message else f"{path} ({format_}): {message}") from error
    except Exception as error:  # a damaged file makes each library raise errors of its own
        reason = (str(error).splitlines() or [""])[0][:200]
        raise WeightsError(
            f"{path} ({format_}) is damaged or truncated: {type(error).__name__} {reason}".rstrip()
        ) from error


def detect(path: str | Path) -> str:
    """The format of a file from its first bytes, whatever its name says.

    WeightsError: not there, unreadable, or none of the known formats.
    """
    path = Path(path)
    with told_as(WeightsError, f"weights file {path} cannot be read"):
        check_file(path)
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(1024)
    if head.startswith(b"PK\x03\x04"):
        return _detect_zip(path)
    if head.startswith(b"\x80") and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return "PyTorch legacy"
    if head.startswith(b"MATLAB 7.3"):
        raise WeightsError(f"{path} is a MATLAB 7.3 file: save it with -v7")
    if head.startswith(b"MATLAB 5.0") and head[126:128] in (b"IM", b"MI"):
        return "MatConvNet"
    if head.startswith(_HDF5) or head[512:520] == _HDF5:
        return "Keras HDF5"
    if int.from_bytes(head[:8], "little") <= max(size - 8, 0) and head[8:9] == b"{":
        return "safetensors"
    if head[:1] == b"\x08" and 0 < head[1] < 32:  # field 1, the IR version; protobuf has no magic number
        return "ONNX"
    if head.startswith(b"version https://git-lfs"):
        raise WeightsError(f"{path} only says where Git LFS keeps the weights: fetch them with git lfs pull")
    if head.lstrip()[:1] == b"<":
        raise WeightsError(f"{path} is a web page, not weights: download the file itself")
    raise WeightsError(
        f"{path} is empty or of an unknown format: PyTorch .pth, safetensors, Keras .h5, MatConvNet .mat, "
        "ONNX and .npz are read"
    )


def _detect_zip(path: Path) -> str:
    try:
        names = list(archive.members(path))
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError) as error:
        raise WeightsError(f"{path} is a damaged or truncated archive ({error})") from error
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        return "PyTorch zip"
    if any(name.endswith(".npy") for name in names):
        return "npz"
    inside = next((name for name in names if name.endswith(_SUFFIXES)), None)
    if inside:
        raise WeightsError(f"{path} is an archive: unpack {inside} from it and give that file")
    raise WeightsError(f"{path} is a zip archive without weights")


def _import(path: Path, format_: str, name: str, convention: str | None) -> Imported:
    sha256 = file_digest(path, "sha256")
    if format_ == "safetensors" and safetensors.is_own(path):
        return Imported(load_weights(path), format_, "stored", True, sha256)
    stored: Convention | None = None
    implied: str | None = None
    if format_ == "MatConvNet":
        tensors, stored = matlab.read_matlab(path)
    elif format_ == "ONNX":
        tensors, implied = onnx.read_onnx(path)
    else:
        read = {
            "PyTorch zip": pickle.read_zip,
            "PyTorch legacy": pickle.read_legacy,
            "npz": archive.read_npz,
            "safetensors": safetensors.read_safetensors,
            "Keras HDF5": keras_h5.read_keras,
        }[format_]
        tensors = read(path)
    tensors, isclustered = layout.joined(tensors)
    family, convolutions = layout.arrange(tensors)
    known = _KNOWN.get(sha256) or _KNOWN_PREFIXES.get(sha256[:8])
    colour = convolutions.pop(COLOUR, None)
    if colour:
        stored = convention_of(*colour)
        if convention is not None:
            raise WeightsError("its first layer says how its input is meant: leave the convention out")
    if stored:
        chosen, certain = "stored" if colour else "caffe-rgb", True
    elif known:
        chosen, certain = known, True
    elif format_ == "Keras HDF5":
        chosen, certain = "caffe", True
    elif implied:
        chosen, certain = implied, False
    else:
        chosen, certain = layout.default_convention(family, tensors)
        certain = certain and not isclustered
    if convention is not None:
        chosen, certain = convention, True
    meant = stored if stored and convention is None else CONVENTIONS[chosen]
    if meant.order != "RGB":
        weight, bias = convolutions["conv1_1"]
        if weight.shape[1] != 3:
            raise WeightsError(f"conv1_1.weight has shape {weight.shape}, expected (channels, 3, 3, 3)")
        order = [meant.order.index(channel) for channel in "RGB"]
        convolutions["conv1_1"] = (np.ascontiguousarray(weight[:, order]), bias)
    weights = NetworkWeights(
        name=name,
        convolutions=convolutions,
        scale=meant.scale,
        mean=meant.mean,
        std=meant.std,
        source=f"{format_} file{', normalised VGG19 of AdaIN' if colour else ''}, sha256 {sha256}",
    )
    return Imported(weights, format_, chosen, certain, sha256)


def file_digest(path: Path, algorithm: str) -> str:
    """Hex digest of a file, md5 or sha256, read in pieces."""
    digest = hashlib.new(algorithm, usedforsecurity=algorithm != "md5")
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
