"""The objective of a picture that is computed at once; the counterpart of `nst.engine.windowed`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nst.encoding.encoder import Encoder
from nst.engine.loss_scaling import LossScale, compile_objective, evaluate
from nst.losses.objective import loss_function
from nst.losses.term import Factor, Term
from nst.protocol import Evaluation

__all__ = ["AtOnce"]


class AtOnce:
    """Losses and gradient, compiled when they are called first.

    Args:
        encoder: the network, and the size of the picture.
        terms: with their weights.
    """

    def __init__(self, encoder: Encoder, terms: Sequence[tuple[Term, Factor]]) -> None:
        self._backend = encoder.backend
        self._function = loss_function(terms, encoder.seen, encoder.height, encoder.width)
        self._compiled: Any = None

    def __call__(
        self, x: Any, shared: Mapping[str, Any], constants: Sequence[Mapping[str, Any]], scale: LossScale
    ) -> Evaluation[Any]:
        """See `TiledObjective`; there is one view."""
        (own,) = constants
        if self._compiled is None:
            self._compiled = compile_objective(self._backend, self._function, x, own)
        return evaluate(self._compiled, x, own, scale)
