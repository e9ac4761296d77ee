"""Loss curves as inline SVG, written by hand: no script, no library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

__all__ = ["loss_chart"]

WIDTH, HEIGHT = 300, 130
LEFT, RIGHT, TOP, BOTTOM = 46, 6, 8, 18
COLORS = {"total": "#222222", "content": "#1f77b4", "style": "#d62728", "tv": "#2ca02c"}
OTHER = "#9467bd"


def loss_chart(steps: Sequence[int], curves: Mapping[str, Sequence[float]]) -> str:
    """Values over steps, the values on a logarithmic scale.

    Values that are not above 0 have no logarithm and are left out.

    Args:
        steps: of each value.
        curves: values by name; "total", "content", "style" and "tv" have colours of their own.

    Returns:
        An `<svg>` element.
    """
    shown = [value for values in curves.values() for value in values if value > 0 and math.isfinite(value)]
    low, high = (math.floor(math.log10(min(shown))), math.ceil(math.log10(max(shown)))) if shown else (0, 1)
    high = max(high, low + 1)
    last = max(1, *steps)

    def x(step: float) -> float:
        return LEFT + step / last * (WIDTH - LEFT - RIGHT)

    def y(exponent: float) -> float:
        return TOP + (high - exponent) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="losses over steps">']
    for exponent in range(low, high + 1, max(1, (high - low) // 4)):
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(exponent):.1f}" y2="{y(exponent):.1f}"/>'
            f'<text x="{LEFT - 4}" y="{y(exponent) + 3:.1f}" text-anchor="end">1e{exponent}</text>'
        )
    for step, anchor in ((0, "start"), (last, "end")):
        parts.append(f'<text x="{x(step):.1f}" y="{HEIGHT - 5}" text-anchor="{anchor}">{step}</text>')
    for name, values in curves.items():
        points = " ".join(
            f"{x(step):.1f},{y(math.log10(value)):.1f}"
            for step, value in zip(steps, values, strict=True)
            if value > 0 and math.isfinite(value)
        )
        color = COLORS.get(name, OTHER)
        parts.append(f'<polyline points="{points}" stroke="{color}"><title>{escape(name)}</title></polyline>')
    return "".join([*parts, "</svg>"])
