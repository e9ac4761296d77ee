"""What pictures of one size have in common: the network at this size, compiled code, what is known of the styles.

Code and constants are kept apart (`nst.losses.term`): each picture brings its own constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from nst.encoding.encoder import Encoder
from nst.engine.at_once import AtOnce
from nst.engine.elsewhere import Elsewhere
from nst.engine.kept import Kept
from nst.engine.loss_scaling import LossScale
from nst.engine.team import Team
from nst.engine.windowed import Here, TiledObjective
from nst.losses.smoothing import smoothed
from nst.losses.term import Factor, Loss, Prepared, Term
from nst.models.vgg import Pooling
from nst.pictures.scene import Scene
from nst.protocol import Evaluation

__all__ = ["Bench", "Code"]

CODES, STYLES = 4, 8
"""Of so many sets of losses the code is kept, of so many styles, or blends of them, the targets of each loss."""

Code: TypeAlias = Callable[[Any, "dict[str, Any]", "list[dict[str, Any]]", LossScale], Evaluation[Any]]
"""x, targets that all views share, all constants of each view, scale -> losses and gradient."""


@dataclass(frozen=True, eq=False)
class Bench:
    """See the module.

    Attributes:
        encoder: the network for pictures of this size, at once or in windows.
        pooling: of the network.
    """

    encoder: Encoder
    pooling: Pooling
    _code: Kept = field(default_factory=lambda: Kept(CODES))
    _smoothed: Kept = field(default_factory=lambda: Kept(STYLES))
    _prepared: Kept = field(default_factory=lambda: Kept(4 * STYLES))

    def smoothed(self, scene: Scene) -> Encoder:
        """The encoder with the smoothing that suits the styles."""
        if not scene.styles:  # which is then the content's
            return smoothed(self.encoder, scene)
        return self._smoothed.get(scene.setting, lambda: smoothed(self.encoder, scene))

    def prepare(self, loss: Loss, encoder: Encoder, scene: Scene) -> Prepared:
        """The loss with its targets; one that does not follow the content is prepared once for the same styles."""
        if loss.follows_content or (encoder.smoothing and not scene.styles):
            return loss.prepare(encoder, scene)
        return self._prepared.get((scene.setting, loss), lambda: loss.prepare(encoder, scene))

    def code(self, terms: Sequence[tuple[Term, Factor]], team: Team | None = None) -> Code:
        """Losses and gradient: compiled when they are called first, by whichever picture.

        Args:
            terms: with their weights.
            team: who computes windows; None for this process.
        """
        code: Code = self._code.get((tuple(terms), team), lambda: self._arranged(terms, team))
        return code

    def _arranged(self, terms: Sequence[tuple[Term, Factor]], team: Team | None) -> Code:
        encoder, deep = self.encoder, [term for term, _ in terms if term.layers]
        if encoder.side is None:
            return AtOnce(encoder, terms)
        if team is None or not deep:
            return TiledObjective(encoder, terms, Here(encoder, deep))
        return TiledObjective(encoder, terms, Elsewhere(encoder, self.pooling, deep, team))
