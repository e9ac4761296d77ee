"""Device and data type requests, checked the same way by every backend."""

from __future__ import annotations

from nst.errors import BackendError
from nst.protocol import Capabilities

PRECISIONS = {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32", "fp64": "float64"}
"""The words of the command line -> the names that the frameworks use; both are understood."""


def require_dtype(backend: str, capabilities: Capabilities, dtype: str | None) -> str:
    """`dtype`, or the backend's default for None; BackendError if it does not compute in it."""
    if dtype is None:
        return capabilities.dtypes[0]
    if dtype not in capabilities.dtypes:
        raise BackendError(
            f"backend {backend} does not compute in {dtype!r}: choose {' or '.join(capabilities.dtypes)}"
        )
    return dtype


def require_precision(backend: str, capabilities: Capabilities, dtype: str, precision: str | None) -> str:
    """What the network computes in: `precision`, or `dtype` for None; BackendError if no such networks are there."""
    wanted = dtype if precision is None else PRECISIONS.get(precision, precision)
    offered = (dtype, *capabilities.precisions)
    if wanted not in offered:
        words = [word for word, name in PRECISIONS.items() if name in offered]
        raise BackendError(
            f"backend {backend} has no networks in {precision!r} beside {dtype}: "
            f"use precision {' or '.join(words)}"
        )
    return wanted


def require_cpu(backend: str, device: str) -> str:
    """Return "cpu" for "auto" and "cpu"; BackendError for anything else."""
    kind, _ = parse_device(device)
    if kind not in ("auto", "cpu"):
        raise BackendError(f"backend {backend} runs on the CPU only: use --device cpu or another backend")
    return "cpu"


def parse_device(device: str) -> tuple[str, int]:
    """Split "cuda:1" into ("cuda", 1); "auto", "cpu", "cuda" and "mps" have index 0. BackendError for anything else."""
    kind, colon, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (colon and not (kind == "cuda" and index.isdecimal())):
        meant = "; a GPU is cuda, or mps on a Mac" if kind == "gpu" else ""
        raise BackendError(f"unknown device {device!r}: choose auto, cpu, cuda, cuda:N or mps{meant}")
    return kind, int(index or 0)
