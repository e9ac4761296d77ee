"""The objective of a picture that is computed in windows: exact, in two passes.

Pass 1 adds up the statistics of all windows. The energy is differentiated once with respect to them. Pass 2
back-propagates <dE/dS, S_window(x)> window by window and adds the gradients where windows overlap. By the chain rule,

    dE(S_1(x) + S_2(x) + ...)/dx = sum_i <dE/dS, dS_i/dx>,

this is the gradient of the whole: nothing is approximated (the idea of two passes: Galerne et al. 2024,
*Scaling Painting Style Transfer*; here for any energy of additive statistics). A pass costs what the windows cost, the
first one forwards only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nst.encoding.encoder import Encoder
from nst.engine.loss_scaling import LossScale, compile_objective, evaluate
from nst.losses.objective import energy_of, loss_function, statistics_of
from nst.losses.term import Factor, Term, add_up
from nst.protocol import Evaluation, Ops

__all__ = ["TiledObjective"]


class TiledObjective:
    """Losses and gradient of a whole picture, computed in the views of an encoder.

    Args:
        encoder: the network and its windows.
        terms: with their weights. Those that read no layer are evaluated on the whole picture.
    """

    def __init__(self, encoder: Encoder, terms: Sequence[tuple[Term, Factor]]) -> None:
        self._encoder, self._backend = encoder, encoder.backend
        self._deep = [(term, weight) for term, weight in terms if term.layers]
        self._flat = [(term, weight) for term, weight in terms if not term.layers]
        self._statistics = statistics_of([term for term, _ in self._deep], encoder.network)
        self._energy = energy_of(self._deep, encoder.positions)
        self._compiled: dict[str, Any] = {}

    def __call__(
        self, x: Any, shared: Mapping[str, Any], constants: Sequence[Mapping[str, Any]], scale: LossScale
    ) -> Evaluation[Any]:
        """Total, terms and gradient.

        Args:
            x: picture (1, 3, H, W).
            shared: targets that all windows share.
            constants: all of each window's: these, targets on its own positions, and masks of those that count.
            scale: of the loss, see `nst.engine.loss_scaling`.
        """
        space = self._backend.space
        extended = self._encoder.extended(x)
        sums = self._encoder.add_up(self._statistics, extended, constants)
        totals, terms, pulls = self._differentiate_energy(sums, shared)
        gradient = self._fold(x, self._pull_back(extended, [{**own, **pulls} for own in constants], scale))
        if self._flat:
            evaluation = self._flat_objective(x, shared)(x, shared)
            gradient = space.lincomb([1.0, 1.0], [gradient, evaluation.gradient])
            terms |= evaluation.terms
            totals.append(evaluation.total)
        return Evaluation(space.lincomb([1.0] * len(totals), totals), terms, gradient)

    def _differentiate_energy(
        self, totals: Mapping[str, Any], shared: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
        """The weighted total if there is any, the unweighted terms, and dE/dS of every statistic, as `pull/name`."""
        constants = {**shared, **{f"sum/{name}": value for name, value in totals.items()}}
        total: list[Any] = []
        terms: dict[str, Any] = {}
        pulls: dict[str, Any] = {}
        for name, statistic in totals.items():

            def function(ops: Ops[Any], s: Any, constants: Mapping[str, Any], name: str = name) -> Any:
                others = {other: constants[f"sum/{other}"] for other in totals}
                return self._energy(ops, {**others, name: s}, constants)

            if name not in self._compiled:
                self._compiled[name] = self._backend.compile(function, statistic, constants)
            evaluation = self._compiled[name](statistic, constants)
            pulls[f"pull/{name}"] = evaluation.gradient
            total, terms = [evaluation.total], dict(evaluation.terms)
        return total, terms, pulls

    def _pull_back(self, extended: Any, constants: Sequence[Mapping[str, Any]], scale: LossScale) -> Any:
        """Pass 2: the gradient of <dE/dS, S(x)> over all windows, each with its constants and dE/dS."""

        def function(ops: Ops[Any], x: Any, constants: Mapping[str, Any]) -> Any:
            found = self._statistics(ops, x, constants)
            total = add_up(
                ops, [ops.sum(ops.multiply(s, constants[f"pull/{name}"])) for name, s in found.items()]
            )
            return total, {"pull": total}

        encoder = self._encoder
        height, width = encoder.height + 2 * encoder.margin, encoder.width + 2 * encoder.margin
        gradient = self._backend.from_numpy(np.zeros((1, 3, height, width), np.float32))
        for view, own in zip(encoder.views, constants, strict=True):
            part = view.cut(self._backend, extended)
            if "pull" not in self._compiled:
                self._compiled["pull"] = compile_objective(self._backend, function, part, own)
            slope = evaluate(self._compiled["pull"], part, own, scale).gradient
            if view.window is None:
                return slope
            gradient = self._backend.space.paste(
                gradient, slope, view.window.rows.start, view.window.columns.start
            )
        return gradient

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
