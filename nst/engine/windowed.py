"""The objective of a picture: at once, or in windows, where it is exact, in two passes.

Pass 1 adds up the statistics of all windows. The energy is differentiated once with respect to them. Pass 2
back-propagates <dE/dS, S_window(x)> window by window and adds the gradients where windows overlap. By the chain rule,

    dE(S_1(x) + S_2(x) + ...)/dx = sum_i <dE/dS, dS_i/dx>,

this is the gradient of the whole: nothing is approximated (the idea of two passes: Galerne et al. 2024,
*Scaling Painting Style Transfer*; here for any energy of additive statistics). A pass costs what the windows cost, the
first one forwards only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from nst.encoding.encoder import Encoder
from nst.engine.loss_scaling import LossScale, compile_objective, evaluate
from nst.losses.objective import energy_of, loss_function, statistics_of
from nst.losses.term import Factor, Term, add_up
from nst.protocol import Evaluation, LossFunction, Ops, TensorFunction


class Passes(Protocol):
    """Who computes the windows: this process in turn (`LocalPasses`), or workers (`nst.engine.distributed`)."""

    def statistics(
        self, extended: Any, shared: Mapping[str, Any], constants: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Pass 1: the statistics of all windows, added up.

        `extended` is the picture with its margin; `constants` are all of each window's, `shared` those of all.
        """

    def gradients(
        self,
        extended: Any,
        constants: Sequence[Mapping[str, Any]],
        adjoints: Mapping[str, Any],
        scale: LossScale,
    ) -> Iterator[Any]:
        """Pass 2: the gradient of <dE/dS, S_window> of each window in turn, with dE/dS as `adjoint/name`."""


