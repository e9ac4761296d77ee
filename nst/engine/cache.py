"""What computes a transfer, and what of it is kept for the next one, which then finds everything ready.

A `Cache` keeps networks, plans and, beside each network, what it has seen of the styles; a `SizeCache` the code for
pictures of one size. Code and constants are kept apart (`nst.losses.term`): each picture brings its own constants.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from nst.encoding.encoder import Encoder
from nst.encoding.lru import LRU as LRU
from nst.engine.distributed import DistributedPasses, WorkerGroup
from nst.engine.loss_scaling import LossScale
from nst.engine.windowed import LocalPasses, WholeObjective, WindowedObjective
from nst.losses.smoothing import smoothed
from nst.losses.term import Factor, Term
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.pictures.scene import Scene
from nst.planning.plan import HISTORIES, Plan, Task, choose, free_memory
from nst.protocol import Backend, Evaluation, in_precision
from nst.settings import Settings


class Cache:
    """Networks, plans and, by size, code and targets of the last transfers. Results do not depend on it.

    Args:
        sizes: of so many sizes of pictures code and targets are kept, 0 or more. A picture that is painted coarse to
            fine goes through several.
        processes: that share the free memory.

    Attributes:
        networks: of a backend, by weights, layers and pooling.
        known: by network, see `nst.encoding.encoder.Encoder.known`.
        sizes: a `SizeCache` by network, size and windows.
        groups: by devices and weights.

    Examples:
        >>> shared = {"cache": nst.Cache(), "steps": 2}
        >>> [nst.stylize(frame, style, **shared).shape for frame in (content, content)]
        [(32, 40, 3), (32, 40, 3)]
    """

    def __init__(self, sizes: int = 16, processes: int = 1) -> None:
        self._processes = processes
        # a run goes from size to size with one network, whether others get it or not
        self.networks, self.known = LRU(min(sizes, 2), living=True), LRU(min(sizes, 2))
        self.sizes, self.groups = LRU(sizes), LRU(min(sizes, 1))
        self._backends = LRU(min(sizes, 2))
        self._plans = LRU(4 * sizes)

    def backend(self, backend: Backend[Any], precision: str | None) -> Backend[Any]:
        """See `nst.protocol.in_precision`; the same one each time, with whose networks others are found."""
        if precision is None or precision == backend.precision:
            return backend
        return self._backends.get((backend, precision), lambda: in_precision(backend, precision))

    def plan(self, task: Task, limit: int | None = None) -> Plan:
        """See `nst.planning.plan.choose`; the same task has the same plan, however much memory is taken by then.

        Where memory gets short, sizes go before the plan has to save any.
        """
        key = (limit, *vars(task).values())
        if limit is not None:
            return self._plans.get(key, lambda: choose(task, limit))
        found = self._plans.get(key, lambda: self._roomy(task))
        if len(self.sizes) and not replace(found, free=self._free(task)).fits:
            self.clear()
        return found

    def clear(self) -> bool:
        """Free the memory of all sizes and of what is known; whether there were other sizes than the last."""
        others = len(self.sizes) > 1
        self.sizes.clear()
        self.known.clear()
        gc.collect()
        return others

    def _roomy(self, task: Task) -> Plan:
        """The plan, as it is where no size takes memory."""
        found = self._chosen(task)
        frugal = found.side is not None or found.half or found.history < max(HISTORIES)
        if frugal and len(self.sizes):
            self.clear()
            found = self._chosen(task)
        return found

    def _chosen(self, task: Task) -> Plan:
        return choose(task, None if self._processes == 1 else self._free(task))

    def _free(self, task: Task) -> int | None:
        """Bytes that this process may take, or None where nobody can tell."""
        free = free_memory(task.backend.device)
        return None if free is None else free // self._processes


@dataclass(frozen=True, eq=False)
class Context:
    """What computes a transfer: a network on a backend, set up as the settings say."""

    settings: Settings  # `pooling`, `padding` and `smoothing` count
    weights: NetworkWeights  # deep enough for the layers of all losses
    backend: Backend[Any]
    # of the windows in pixels, None for the whole: the first, or the next after running out of memory
    sides: Sequence[int | None] = (None,)
    cache: Cache = field(default_factory=lambda: Cache(0))  # what it may take over from earlier transfers
    group: WorkerGroup | None = None  # who computes windows; None for this process

    def size_cache(self, scene: Scene, layers: Sequence[str], side: int | None) -> SizeCache:
        """The network for pictures of the scene's size and what else they have in common; `side` is that of windows."""
        (width, height), settings, cache = scene.size, self.settings, self.cache
        network_key = settings.pooling, tuple(layers), self.backend, self.weights
        key = height, width, side, settings.padding, *network_key
        found: SizeCache | None = cache.sizes.find(key)
        if found is None:
            encoder = Encoder(
                self.backend,
                cache.networks.get(
                    network_key, lambda: self.backend.network(self.weights, layers, settings.pooling)
                ),
                layers,
                height,
                width,
                padding=settings.padding,
                side=side,
                convolutions=self.weights.layer_names,
                known=cache.known.get(network_key, lambda: LRU(KNOWN)),
            )
            found = SizeCache(encoder, settings.pooling)
            cache.sizes.put(key, found)
        return found

    def fitting(self, scene: Scene) -> list[int | None]:
        """`sides`, where None stands for windows that are as large as the picture: it is computed at once."""
        return list(
            dict.fromkeys(None if side is None or max(scene.size) <= side else side for side in self.sides)
        )


CODES, SMOOTHED, KNOWN = 4, 8, 64
"""For a size: of so many sets of losses the code is kept, of so many styles, or blends of them, the smoothing. For a
network: so many things are known, such as the means of a style or the targets of a loss at a size."""

Code: TypeAlias = Callable[[Any, "dict[str, Any]", "list[dict[str, Any]]", LossScale], Evaluation[Any]]
"""x, targets that all views share, all constants of each view, scale -> losses and gradient."""


@dataclass(frozen=True, eq=False)
class SizeCache:
    """What pictures of one size have in common: the network at this size, smoothed or not, and compiled code."""

    encoder: Encoder  # at once or in windows
    pooling: Pooling
    _code: LRU = field(default_factory=lambda: LRU(CODES))
    _smoothed: LRU = field(default_factory=lambda: LRU(SMOOTHED))

    def smoothed(self, scene: Scene) -> Encoder:
        """The encoder with the smoothing that suits the styles."""
        if not scene.styles:  # which is then the content's
            return smoothed(self.encoder, scene)
        found: Encoder | None = self._smoothed.find(scene.setting)
        if found is None:
            found = smoothed(self.encoder, scene)
            self._smoothed.put(scene.setting, found)
        return found

    def code(self, terms: Sequence[tuple[Term, Factor]], group: WorkerGroup | None = None) -> Code:
        """Losses with their weights, and the gradient: compiled when they are called first, by whichever picture."""
        code: Code | None = self._code.find((tuple(terms), group))
        if code is None:
            encoder, deep = self.encoder, [term for term, _ in terms if term.layers]
            if encoder.side is None:
                code = WholeObjective(encoder, terms)
            elif group is None or not deep:
                code = WindowedObjective(encoder, terms, LocalPasses(encoder, deep))
            else:
                code = WindowedObjective(
                    encoder, terms, DistributedPasses(encoder, self.pooling, deep, group)
                )
            self._code.put((tuple(terms), group), code)
        return code
