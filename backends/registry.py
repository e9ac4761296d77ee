"""The backends and how one is found: the built-in ones by name, plug-ins through the entry-point group `nst.backends`.

Nothing here imports a framework until a backend is asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
from contextlib import suppress
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from typing import Any

from nst.errors import BackendError
from nst.protocol import Backend

BUILTIN = {
    "torch": ("nst.backends.torch.backend:TorchBackend", ("torch",)),
    "onnx": ("nst.backends.onnx.backend:OnnxBackend", ("onnx", "onnxruntime")),
    "tf": ("nst.backends.tensorflow.backend:TensorFlowBackend", ("tensorflow", "keras")),
    "numpy": ("nst.backends.numpy.backend:NumpyBackend", ("numpy",)),
}
"""name -> (where the class is, modules it needs), in the order in which "auto" prefers them."""

ALIASES = {"tensorflow": "tf", "keras": "tf", "pytorch": "torch", "onnxruntime": "onnx"}
BUILDS = {
    "onnxruntime": ("onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"),
    "tensorflow": ("tensorflow-cpu", "tensorflow-macos", "tf-nightly"),
}
"""Other packages that a module comes in."""
EXTRAS = {"torch": "torch", "onnx": "onnx", "tf": "tensorflow"}


def backend_names() -> list[str]:
    """The built-in backends, then those of installed plug-ins."""
    return [*BUILTIN, *sorted(set(_plugins()) - set(BUILTIN))]


def how_to_install(name: str) -> str | None:
    """The command that installs what a backend lacks, or None if nothing is missing."""
    missing = [m for m in BUILTIN[name][1] if importlib.util.find_spec(m) is None] if name in BUILTIN else []
    return f"pip install 'nst[{EXTRAS[name]}]'" if missing else None


def installed_versions(name: str) -> dict[str, str]:
    """The versions of what a backend is installed of, by package, without importing any of it."""
    if name in BUILTIN:
        wanted = [(module, (module, *BUILDS.get(module, ()))) for module in BUILTIN[name][1]]
    else:
        package = _plugins()[name].dist
        wanted = [] if package is None else [(package.name, (package.name,))]
    found: dict[str, str] = {}
    for shown, builds in wanted:
        for build in builds:
            with suppress(PackageNotFoundError):
                found.setdefault(shown, version(build))
    return found


def choose_backend() -> str:
    """What "auto" means here: the first installed of torch, onnx, tf, numpy."""
    return next(name for name in BUILTIN if how_to_install(name) is None)


def backend_class(name: str) -> type[Backend[Any]]:
    """The class of a backend, importing its framework.

    Named auto, torch, tf (tensorflow, keras), onnx, numpy, as a plug-in, or `package.module:Class`, which imports that
    module: never to be taken from a file. BackendError: unknown, not installed, not a backend, or its framework fails
    to import.
    """
    if ":" in name:
        return _class_at(name)
    name = choose_backend() if name == "auto" else ALIASES.get(name, name)
    if name in BUILTIN:
        command = how_to_install(name)
        if command:
            raise BackendError(f"backend {name} is not installed: {command}")
        target = EntryPoint(name, BUILTIN[name][0], "nst.backends")
    elif name in (plugins := _plugins()):  # every installed package is read for them
        target = plugins[name]
    else:
        raise BackendError(
            f"unknown backend {name!r}: choose from auto, {', '.join(backend_names())}, or give package.module:Class"
        )
    try:
        loaded: type[Backend[Any]] = target.load()
    except ImportError as error:
        raise BackendError(f"backend {name} is installed but does not import: {error}") from error
    return loaded


def get_backend(
    name: str = "auto", device: str = "auto", dtype: str | None = None, precision: str | None = None
) -> Backend[Any]:
    """A backend on a device.

    Args:
        name: see `backend_class`.
        device: auto, cpu, cuda, cuda:N or mps.
        dtype: data type of pictures, losses and gradients; None for the backend's default.
        precision: data type of the network alone: fp32, bf16, fp16, fp64 (or float32, ...); None for `dtype`.

    Raises:
        BackendError: as `backend_class`, or the device, the dtype or the precision is not there.

    Examples:
        >>> backend = nst.get_backend("numpy")
        >>> backend.name, backend.dtype
        ('numpy', 'float64')
    """
    return backend_class(name)(device=device, dtype=dtype, precision=precision)


def _class_at(spec: str) -> type[Backend[Any]]:
    module, _, attribute = spec.partition(":")
    try:
        loaded = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise BackendError(f"cannot load {spec}: {error}") from error
    if not isinstance(loaded, type) or not hasattr(loaded, "capabilities"):
        raise BackendError(f"{spec} is not a backend: give a class with the members of nst.protocol.Backend")
    return loaded


def _plugins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="nst.backends")}
