"""The report of an experiment: one HTML file with everything in it, no script, nothing from elsewhere."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from nst._version import __version__
from nst.cli.experiments.runs import Done
from nst.control import duration_text
from nst.errors import ImageError, told_as
from nst.files import write_atomically

PICTURE = 320  # longest side in pixels
WIDTH, HEIGHT = 300, 130  # of a chart, and its margins
LEFT, RIGHT, TOP, BOTTOM = 46, 6, 8, 18
COLORS = {"total": "#222222", "content": "#1f77b4", "style": "#d62728", "tv": "#2ca02c"}
OTHER = "#9467bd"


def write_report(
    title: str, summary: str, runs: Sequence[Done], inputs: Mapping[str, Image.Image], missing: int
) -> str:
    """The whole page: the runs that are finished, and how many are missing; content and style pictures by file name."""
    common, rest = _split([run.trace["settings"] for run in runs])
    shown = [_run(run, own) for run, own in zip(runs, rest, strict=True)]
    page: str = template("report.html.j2").render(
        title=title,
        summary=summary,
        missing=missing,
        inputs=[embedded(image, name) for name, image in inputs.items()],
        distances=list(dict.fromkeys(place for run in shown for place in run["distances"])),
        runs=shown,
        common=common,
        colors=COLORS,
    )
    return page


def write_files(folder: Path, name: str, sheet: Image.Image, page: str) -> str:
    """Write NAME.png and NAME.html, each whole or not at all, or ImageError; their names, for people."""
    write_file(folder / f"{name}.png", png(sheet))
    write_file(folder / f"{name}.html", page.encode())
    return f"{folder / name}.png and .html"


def write_file(path: Path, data: bytes) -> None:
    """Whole or not at all, or ImageError."""
    with told_as(
        ImageError, f"cannot write {path}", "free some space and run it again, what is done is kept"
    ):
        write_atomically(path, data)


def png(image: Image.Image) -> bytes:
    """The file, in memory, so that it can be written whole or not at all."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@cache
def template(name: str) -> Any:
    """One of the templates beside this file; whatever they insert is escaped."""
    environment = Environment(
        loader=PackageLoader("nst.cli.experiments", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["text"] = _text
    environment.globals["version"] = __version__
    return environment.get_template(name)


def _run(run: Done, settings: Mapping[str, Any]) -> dict[str, Any]:
    """One run: picture, curves, numbers, what sets it apart."""
    trace = run.trace
    steps, first, last = trace["steps"], trace["steps"][0], trace["steps"][-1]
    curves = {
        "total": [step["total"] for step in steps],
        **{name: [step["terms"][name] * step["weights"][name] for step in steps] for name in last["terms"]},
    }
    facts = {
        "loss": f"{first['total']:.4g} to {last['total']:.4g}",
        **{
            f"{name} loss": f"{first['terms'][name]:.4g} to {last['terms'][name]:.4g}"
            for name in last["terms"]
        },
        "steps": f"{last['step']}"
        if run.seconds is None
        else f"{last['step']} in {duration_text(run.seconds)}",
        **({"ended early": trace["stopped"]} if trace["stopped"] else {}),
        **settings,
        "file": f"cells/{run.picture.name}",
    }
    with Image.open(run.picture) as file:
        image = embedded(file, run.cell.label)
    return {
        "label": run.cell.label,
        "image": image,
        "chart": loss_chart([step["step"] for step in steps], curves),
        "facts": facts,
        "distances": {
            (network, kind, layer): distance
            for network, kinds in trace["measures"].items()
            for kind, layers in kinds.items()
            for layer, distance in layers.items()
            if distance is not None
        },
    }


def _split(settings: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What all have in common, and what each has of its own."""
    if not settings:
        return {}, []
    settings = [{key: one[key] for key in one if one[key] is not None} for one in settings]
    common = {
        key: value for key, value in settings[0].items() if all(other.get(key) == value for other in settings)
    }
    return common, [{key: one[key] for key in one if key not in common} for one in settings]


def _text(value: Any) -> str:
    """A setting for people."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item:.3g}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def embedded(image: Image.Image, name: str, longest: int = PICTURE) -> dict[str, str]:
    """A picture inside a page, its longest side so many pixels at most."""
    small = image.convert("RGB")
    small.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=88)
    return {"name": name, "data": base64.b64encode(buffer.getvalue()).decode()}


def loss_chart(steps: Sequence[int], curves: Mapping[str, Sequence[float]]) -> str:
    """An `<svg>` of values over steps, the values on a logarithmic scale; those that are not above 0 are left out.

    "total", "content", "style" and "tv" have colours of their own.
    """
    kept = {
        name: [
            (step, math.log10(value))
            for step, value in zip(steps, values, strict=True)
            if value > 0 and math.isfinite(value)
        ]
        for name, values in curves.items()
    }
    shown = [value for points in kept.values() for _, value in points]
    low, high = (math.floor(min(shown)), math.ceil(max(shown))) if shown else (0, 1)
    high = max(high, low + 1)
    last = max(1, *steps)

    def x(step: float) -> float:
        return round(LEFT + step / last * (WIDTH - LEFT - RIGHT), 1)

    def y(exponent: float) -> float:
        return round(TOP + (high - exponent) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    exponents = range(low, high + 1, max(1, (high - low) // 4))
    drawing: str = template("chart.svg.j2").render(
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        lines=[(y(exponent), exponent) for exponent in exponents],
        ends=[(x(0), 0, "start"), (x(last), last, "end")],
        curves=[
            (name, COLORS.get(name, OTHER), [(x(step), y(value)) for step, value in points])
            for name, points in kept.items()
        ],
    )
    return drawing
