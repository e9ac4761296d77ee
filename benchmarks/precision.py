"""What does a network in half precision cost in quality? The objective after as many steps, evaluated in float32.

    python benchmarks/precision.py

Each row is a pair of runs in a process of its own: the network in float32 and in half precision, everything else
alike. Both final pictures are evaluated in float32. The bar is a difference of 2 %.
"""

from __future__ import annotations

from typing import Any

from _report import Report, child, options_of, serve

KEY = ("backend", "precision", "weights", "size", "start", "steps")
CASES = (
    ("embedded", 256, "content"),
    ("embedded", 256, "noise"),
    ("full", 256, "content"),
    ("full", 160, "content"),
)


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--backends", default="torch")
    parser.add_argument("--precisions", default="bf16", help="bf16,fp16")
    parser.add_argument("--steps", default="50,100")
    options = parser.parse_args()
    report = Report(__file__, options, KEY)
    specs = [
        {
            "backend": backend,
            "precision": precision,
            "weights": weights,
            "size": size,
            "start": start,
            "steps": int(n),
        }
        for backend in options.backends.split(",")
        for precision in options.precisions.split(",")
        for weights, size, start in CASES
        for n in options.steps.split(",")
    ]
    for spec in () if options.table_only else specs:
        report.add(child(__file__, device=options.device, **spec))
    report.publish(
        "L-BFGS at one scale; *objective* is that of the run in half precision over that of the float32 run.",
        markdown(report.rows),
    )


def measure(
    backend: str, precision: str, weights: str, size: int, start: str, steps: int, device: str
) -> dict[str, Any]:
    """The two runs, from the same start."""
    from _subject import dimensions, network, transfer

    from nst.backends import get_backend

    net = network(weights)
    width, height = dimensions(size, device)
    exact = get_backend(backend, device, precision="fp32")
    judge = transfer(exact, net, width, height, init=start).stage(width)
    found, seen = [], []
    for name in ("fp32", precision):
        engine = get_backend(backend, device, precision=name)
        for record in transfer(engine, net, width, height, init=start, steps=steps, tile="off").iterate():
            last = record
        total = judge.evaluate(exact.from_numpy(engine.to_numpy(last._state.x))).total
        found.append(float(exact.space.scalars([total])[0]))
        seen.append(last.losses().total)
    return {
        "backend": backend,
        "precision": precision,
        "weights": weights,
        "size": size,
        "start": start,
        "steps": steps,
        "exact": found[0],
        "objective": found[1],
        "seen": seen[1],
        "versions": exact.versions(),
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| backend | network in | network | size | start | steps | float32 run | objective |",
        "|---" * 8 + "|",
    ]
    for row in rows:
        change = 100 * (row["objective"] / row["exact"] - 1)
        lines.append(
            f"| {row['backend']} | {row['precision']} | {row['weights']} | {row['size']} px | {row['start']} "
            f"| {row['steps']} | {row['exact']:.5g} | {row['objective']:.5g} ({change:+.2f} %) |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    serve(measure)
    main()
