"""What computes a transfer: a network on a backend, set up as the settings say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nst.encoding.encoder import Encoder
from nst.engine.crew import Crew
from nst.losses.smoothing import smoothed
from nst.models.weights import NetworkWeights
from nst.pictures.scene import Scene
from nst.protocol import Backend
from nst.settings import Settings

__all__ = ["Machine"]


@dataclass(frozen=True, eq=False)
class Machine:
    """See the module.

    Attributes:
        settings: `pooling`, `padding` and `smoothing`.
        weights: of the network, deep enough for the layers of all losses.
        backend: where it runs.
        sides: of the windows in pixels, None being the whole picture at once: the first is taken, and the next ones
            after running out of memory.
        crew: who computes windows; None for this process.
    """

    settings: Settings
    weights: NetworkWeights
    backend: Backend[Any]
    sides: Sequence[int | None] = (None,)
    crew: Crew | None = None

    def encoder(self, scene: Scene, layers: Sequence[str], side: int | None) -> Encoder:
        """The network for pictures of the scene's size.

        Args:
            scene: its styles, if the features are smoothed.
            layers: to read, in network order.
            side: of the windows in pixels; None for none.
        """
        network = self.backend.network(self.weights, layers, self.settings.pooling)
        encoder = Encoder(
            self.backend,
            network,
            layers,
            scene.content.height,
            scene.content.width,
            padding=self.settings.padding,
            side=side,
            convolutions=self.weights.layer_names,
        )
        return smoothed(encoder, scene) if self.settings.smoothing else encoder

    def fitting(self, scene: Scene) -> list[int | None]:
        """`sides`, where None stands for windows that are as large as the picture: it is computed at once."""
        return list(
            dict.fromkeys(None if side is None or max(scene.size) <= side else side for side in self.sides)
        )
