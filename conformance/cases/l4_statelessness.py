"""Level 4: a compiled objective keeps nothing between calls and changes nothing that it is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from nst.conformance.case import Case, Need, Skip, Subject
from nst.conformance.cases import inputs
from nst.conformance.cases.objectives import PROBLEMS, targets
from nst.conformance.compare import Measurement
from nst.protocol import Evaluation, Objective, Ops

NAME = "whole/avg"


def _compiled(subject: Subject) -> tuple[Objective[Any], Any, dict[str, Any]]:
    """The whole objective, its start picture and its constants on the device; one objective for all cases."""
    side, problem = subject.tested, PROBLEMS[NAME]
    x, constants = side.backend.from_numpy(problem.start()), side.tensors(targets(problem))
    objective = side.once(NAME, lambda: side.backend.compile(problem.function(side), x, constants))
    return objective, x, constants


def _same_call_twice(subject: Subject) -> Iterator[Measurement]:
    objective, x, constants = _compiled(subject)
    first, second = (subject.tested.read(objective(x, constants)) for _ in range(2))
    yield subject.compare("total of the second call", second.total, first.total, "exact")
    yield subject.compare("gradient of the second call", second.gradient, first.gradient, "exact")


def _nothing_accumulates(subject: Subject) -> Iterator[Measurement]:
    objective, x, constants = _compiled(subject)
    other = subject.tested.backend.from_numpy(PROBLEMS[NAME].start(61))
    first = subject.tested.read(objective(x, constants))
    objective(other, constants)
    again = subject.tested.read(objective(x, constants))
    yield subject.compare("total after a call elsewhere", again.total, first.total, "loss")
    yield subject.compare("gradient after a call elsewhere", again.gradient, first.gradient, "gradient")


def _results_are_kept(subject: Subject) -> Iterator[Measurement]:
    """An evaluation belongs to its caller: the next call does not write into it."""
    objective, x, constants = _compiled(subject)
    held = objective(x, constants)
    before = subject.tested.read(held)
    objective(subject.tested.backend.from_numpy(PROBLEMS[NAME].start(61)), constants)
    after = subject.tested.read(held)
    yield subject.compare("total held over a call", after.total, before.total, "exact")
    yield subject.compare("gradient held over a call", after.gradient, before.gradient, "exact")


def _inputs_are_unmodified(subject: Subject) -> Iterator[Measurement]:
    objective, x, constants = _compiled(subject)
    problem = PROBLEMS[NAME]
    objective(x, constants)
    subject.tested.backend.evaluate(
        lambda ops, x, c: {"y": ops.relu(ops.scale(ops.sub(x, ops.abs(x)), 2.0))}, x, constants
    )
    yield subject.compare("x after the calls", subject.tested.host({"x": x})["x"], problem.start(), "exact")
    for name, array in subject.tested.host(constants).items():
        yield subject.compare(f"{name} after the calls", array, targets(problem)[name], "exact")


def _native_grad_is_untouched(subject: Subject) -> Iterator[Measurement]:
    objective, x, constants = _compiled(subject)
    if not hasattr(x, "grad"):
        raise Skip("its tensors have no .grad")
    objective(x, constants)
    native = [x, *constants.values()]
    yield subject.check(".grad is None after a call", all(tensor.grad is None for tensor in native))
    tracked = any(tensor.requires_grad for tensor in native)
    yield subject.check(".requires_grad is off after a call", not tracked)


def _squared_distance(ops: Ops[Any], x: Any, c: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    total = ops.sum(ops.square(ops.sub(x, c["target"])))
    return total, {"distance": total}


def _constants_of_this_call(subject: Subject) -> Iterator[Measurement]:
    """The constants that count are those of the call, not those of `compile` or of an earlier call."""
    side, x = subject.tested, inputs.field(62, 1, 3, 4, 5)
    fields = [inputs.field(seed, 1, 3, 4, 5) for seed in (63, 64, 65)]
    tensors = [side.tensors({"target": array}) for array in fields]
    picture = side.backend.from_numpy(x)
    objective = side.backend.compile(_squared_distance, picture, tensors[0])
    for i in (1, 2, 0):
        got: Evaluation[Any] = side.read(objective(picture, tensors[i]))
        want = np.sum((x - fields[i]) ** 2)
        yield subject.compare(f"total with constants {i}", got.total, want, "primitive")
        yield subject.compare(
            f"gradient with constants {i}", got.gradient, 2 * (x - fields[i]), "primitive gradient"
        )


def _two_objectives(subject: Subject) -> Iterator[Measurement]:
    """Two objectives, of different constants and shapes, called in turn."""
    side = subject.tested
    xs = [inputs.field(66, 1, 3, 4, 5), inputs.field(67, 2, 3, 3, 7)]
    fields = [inputs.field(68, 1, 3, 4, 5), inputs.field(69, 2, 3, 3, 7)]
    pictures = [side.backend.from_numpy(x) for x in xs]
    tensors = [side.tensors({"target": array}) for array in fields]
    objectives = [
        side.backend.compile(_squared_distance, p, t) for p, t in zip(pictures, tensors, strict=True)
    ]
    for i in (0, 1, 0):
        got = side.read(objectives[i](pictures[i], tensors[i]))
        want = 2 * (xs[i] - fields[i])
        yield subject.compare(f"gradient of objective {i}", got.gradient, want, "primitive gradient")


def _output_under_two_names(subject: Subject) -> Iterator[Measurement]:
    x = inputs.field(70, 1, 2, 3, 4)

    def function(ops: Ops[Any], x: Any, _: Mapping[str, Any]) -> dict[str, Any]:
        y = ops.relu(x)
        return {"a": y, "b": y, "x": x}

    got = subject.tested.evaluate(function, x)
    for name, want in {"a": np.maximum(x, 0), "b": np.maximum(x, 0), "x": x}.items():
        yield subject.compare(f"output {name}", got[name], want, "exact")


def _names_of_any_kind(subject: Subject) -> Iterator[Measurement]:
    """Names of constants, terms and outputs belong to the caller, also those that a backend might use itself."""
    side, x = subject.tested, inputs.field(76, 1, 2, 3, 4)
    names = ("x", "total", "gradient", "Relu_0", "a/b c")
    constants = {name: inputs.field(77 + i, 1, 2, 3, 4) for i, name in enumerate(names)}
    want = {name: float(np.sum((x - array) ** 2)) for name, array in constants.items()}

    def terms(ops: Ops[Any], x: Any, c: Mapping[str, Any]) -> dict[str, Any]:
        return {name: ops.sum(ops.square(ops.sub(x, c[name]))) for name in names}

    def function(ops: Ops[Any], x: Any, c: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        values = terms(ops, x, c)
        return values["x"], values

    evaluated, compiled = side.evaluate(terms, x, constants), side.differentiate(function, x, constants)
    for name in names:
        yield subject.compare(f"output {name!r}", evaluated[name], want[name], "primitive")
        yield subject.compare(f"term {name!r}", compiled.terms[name], want[name], "primitive")


CASES = [
    Case("state/names-of-any-kind", 4, _names_of_any_kind),
    Case("state/same-call-twice", 4, _same_call_twice, Need(deterministic=True)),
    Case("state/nothing-accumulates", 4, _nothing_accumulates),
    Case("state/results-are-kept", 4, _results_are_kept),
    Case("state/inputs-are-unmodified", 4, _inputs_are_unmodified),
    Case("state/native-grad-is-untouched", 4, _native_grad_is_untouched),
    Case("state/constants-of-this-call", 4, _constants_of_this_call),
    Case("state/two-objectives", 4, _two_objectives),
    Case("state/output-under-two-names", 4, _output_under_two_names),
]
