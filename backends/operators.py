"""What most frameworks compute alike, because their tensors have Python's operators.

A backend derives from `OperatorOps` and writes only what differs.
"""

from __future__ import annotations

from typing import Any


class OperatorOps:
    """The arithmetic of `nst.protocol.Ops` by `+ - * / @` and slices, for tensors that are stored as (N, C, H, W)."""

    def affine(self, x: Any, factor: Any, shift: Any) -> Any:
        return x * factor[:, None, None] + shift[:, None, None]

    def modulate(self, x: Any, mask: Any) -> Any:
        return x * mask

    def matmul(self, a: Any, b: Any) -> Any:
        return a @ b

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def sub(self, a: Any, b: Any) -> Any:
        return a - b

    def multiply(self, a: Any, b: Any) -> Any:
        return a * b

    def divide(self, a: Any, b: Any) -> Any:
        return a / b

    def scale(self, a: Any, factor: float) -> Any:
        return a * factor

    def scale_by(self, a: Any, factor: Any) -> Any:
        return a * factor

    def square(self, a: Any) -> Any:
        return a * a

    def abs(self, a: Any) -> Any:
        return abs(a)
