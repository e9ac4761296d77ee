"""Seconds of pieces of work, and the fastest that the machine multiplies matrices."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["peak", "seconds"]


def seconds(work: Callable[[], object]) -> float:
    """Of one call, by the clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peak(dtype: str, device: str) -> float:
    """Floating-point operations a second of a large matrix product in PyTorch, the best of several; no TF32."""
    import torch

    n, repeats = (8192, 20) if device == "cuda" else (2048, 1)
    a, b = (torch.randn(n, n, device=device).to(getattr(torch, dtype)) for _ in range(2))

    def products() -> None:
        for _ in range(repeats):
            c = a @ b
        float(c[0, 0])  # waits for the device

    products()
    return 2.0 * n**3 * repeats / min(seconds(products) for _ in range(6))
