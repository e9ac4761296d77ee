"""The report of an experiment: one HTML file with everything in it, no script, nothing from elsewhere."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from PIL import Image

from nst._version import __version__
from nst.cli.experiments.runs import Done

__all__ = ["loss_chart", "write_report"]

PICTURE = 320  # longest side in pixels
STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
table { border-collapse: collapse; font-size: 13px; margin: .5rem 0 }
th, td { padding: .15rem .6rem; text-align: left; border-bottom: 1px solid #8884; vertical-align: top }
td.number { text-align: right; font-variant-numeric: tabular-nums }
.inputs img { height: 110px; margin-right: 8px }
.wide { overflow-x: auto }
article { display: grid; grid-template-columns: 320px 1fr; gap: 0 1.5rem; padding: 1rem 0; border-top: 1px solid #8884 }
article h2 { grid-column: 1 / -1; font-size: 1.05rem; margin: 0 0 .5rem }
article img { max-width: 100% }
svg { width: 320px; max-width: 100%; fill: none; stroke-width: 1.5 }
svg text { font-size: 10px; fill: currentColor; stroke: none }
svg .grid { stroke: #8886; stroke-width: .5 }
@media (max-width: 45rem) { article { grid-template-columns: 1fr } }
"""


def write_report(
    title: str, summary: str, runs: Sequence[Done], inputs: Mapping[str, Image.Image], missing: int
) -> str:
    """The whole page.

    Args:
        title: of the experiment.
        summary: one line.
        runs: those that are finished.
        inputs: content and style pictures by file name.
        missing: how many runs are not finished.
    """
    common, rest = _split([run.trace["settings"] for run in runs])
    strip = "".join(_image(image, name) for name, image in inputs.items())
    body = [
        f"<h1>{escape(title)}</h1><p>{escape(summary)}</p>",
        f"<p><b>{missing} of {len(runs) + missing} runs are not finished.</b></p>" if missing else "",
        f'<p class="inputs">{strip}</p>',
        _overview(runs),
        *(_article(run, own) for run, own in zip(runs, rest, strict=True)),
        f"<article><h2>The same for all runs</h2><div>{_table(common)}</div></article>",
        f"<p>nst {escape(__version__)}. {_legend()}</p>",
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>\n'
        f"<body>{''.join(body)}</body></html>\n"
    )


def _legend() -> str:
    lines = ", ".join(f'<span style="color:{color}">{name}</span>' for name, color in COLORS.items())
    return (
        f"Curves: the losses times their weights ({lines}) over the steps; a jump is a change of the size. "
        "Distances: Gram |G - A|² / |A|² per layer and content |F - P|² / |P|², in the features of the network named; "
        "0 is the target itself, 1 is as far as a picture without features."
    )


def _overview(runs: Sequence[Done]) -> str:
    """One line a run, with every distance."""
    columns: dict[tuple[str, str, str], None] = {}
    for run in runs:
        for network, kinds in run.trace["measures"].items():
            for kind, layers in kinds.items():
                columns |= dict.fromkeys((network, kind, layer) for layer in layers)
    heads = "".join(
        f"<th>{escape(kind)} {escape(layer)}<br>{escape(network)}</th>" for network, kind, layer in columns
    )
    lines = []
    for run in runs:
        measures = run.trace["measures"]
        values = (measures.get(n, {}).get(kind, {}).get(layer) for n, kind, layer in columns)
        numbers = "".join(f'<td class="number">{_number(value)}</td>' for value in values)
        lines.append(f"<tr><td>{escape(run.cell.label)}</td>{numbers}</tr>")
    return f'<div class="wide"><table><tr><th>distance reached</th>{heads}</tr>{"".join(lines)}</table></div>'


def _article(run: Done, settings: Mapping[str, Any]) -> str:
    """One run: picture, curves, numbers, what sets it apart."""
    trace = run.trace
    steps, first, last = trace["steps"], trace["steps"][0], trace["steps"][-1]
    factors = {name: trace["settings"].get(f"{name}_weight", 1.0) for name in last["terms"]}
    curves = {
        "total": [step["total"] for step in steps],
        **{
            name: [step["terms"].get(name, 0.0) * (factor or 0.0) for step in steps]
            for name, factor in factors.items()
        },
    }
    losses = {name: f"{first['terms'][name]:.4g} to {last['terms'][name]:.4g}" for name in last["terms"]}
    facts = {
        "loss": f"{first['total']:.4g} to {last['total']:.4g}",
        **{f"{name} loss": text for name, text in losses.items()},
        "steps": f"{last['step']} in {last['seconds']:.1f} s",
        **({"ended early": trace["stopped"]} if trace["stopped"] else {}),
        **settings,
        "file": f"cells/{run.picture.name}",
    }
    with Image.open(run.picture) as file:
        picture = _image(file, run.cell.label)
    chart = loss_chart([step["step"] for step in steps], curves)
    return f"<article><h2>{escape(run.cell.label)}</h2><div>{picture}</div><div>{chart}{_table(facts)}</div></article>"


def _split(settings: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What all have in common, and what each has of its own."""
    if not settings:
        return {}, []
    settings = [{key: one[key] for key in one if one[key] is not None} for one in settings]
    common = {
        key: value for key, value in settings[0].items() if all(other.get(key) == value for other in settings)
    }
    return common, [{key: one[key] for key in one if key not in common} for one in settings]


def _table(facts: Mapping[str, Any]) -> str:
    lines = (
        f"<tr><th>{escape(key.replace('_', ' '))}</th><td>{_text(facts[key])}</td></tr>" for key in facts
    )
    return f"<table>{''.join(lines)}</table>"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return escape(", ".join(f"{key} {_number(item)}" for key, item in value.items()))
    if isinstance(value, list):
        return escape(", ".join(map(str, value)))
    return escape(f"{value:.6g}" if isinstance(value, float) else str(value))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _image(image: Image.Image, name: str) -> str:
    """A picture inside the page."""
    small = image.convert("RGB")
    small.thumbnail((PICTURE, PICTURE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=88)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img src="data:image/jpeg;base64,{data}" alt="{escape(name)}" title="{escape(name)}">'


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