def adjoint_of(statistics: TensorFunction[Any]) -> LossFunction[Any]:
    """<dE/dS, S(x)>, with dE/dS of every statistic as a constant `adjoint/name`."""

    def function(ops: Ops[Any], x: Any, constants: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        found = statistics(ops, x, constants)
        pulled = [ops.sum(ops.multiply(s, constants[f"adjoint/{name}"])) for name, s in found.items()]
        total = add_up(ops, pulled)
        return total, {"adjoint": total}

    return function


class LocalPasses:
    """Window after window in this process, for the terms that read layers."""

    def __init__(self, encoder: Encoder, terms: Sequence[Term]) -> None:
        self._encoder = encoder
        self._statistics = statistics_of(terms, encoder.network)
        self._compiled: Any = None

    def statistics(
        self, extended: Any, shared: Mapping[str, Any], constants: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """See `Passes`."""
        return self._encoder.add_up(self._statistics, extended, constants)

    def gradients(
        self,
        extended: Any,
        constants: Sequence[Mapping[str, Any]],
        adjoints: Mapping[str, Any],
        scale: LossScale,
    ) -> Iterator[Any]:
        """See `Passes`."""
        backend = self._encoder.backend
        for view, own in zip(self._encoder.views, constants, strict=True):
            part, pulled = view.cut(backend, extended), {**own, **adjoints}
            if self._compiled is None:
                function = adjoint_of(self._statistics)
                self._compiled = compile_objective(backend, function, part, pulled)
            yield evaluate(self._compiled, part, pulled, scale).gradient


class WindowedObjective:
    """Losses and gradient of a whole picture, computed in the views of an encoder by whoever `passes` are.

    Terms that read no layer are evaluated on the whole picture.
    """

    def __init__(self, encoder: Encoder, terms: Sequence[tuple[Term, Factor]], passes: Passes) -> None:
        self._encoder, self._backend, self._passes = encoder, encoder.backend, passes
        self._deep = [(term, weight) for term, weight in terms if term.layers]
        self._flat = [(term, weight) for term, weight in terms if not term.layers]
        self._energy = energy_of(self._deep, encoder.positions)
        self._compiled: dict[str, Any] = {}

    def __call__(
        self, x: Any, shared: Mapping[str, Any], constants: Sequence[Mapping[str, Any]], scale: LossScale
    ) -> Evaluation[Any]:
        """Total, terms and gradient at x (1, 3, H, W).

        Constants are targets that all windows share, and all of each window's: these, targets on its own positions, and
        masks of those that count.
        """
        space = self._backend.space
        extended = self._encoder.extended(x)
        sums = self._passes.statistics(extended, shared, constants)
        totals, terms, adjoints = self._differentiate_energy(sums, shared)
        gradients = self._passes.gradients(extended, constants, adjoints, scale)
        gradient = self._fold(x, self._put_together(extended, gradients))
        if self._flat:
            evaluation = self._flat_objective(x, shared)(x, shared)
            gradient = space.lincomb([1.0, 1.0], [gradient, evaluation.gradient])
            terms |= evaluation.terms
            totals.append(evaluation.total)
        return Evaluation(space.lincomb([1.0] * len(totals), totals), terms, gradient)

    def _differentiate_energy(
        self, totals: Mapping[str, Any], shared: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
        """The weighted total if there is any, the unweighted terms, and dE/dS of every statistic, as `adjoint/name`."""
        constants = {**shared, **{f"sum/{name}": value for name, value in totals.items()}}
        total: list[Any] = []
        terms: dict[str, Any] = {}
        adjoints: dict[str, Any] = {}
        # what is compiled must not hold us, who keep it, nor the sums
        energy, names = self._energy, tuple(totals)
        for name, statistic in totals.items():

            def function(ops: Ops[Any], s: Any, constants: Mapping[str, Any], name: str = name) -> Any:
                others = {other: constants[f"sum/{other}"] for other in names}
                return energy(ops, {**others, name: s}, constants)

            if name not in self._compiled:
                self._compiled[name] = self._backend.compile(function, statistic, constants)
            evaluation = self._compiled[name](statistic, constants)
            adjoints[f"adjoint/{name}"] = evaluation.gradient
            total, terms = [evaluation.total], dict(evaluation.terms)
        return total, terms, adjoints

    def _put_together(self, extended: Any, gradients: Iterator[Any]) -> Any:
        """The gradient of the picture with its margin from those of its windows, which overlap."""
        total = self._backend.space.stack(1, extended, False)  # zeros, made on the device
        for view, slope in zip(self._encoder.views, gradients, strict=True):
            if view.window is None:
                total = slope
            else:
                total = self._backend.space.paste(
                    total, slope, view.window.rows.start, view.window.columns.start
                )
        return total

    def _fold(self, x: Any, gradient: Any) -> Any:
        """The gradient of the picture from that of the picture with its margin."""
        encoder = self._encoder
        if encoder.padding == "zero":
            return gradient
        mode = encoder.padding
        assert mode != "mirror"  # which is for targets

        def function(ops: Ops[Any], x: Any, constants: Mapping[str, Any]) -> Any:
            total = ops.sum(ops.multiply(ops.pad(x, encoder.margin, mode), constants["gradient"]))
            return total, {"fold": total}

        if "fold" not in self._compiled:
            self._compiled["fold"] = self._backend.compile(function, x, {"gradient": gradient})
        return self._compiled["fold"](x, {"gradient": gradient}).gradient

    def _flat_objective(self, x: Any, shared: Mapping[str, Any]) -> Any:
        """The terms that read no layer."""
        if "flat" not in self._compiled:
            encoder = self._encoder
            function = loss_function(self._flat, encoder.network, encoder.height, encoder.width)
            self._compiled["flat"] = self._backend.compile(function, x, shared)
        return self._compiled["flat"]


class WholeObjective:
    """Losses and gradient, compiled when they are called first."""

    def __init__(self, encoder: Encoder, terms: Sequence[tuple[Term, Factor]]) -> None:
        self._backend = encoder.backend
        self._function = loss_function(terms, encoder.seen, encoder.height, encoder.width)
        self._compiled: Any = None

    def __call__(
        self, x: Any, shared: Mapping[str, Any], constants: Sequence[Mapping[str, Any]], scale: LossScale
    ) -> Evaluation[Any]:
        """See `WindowedObjective`; there is one view."""
        (own,) = constants
        if self._compiled is None:
            self._compiled = compile_objective(self._backend, self._function, x, own)
        return evaluate(self._compiled, x, own, scale)
