"""What computes a transfer: a network on a backend, set up as the settings say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nst.encoding.encoder import Encoder
from nst.engine.bench import Bench
from nst.engine.team import Team
from nst.engine.workshop import Workshop
from nst.models.weights import NetworkWeights
from nst.pictures.scene import Scene
from nst.protocol import Backend, Network
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
        workshop: what it may take over from the transfers before.
        team: who computes windows; None for this process.
    """

    settings: Settings
    weights: NetworkWeights
    backend: Backend[Any]
    sides: Sequence[int | None] = (None,)
    workshop: Workshop = field(default_factory=lambda: Workshop(0))
    team: Team | None = None

    def bench(self, scene: Scene, layers: Sequence[str], side: int | None) -> Bench:
        """The network for pictures of the scene's size, and what else these have in common.

        Args:
            scene: of which the size counts.
            layers: to read, in network order.
            side: of the windows in pixels; None for none.
        """
        width, height = scene.size
        padding, convolutions = self.settings.padding, self.weights.layer_names

        def make() -> Bench:
            return Bench(
                Encoder(
                    self.backend,
                    self._network(layers),
                    layers,
                    height,
                    width,
                    padding=padding,
                    side=side,
                    convolutions=convolutions,
                    remember=self._remember(layers),
                ),
                self.settings.pooling,
            )

        key = (height, width, side, padding, *self._key(layers))
        return self.workshop.benches.get(key, make)

    def fitting(self, scene: Scene) -> list[int | None]:
        """`sides`, where None stands for windows that are as large as the picture: it is computed at once."""
        return list(
            dict.fromkeys(None if side is None or max(scene.size) <= side else side for side in self.sides)
        )

    def _network(self, layers: Sequence[str]) -> Network[Any]:
        return self.workshop.networks.get(
            self._key(layers), lambda: self.backend.network(self.weights, layers, self.settings.pooling)
        )

    def _remember(self, layers: Sequence[str]) -> Callable[[Any, Callable[[], Any]], Any]:
        key = self._key(layers)
        return lambda seen, measure: self.workshop.measured.get((seen, *key), measure)

    def _key(self, layers: Sequence[str]) -> tuple[Any, ...]:
        return self.settings.pooling, tuple(layers), self.backend, self.weights
