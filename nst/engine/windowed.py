"""The objective of a picture that is computed in windows: exact, in two passes.

Pass 1 adds up the statistics of all windows. The energy is differentiated once with respect to them. Pass 2
back-propagates <dE/dS, S_window(x)> window by window and adds the gradients where windows overlap. By the chain rule,

    dE(S_1(x) + S_2(x) + ...)/dx = sum_i <dE/dS, dS_i/dx>,

this is the gradient of the whole: nothing is approximated (the idea of two passes: Galerne et al. 2024,
*Scaling Painting Style Transfer*; here for any energy of additive statistics). A pass costs what the windows cost, the
first one forwards only.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nst.encoding.encoder import Canvas
from nst.engine.loss_scaling import compile_objective
from nst.losses.objective import energy_of, loss_function, positions_of, statistics_of
from nst.losses.term import Term, add_up
from nst.protocol import Evaluation, Network, Ops

__all__ = ["TiledObjective"]


class TiledObjective:
    """Losses and gradient of a whole picture, computed in the views of a canvas.

    Args:
        canvas: the windows.
        terms: with their weights. Those that read no layer are evaluated on the whole picture.
        network: of the terms.
        constants: targets that all windows share.
        local: targets of each window, on its own positions.
    """

    def __init__(
        self,
        canvas: Canvas,
        terms: Sequence[tuple[Term, float]],
        network: Network[Any],
        constants: Mapping[str, Any],
        local: Sequence[Mapping[str, Any]],
    ) -> None:
        self._canvas = canvas
        self._backend = canvas.backend
        self._network = network
        self._constants = dict(constants)
        self._views = [{**own, **view.inner} for own, view in zip(local, canvas.views, strict=True)]
        self._deep = [(term, weight) for term, weight in terms if term.layers]
        self._flat = [(term, weight) for term, weight in terms if not term.layers]
        plain = [term for term, _ in self._deep]
        self._statistics = statistics_of(plain, network)
        self._energy = energy_of(self._deep, positions_of(plain, canvas.height, canvas.width))
        self._compiled: dict[str, Any] = {}

    def rebound(self, constants: Mapping[str, Any], local: Sequence[Mapping[str, Any]]) -> TiledObjective:
        """The same objective with other targets; nothing is compiled anew."""
        other = copy.copy(self)
        other._constants = dict(constants)
        other._views = [{**own, **view.inner} for own, view in zip(local, self._canvas.views, strict=True)]
        return other

    def __call__(self, x: Any) -> Evaluation[Any]:
        """Total, terms and gradient at x (1, 3, H, W)."""
        space = self._backend.space
        extended = self._canvas.extended(x)
        local = [{**self._constants, **own} for own in self._views]
        totals = self._canvas.add_up(self._statistics, extended, local)
        terms, pulls = self._differentiate_energy(totals)
        gradient = self._pull_back(extended, pulls)
        gradient = self._fold(x, gradient)
        values = [terms[term.name] for term, _ in self._deep]
        weights = [weight for _, weight in self._deep]
        if self._flat:
            evaluation = self._flat_objective(x)(x, self._constants)
            gradient = space.lincomb([1.0, 1.0], [gradient, evaluation.gradient])
            terms |= evaluation.terms
            values.append(evaluation.total)
            weights.append(1.0)
        return Evaluation(space.lincomb(weights, values), terms, gradient)

    def _differentiate_energy(self, totals: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The unweighted terms, and dE/dS of every statistic, as `pull/name`."""
        constants = {**self._constants, **{f"sum/{name}": value for name, value in totals.items()}}
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
            terms = dict(evaluation.terms)
        return terms, pulls

    def _pull_back(self, extended: Any, pulls: Mapping[str, Any]) -> Any:
        """Pass 2: the gradient of <dE/dS, S(x)> over all windows."""

        def function(ops: Ops[Any], x: Any, constants: Mapping[str, Any]) -> Any:
            found = self._statistics(ops, x, constants)
            total = add_up(
                ops, [ops.sum(ops.multiply(s, constants[f"pull/{name}"])) for name, s in found.items()]
            )
            return total, {"pull": total}

        height = self._canvas.height + 2 * self._canvas.margin
        width = self._canvas.width + 2 * self._canvas.margin
        gradient = self._backend.from_numpy(np.zeros((1, 3, height, width), np.float32))
        for view, own in zip(self._canvas.views, self._views, strict=True):
            part = view.cut(self._backend, extended)
            constants = {**self._constants, **own, **pulls}
            if "pull" not in self._compiled:
                self._compiled["pull"] = compile_objective(self._backend, function, part, constants)
            slope = self._compiled["pull"](part, constants).gradient
            if view.window is None:
                return slope
            gradient = self._backend.space.paste(
                gradient, slope, view.window.rows.start, view.window.columns.start
            )
        return gradient

    def _fold(self, x: Any, gradient: Any) -> Any:
        """The gradient of the picture from that of the picture with its margin."""
        canvas = self._canvas
        if canvas.padding == "zero":
            return gradient
        mode = canvas.padding

        def function(ops: Ops[Any], x: Any, constants: Mapping[str, Any]) -> Any:
            total = ops.sum(ops.multiply(ops.pad(x, canvas.margin, mode), constants["gradient"]))
            return total, {"fold": total}

        if "fold" not in self._compiled:
            self._compiled["fold"] = self._backend.compile(function, x, {"gradient": gradient})
        return self._compiled["fold"](x, {"gradient": gradient}).gradient

    def _flat_objective(self, x: Any) -> Any:
        """The terms that read no layer."""
        if "flat" not in self._compiled:
            function = loss_function(self._flat, self._network, self._canvas.height, self._canvas.width)
            self._compiled["flat"] = self._backend.compile(function, x, self._constants)
        return self._compiled["flat"]
