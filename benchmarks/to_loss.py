"""Does coarse to fine pay? The work until the loss is reached that N steps at full size reach from the same start.

    python benchmarks/to_loss.py --pictures chelsea demo --starts content noise --schedules auto/100 auto/50 2/100

A schedule is SCALES/STEPS: the scales as `--scales` takes them (several sizes with a colon between them), and the
steps of each but the last, whose steps go on until the loss is reached or the work of N steps is done. Work counts
in steps at full size: a step at half the side is a quarter of one.
"""

from __future__ import annotations

import argparse
from typing import Any

from _report import Report, child, options_of, serve

KEY = ("content", "style", "start", "schedule", "size", "steps", "optimizer")
GOAL = 1 / 3


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--size", type=int, default=256, help="longest side of the result in pixels")
    parser.add_argument("--steps", type=int, default=500, help="N")
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--weights", default="embedded", help="embedded, full, or a name in the cache")
    parser.add_argument("--optimizer", default="lbfgs")
    parser.add_argument("--pictures", nargs=2, default=["demo", "demo"], metavar=("CONTENT", "STYLE"))
    parser.add_argument("--starts", nargs="+", default=["content", "noise"])
    parser.add_argument("--schedules", nargs="+", default=["auto/100", "auto/50", "2/100"])
    options = parser.parse_args()
    report = Report(__file__, options, KEY)
    if not options.table_only:
        measure_all(options, report)
    note = (
        "Work in steps at full size; *at N / 3* is the loss by then, over what one scale has then. "
        f"The goal is a share of {GOAL:.2f} at most."
    )
    report.publish(note, markdown(report.rows))


def measure_all(options: argparse.Namespace, report: Report) -> None:
    content, style = options.pictures
    common = {
        name: getattr(options, name)
        for name in ("device", "size", "steps", "backend", "weights", "optimizer")
    }
    for start in options.starts:
        same = {"content": content, "style": style, "start": start, **common}
        reference = child(__file__, schedule="1/0", target=None, **same)
        report.add(reference)
        for schedule in options.schedules if reference else ():
            report.add(child(__file__, schedule=schedule, target=reference["loss"], **same))


def measure(
    content: str,
    style: str,
    start: str,
    schedule: str,
    target: float | None,
    device: str,
    size: int,
    steps: int,
    backend: str,
    weights: str,
    optimizer: str,
) -> dict[str, Any]:
    """Run a schedule; the loss at full size by the work and the seconds until then."""
    from _subject import network, pictures

    from nst.backends import get_backend
    from nst.transfer import StyleTransfer

    engine = get_backend(backend, device)
    subjects = pictures((content, style), size, size * 3 // 4)
    scales, coarse = schedule.split("/")
    spec = scales if scales == "auto" else int(scales)
    if ":" in scales:
        spec = tuple(int(side) for side in scales.split(":"))

    def make(scales: Any, counts: tuple[Any, ...]) -> StyleTransfer:
        return StyleTransfer(
            *subjects,
            backend=engine,
            weights=network(weights),
            size=size,
            init=start,
            scales=scales,
            steps=counts,
            optimizer=optimizer,
        )

    sides = tuple(side for side, _ in make(spec, (1, "...")).schedule)
    counts = [int(count) for count in coarse.split(",")]
    counts = [*counts, *[counts[-1]] * len(sides)][: len(sides) - 1]
    run = make(sides, (*counts, steps))
    work, curve, reached, seconds = 0.0, [], None, 0.0
    for record in run.iterate():
        losses = record.losses()
        moved = record.step > (curve[-1][0] if curve else 0)
        area = record.size[0] * record.size[1] / (run.size[0] * run.size[1])
        work += area if moved else 0.0
        curve.append((record.step, record.scale, work, losses.total, record.seconds))
        seconds = record.seconds
        if target is not None and record.scale == record.scales:
            reached = work if losses.total <= target else None
            if reached is not None or work >= steps:
                break
    full = [(done, loss) for _, scale, done, loss, _ in curve if scale == len(sides)]
    return {
        "content": content,
        "style": style,
        "start": start,
        "schedule": schedule,
        "size": size,
        "steps": steps,
        "optimizer": optimizer,
        "backend": backend,
        "weights": weights,
        "sides": sides,
        "counts": [*counts, len(full)],
        "target": target,
        "loss": full[-1][1],
        "work": work,
        "reached": reached,
        "seconds": seconds,
        "curve": [[round(done, 2), float(f"{loss:.6g}")] for done, loss in full],
        "versions": engine.versions(),
    }


def at(row: dict[str, Any], work: float) -> float | None:
    """The loss at full size after that much work; None if full size was not reached by then."""
    found = [loss for done, loss in row["curve"] if done <= work]
    return found[-1] if found else None


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| pictures | start | scales | steps before the last | loss wanted | work until then | share of N | time "
        "| share of the time | at N / 3 |",
        "|---" * 10 + "|",
    ]
    references = {key_of(row): row for row in rows if row["target"] is None}
    for row in rows:
        one = references[key_of(row)]
        ours, theirs = (at(each, GOAL * row["steps"]) for each in (row, one))
        if row["reached"] is not None:
            work = f"{row['reached']:.0f} | {row['reached'] / row['steps']:.2f} | {row['seconds']:.0f} s "
            work += f"| {row['seconds'] / one['seconds']:.2f}"
        elif row is one:
            work = f"{row['work']:.0f} | 1 | {row['seconds']:.0f} s | 1"
        else:
            work = f"not in {row['work']:.0f} ({row['loss']:.4g}) | | {row['seconds']:.0f} s |"
        gain = f"{ours / theirs:.4f}" if ours and theirs else "not there yet"
        lines.append(
            f"| {row['content']}, {row['style']} | {row['start']} | {', '.join(map(str, row['sides']))} "
            f"| {', '.join(map(str, row['counts'][:-1]))} | {one['loss']:.4g} | {work} | {gain} |"
        )
    return "\n".join(lines)


def key_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """What a row shares with the run at one scale that it is measured against."""
    return tuple(row[name] for name in KEY if name != "schedule")


if __name__ == "__main__":
    serve(measure)
    main()
