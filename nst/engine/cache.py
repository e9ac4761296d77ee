"""What computes a transfer, and what of it is kept for the next one, which then finds everything ready.

A `Cache` keeps networks and plans for all sizes of pictures, a `SizeCache` what the pictures of one size have in
common. Code and constants are kept apart (`nst.losses.term`): each picture brings its own constants.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar
from warnings import warn
from weakref import ref

from nst.encoding.encoder import Encoder
from nst.engine.distributed import DistributedPasses, WorkerGroup
from nst.engine.loss_scaling import LossScale
from nst.engine.windowed import LocalPasses, WholeObjective, WindowedObjective
from nst.losses.smoothing import smoothed
from nst.losses.term import Factor, Loss, Prepared, Term
from nst.models.vgg import Pooling
from nst.models.weights import NetworkWeights
from nst.pictures.scene import Scene
from nst.planning.memory import free_memory
from nst.planning.plan import HISTORIES, Plan, Task, choose
from nst.protocol import Backend, Evaluation, Network
from nst.settings import Settings

__all__ = ["LRU", "Cache", "Code", "Context", "SizeCache"]


class Cache:
    """Networks, plans and, by size, code and targets of the last transfers. Results do not depend on it.

    Args:
        sizes: of so many sizes of pictures code and targets are kept, 0 or more. A picture that is painted coarse to
            fine goes through several.
        processes: that share the free memory.

    Attributes:
        networks: of a backend, by weights, layers and pooling.
        sizes: a `SizeCache` by network, size and windows.
        groups: by devices and weights.
        measured: of styles, at their own size (`nst.encoding.encoder.Encoder.remember`).

    Examples:
        >>> shared = {"cache": nst.Cache(), "steps": 2}
        >>> [nst.stylize(frame, style, **shared).shape for frame in (content, content)]
        [(32, 40, 3), (32, 40, 3)]
    """

    def __init__(self, sizes: int = 16, processes: int = 1) -> None:
        self._processes = processes
        # a run goes from size to size with one network, whether others get it or not
        self.networks, self.sizes = LRU(min(sizes, 2), living=True), LRU(sizes)
        self.measured, self.groups = LRU(sizes), LRU(min(sizes, 1))
        self._plans = LRU(4 * sizes)

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
        """Free the memory of all sizes; whether there were others than the last."""
        others = len(self.sizes) > 1
        self.sizes.clear()
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
    """What computes a transfer: a network on a backend, set up as the settings say.

    Attributes:
        settings: `pooling`, `padding` and `smoothing`.
        weights: of the network, deep enough for the layers of all losses.
        backend: where it runs.
        sides: of the windows in pixels, None being the whole picture at once: the first is taken, and the next ones
            after running out of memory.
        cache: what it may take over from the transfers before.
        group: who computes windows; None for this process.
    """

    settings: Settings
    weights: NetworkWeights
    backend: Backend[Any]
    sides: Sequence[int | None] = (None,)
    cache: Cache = field(default_factory=lambda: Cache(0))
    group: WorkerGroup | None = None

    def size_cache(self, scene: Scene, layers: Sequence[str], side: int | None) -> SizeCache:
        """The network for pictures of the scene's size, and what else these have in common.

        Args:
            scene: of which the size counts.
            layers: to read, in network order.
            side: of the windows in pixels; None for none.
        """
        width, height = scene.size
        padding, convolutions = self.settings.padding, self.weights.layer_names

        def make() -> SizeCache:
            return SizeCache(
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
        return self.cache.sizes.get(key, make)

    def fitting(self, scene: Scene) -> list[int | None]:
        """`sides`, where None stands for windows that are as large as the picture: it is computed at once."""
        return list(
            dict.fromkeys(None if side is None or max(scene.size) <= side else side for side in self.sides)
        )

    def _network(self, layers: Sequence[str]) -> Network[Any]:
        return self.cache.networks.get(
            self._key(layers), lambda: self.backend.network(self.weights, layers, self.settings.pooling)
        )

    def _remember(self, layers: Sequence[str]) -> Callable[[Any, Callable[[], Any]], Any]:
        key = self._key(layers)
        return lambda seen, measure: self.cache.measured.get((seen, *key), measure)

    def _key(self, layers: Sequence[str]) -> tuple[Any, ...]:
        return self.settings.pooling, tuple(layers), self.backend, self.weights


CODES, STYLES = 4, 8
"""Of so many sets of losses the code is kept, of so many styles, or blends of them, the targets of each loss."""

Code: TypeAlias = Callable[[Any, "dict[str, Any]", "list[dict[str, Any]]", LossScale], Evaluation[Any]]
"""x, targets that all views share, all constants of each view, scale -> losses and gradient."""


@dataclass(frozen=True, eq=False)
class SizeCache:
    """What pictures of one size have in common: the network at this size, compiled code, what is known of the styles.

    Attributes:
        encoder: the network for pictures of this size, at once or in windows.
        pooling: of the network.
    """

    encoder: Encoder
    pooling: Pooling
    _code: LRU = field(default_factory=lambda: LRU(CODES))
    _smoothed: LRU = field(default_factory=lambda: LRU(STYLES))
    _prepared: LRU = field(default_factory=lambda: LRU(4 * STYLES))

    def smoothed(self, scene: Scene) -> Encoder:
        """The encoder with the smoothing that suits the styles."""
        if not scene.styles:  # which is then the content's
            return smoothed(self.encoder, scene)
        return self._smoothed.get(scene.setting, lambda: smoothed(self.encoder, scene))

    def prepare(self, loss: Loss, encoder: Encoder, scene: Scene) -> Prepared:
        """The loss with its targets; one that does not depend on the content is prepared once for the same styles."""
        if _depends_on_content(loss) or (encoder.smoothing and not scene.styles):
            return loss.prepare(encoder, scene)
        return self._prepared.get((scene.setting, loss), lambda: loss.prepare(encoder, scene))

    def code(self, terms: Sequence[tuple[Term, Factor]], group: WorkerGroup | None = None) -> Code:
        """Losses and gradient: compiled when they are called first, by whichever picture.

        Args:
            terms: with their weights.
            group: who computes windows; None for this process.
        """
        code: Code = self._code.get((tuple(terms), group), lambda: self._arranged(terms, group))
        return code

    def _arranged(self, terms: Sequence[tuple[Term, Factor]], group: WorkerGroup | None) -> Code:
        encoder, deep = self.encoder, [term for term, _ in terms if term.layers]
        if encoder.side is None:
            return WholeObjective(encoder, terms)
        if group is None or not deep:
            return WindowedObjective(encoder, terms, LocalPasses(encoder, deep))
        return WindowedObjective(encoder, terms, DistributedPasses(encoder, self.pooling, deep, group))


T = TypeVar("T")


def _depends_on_content(loss: Loss) -> bool:
    """`Loss.depends_on_content`; a loss of a user's own may have the name of before, for one more release."""
    if hasattr(loss, "depends_on_content"):
        return loss.depends_on_content
    warn("Loss.follows_content is now Loss.depends_on_content", DeprecationWarning, stacklevel=2)
    of_before: Any = loss
    return bool(of_before.follows_content)


