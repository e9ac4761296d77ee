"""Running the suite on backends, each in a process of its own.

torch and TensorFlow in one process can hang or crash, and a backend that crashes must not take the report along.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import asdict, dataclass, field
from traceback import format_exception_only
from typing import Any

from nst.backends import backend_names
from nst.backends.registry import backend_class, how_to_install
from nst.children import add_working_folder
from nst.conformance.case import Side, Subject
from nst.conformance.cases.l2_features import all_layers
from nst.conformance.cases.l7_full_width import trained_outputs
from nst.conformance.cases.objectives import PROBLEMS, evaluation
from nst.conformance.compare import tolerance
from nst.conformance.report import EMBEDDED, as_json, backend_table, pair_table
from nst.conformance.suite import WEIGHTS, run_cases, select
from nst.errors import NSTError, SettingsError, told_as
from nst.files import write_atomically
from nst.models.weights import load_weights
from nst.processes import ProcessExecutor

REQUIRE = "NST_REQUIRE_BACKENDS"
LAST = 7


def _option(default: Any, help_: str) -> Any:
    return field(default=default, metadata={"help": help_})


@dataclass(frozen=True)
class Options:
    """How to run: each field is an option of the command line, with its help."""

    device: str = _option("cpu", "cpu, auto, cuda, cuda:N or mps.")
    dtype: str | None = _option(None, "Data type; without it each backend's own.")
    level: int = _option(7, "The last level to run, 0 to 7.")
    weights: str | None = _option(
        None, f"A file with real weights, for level 7; without it the one in {WEIGHTS}, if any."
    )
    precision: str | None = _option(None, "Of the network: fp32, bf16, fp16; without it the data type.")

    def __post_init__(self) -> None:
        if not 0 <= self.level <= LAST:
            raise SettingsError(f"level {self.level}: choose 0 to {LAST}")


def required_backends() -> list[str]:
    """The comma list in NST_REQUIRE_BACKENDS: a backend in it that is missing is a failure."""
    return [name.strip() for name in os.environ.get(REQUIRE, "").split(",") if name.strip()]


def names_to_run(given: Sequence[str]) -> list[str]:
    """What was asked for, or everything installed and everything required."""
    if given:
        return list(given)
    required = required_backends()
    installed = [name for name in backend_names() if how_to_install(name) is None]
    return [*installed, *(name for name in required if name not in installed)]


def run_here(spec: str, options: Options) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run the suite on one backend, a name or `package.module:Class`, in this process.

    The report is plain values; beside it are the outputs on the fixed inputs, for the comparison of backends with each
    other. NSTError: no such backend, device, data type or weights file.
    """
    backend = backend_class(spec)(device=options.device, dtype=options.dtype, precision=options.precision)
    tolerance(backend.dtype, "exact")
    path = options.weights or os.environ.get(WEIGHTS)
    subject = Subject(backend, load_weights(path) if path else None)
    began = time.perf_counter()
    results = run_cases(subject, select(options.level))
    seconds = time.perf_counter() - began
    outputs = fixed_outputs(subject.tested, options.level >= 7) if options.level >= 4 else {}
    report = {
        "backend": spec,
        "device": backend.device,
        "dtype": backend.dtype,
        "precision": backend.precision,
        "versions": backend.versions(),
        "tf32": os.environ.get("NVIDIA_TF32_OVERRIDE") != "0" if backend.device.startswith("cuda") else None,
        "seconds": round(seconds, 1),
        "results": [asdict(result) for result in results],
    }
    return report, outputs


def fixed_outputs(side: Side, full: bool = True) -> dict[str, Any]:
    """Arrays named `quantity/...`: all feature maps and Gram matrices of the small network, losses, gradients.

    With `full` those of the embedded network as well, named `embedded/quantity/...`.
    """
    outputs = {}
    for name, array in all_layers(side, "avg").items():
        layer = name.removeprefix("gram ")
        outputs[f"{'gram' if layer != name else 'features'}/{layer}"] = array
    for name in ("whole/avg", "whole/max"):
        found = evaluation(side, PROBLEMS[name])
        outputs[f"loss/{name}"] = found.total
        outputs[f"gradient/{name}"] = found.gradient
    if full:
        outputs |= {EMBEDDED + name: array for name, array in trained_outputs(side).items()}
    return outputs


def run_apart(spec: str, options: Options) -> tuple[dict[str, Any], dict[str, Any]]:
    """`run_here` in a new process.

    A backend that cannot be loaded or that takes its process down gives a report with an `error`.
    """
    # cuDNN and cuBLAS round to TF32 where they may; this stops them in every framework
    with ProcessExecutor({**os.environ, "NVIDIA_TF32_OVERRIDE": "0"}) as process:
        try:
            process.submit(add_working_folder, spec)
            found: tuple[dict[str, Any], dict[str, Any]] = process.submit(run_here, spec, options).result()
            return found
        except (NSTError, BrokenExecutor) as error:
            said = str(error)
        except Exception as error:  # with the traceback as its text
            *_, said = "".join(format_exception_only(error)).strip().splitlines()
    return {"backend": spec, "error": said, "results": []}, {}


def run_command(
    backends: Sequence[str],
    options: Options,
    json_file: str | None,
    show: Callable[[str], None],
) -> bool:
    """Run the suite on each backend in turn, show the tables, and return whether everything passed.

    Backends are names or `package.module:Class`; none for every installed and required one. `show` takes one table at a
    time. NSTError: the JSON file cannot be written.
    """
    reports, outputs = [], {}
    for name in names_to_run(backends):
        values, arrays = run_apart(name, options)
        reports.append(values)
        if arrays:
            outputs[name] = arrays
        show(backend_table(values) + "\n")
    if len(outputs) > 1:
        show("Every pair of backends on the same inputs:\n" + pair_table(outputs) + "\n")
        if options.level >= 7:
            show("Every pair on the embedded VGG19:\n" + pair_table(outputs, EMBEDDED) + "\n")
    whole = as_json(reports, outputs)
    if json_file is not None:
        with told_as(NSTError, f"cannot write {json_file}"):
            write_atomically(json_file, (json.dumps(whole, indent=1, allow_nan=False) + "\n").encode())
    show("passed" if whole["passed"] else "FAILED")
    return bool(whole["passed"])
