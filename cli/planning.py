"""The plan of a run as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nst.transfer import StyleTransfer

__all__ = ["duration_text", "plan_rows", "size_text"]

MIB = 2**20


def plan_rows(transfer: StyleTransfer) -> list[tuple[str, str]]:
    """What is planned, by name. A few steps of small versions are run, for the time."""
    from nst.forecast import forecast

    chosen, future = transfer.plan, forecast(transfer)
    width, height = transfer.size
    scales = ", ".join(f"{side} px x {steps}" for side, steps in transfer.schedule)
    free = "unknown" if chosen.free is None else size_text(chosen.free)
    return [
        ("size", f"{width}x{height} pixels, {transfer.backend.name} on {transfer.backend.device}"),
        ("scales", scales),
        (
            "windows",
            f"{chosen.side} px, computing {future.overlap:.2f} times the pixels" if chosen.side else "none",
        ),
        (
            "L-BFGS history",
            f"{chosen.history} pairs{' in float16' if chosen.half else ''}, {size_text(chosen.history_bytes)}",
        ),
        ("peak memory", f"{size_text(chosen.peak)} of {free} that are free"),
        ("time", f"{duration_text(future.total)}, {future.step:.2f} s for a step at the full size"),
    ]


def size_text(count: int) -> str:
    """Bytes for people."""
    return f"{count / MIB:.0f} MB" if count < 10_000 * MIB else f"{count / MIB / 1024:.1f} GB"


def duration_text(seconds: float) -> str:
    """Seconds for people."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