class LRU:
    """Found again by what they were made of; the one that was used longest ago goes first.

    Args:
        most: so many are kept, 0 or more.
        living: the last one is found, even if it is not kept, for as long as somebody holds it.
    """

    def __init__(self, most: int, living: bool = False) -> None:
        self._most, self._living = most, living
        self._last: tuple[Any, Callable[[], Any]] = (None, lambda: None)
        self._entries: list[tuple[Any, Any]] = []  # keys hold mappings, which cannot be hashed

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Any, make: Callable[[], T]) -> T:
        """What was made for an equal key, or what is made now."""
        for index, (known, value) in enumerate(self._entries):
            if _equal(known, key):
                self._entries.append(self._entries.pop(index))
                found: T = value
                return found
        known, last = self._last
        held = last() if self._living and _equal(known, key) else None
        made: T = make() if held is None else held
        if self._living:
            with suppress(TypeError):  # of a kind that has no weak references
                self._last = key, ref(made)
        self._entries.append((key, made))
        del self._entries[: max(0, len(self._entries) - self._most)]
        return made

    def clear(self) -> None:
        """Keep nothing."""
        self._entries.clear()


def _equal(a: Any, b: Any) -> bool:
    try:
        return bool(a == b)
    except (TypeError, ValueError):  # arrays, in a term of the caller's own, are neither equal nor not
        return False
