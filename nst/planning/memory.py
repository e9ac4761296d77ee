"""How much memory there is, and what running out of it looks like."""

from __future__ import annotations

import math
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from nst import cgroups

SIGNS = (
    "memoryerror",
    "out of memory",
    "outofmemory",
    "resourceexhausted",
    "failed to allocate",
    "can't allocate",
)
"""What exceptions of numpy, PyTorch, TensorFlow and ONNX Runtime say, in lower case."""


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
