"""Actors on a Ray cluster as an executor: one that dies is painted for by another.

Files are read here and go out through Ray's object store, results come back the same way, so that the machines need no
disk in common. Which actor paints what is decided here, row by row; where actors are, and that there are GPUs for them,
is Ray's business.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from nst.batch.painter import Painted, RowInputs, RowPainter, paths_of
from nst.batch.pool import Watch
from nst.batch.rows import Row
from nst.engine.cache import LRU
from nst.errors import NSTError, WeightsError
from nst.models.store.resolve import network_of
from nst.workers.cluster import PATIENCE, Places, connect, here, no_room, no_start, places

LOG = logging.getLogger("nst")
TICK = 0.2  # seconds between two looks at Ctrl-C
TRIES = 3
"""Workers that may die over a row before it counts as the row's fault."""

SHARED = 16
"""Files, and networks, of which the store keeps a copy for rows to come."""


class Cluster:
    """See `nst.batch.pool.Executor`.

    Args:
        address: see `nst.workers.Devices`.
        workers: number of actors; None for one a GPU, or one a machine where there are no GPUs.
        timeout: see `nst.batch.painter.RowPainter`.
    """

    def __init__(self, address: str, workers: int | None = None, timeout: float | None = None) -> None:
        self._address, self._workers, self._timeout = address, workers, timeout

    def work(self, rows: Iterable[Row], watch: Watch) -> Generator[Painted, None, None]:
        """See `nst.batch.pool.Executor`."""
        rows = iter(rows)
        first = next(rows, None)
        if first is None:  # nobody is needed
            return
        ray = connect(self._address)
        run = _ClusterRun(ray, places(ray, self._workers), self._timeout, chain([first], rows))
        try:
            while run.goes_on():
                watch(None, 0.0)
                yield from run.answers()
        finally:
            run.end()


class _ClusterRun:
    """The actors of one batch, and what each of them does."""

    def __init__(self, ray: Any, wanted: Places, timeout: float | None, rows: Iterable[Row]) -> None:
        self._ray, self._wanted, self._rows = ray, wanted, iter(rows)
        self._start = partial(ray.remote(**wanted.options)(_ActorPainter).remote, timeout, wanted)
        self._store = _Store(ray)
        self._again: deque[Row] = deque()
        self._deaths: Counter[str] = Counter()
        self._failed: list[Painted] = []
        self._idle: list[_Actor] = []
        # those from whom an answer is waited for, and about what: without a row while they start
        self._busy: dict[Any, tuple[_Actor, Row | None]] = {}
        self._heard, self._failed_starts = time.monotonic(), 0
        for _ in range(wanted.count):
            self._add_actor()

    def goes_on(self) -> bool:
        """Give the idle ones something to do; whether anything is left."""
        while self._idle:
            row = self._again.popleft() if self._again else next(self._rows, None)
            if row is None:
                return self._painting or bool(self._failed)
            self._give(row)
        return True

    def answers(self) -> Sequence[Painted]:
        """What has become of rows within a moment; NSTError if no actor starts."""
        found, self._failed = self._failed, []
        ready = self._ray.wait(list(self._busy), num_returns=1, timeout=TICK)[0] if self._busy else []
        for reference in ready:
            worker, row = self._busy.pop(reference)
            try:
                answer = self._ray.get(reference)
            except (self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError) as error:
                found += self._lost(worker, row, error)
                continue
            except self._ray.exceptions.RayTaskError as error:
                answer = row and Painted(row, None, error=f"{type(error.cause).__name__}: {error.cause}")
            self._heard, self._failed_starts = time.monotonic(), 0
            self._idle.append(worker)
            if isinstance(answer, Painted):
                found.append(answer)
            else:
                worker.place = answer
                LOG.info("a worker on %s is ready", worker.place)
        if not self._painting and time.monotonic() - self._heard > PATIENCE:
            raise NSTError(no_room(self._wanted))
        return found

    def end(self) -> None:
        """Nobody is left running."""
        for worker in (*self._idle, *(worker for worker, _ in self._busy.values())):
            self._ray.kill(worker.actor)

    @property
    def _painting(self) -> bool:
        return any(row is not None for _, row in self._busy.values())

    def _add_actor(self) -> None:
        worker = _Actor(self._start())
        self._busy[worker.actor.ready.remote()] = worker, None

    def _give(self, row: Row) -> None:
        """A row for one who is idle."""
        try:
            reference = self._idle[-1].actor.paint.remote(row, *self._store.arguments(row))
        except (NSTError, TypeError) as error:  # no such network; an option that cannot be sent
            said = " ".join(str(error).split())
            self._failed.append(Painted(row, None, error=said, hopeless=isinstance(error, WeightsError)))
        else:
            self._busy[reference] = self._idle.pop(), row

    def _lost(self, worker: _Actor, row: Row | None, error: Exception) -> list[Painted]:
        """An actor has died: another one starts, and its row is painted by whoever is free.

        NSTError: one after the other dies while it starts.
        """
        if row is None:
            self._failed_starts += 1
            if self._failed_starts > TRIES * self._wanted.count:
                raise NSTError(no_start(error))
        self._add_actor()
        if row is None:
            return []
        self._deaths[row.output] += 1
        LOG.warning("the worker on %s is gone, and had %s", worker.place, row.output)
        if self._deaths[row.output] < TRIES:
            self._again.append(row)
            return []
        said = f"{TRIES} workers died over it, as happens where memory runs out: use a smaller size"
        return [Painted(row, None, error=said)]


@dataclass(eq=False)
class _Actor:
    """An actor, and where it is."""

    actor: Any
    place: str = ""


class _ActorPainter:
    """A painter on another machine."""

    def __init__(self, timeout: float | None, place: Places) -> None:
        self._painter, self._device = RowPainter(timeout, place.together), place.device

    def ready(self) -> str:
        """Where it is, once it is there."""
        return here()

    def paint(self, row: Row, names: Sequence[str], weights: Any, *contents: bytes) -> Painted:
        """The row, from the contents of the files of these names."""
        inputs = RowInputs(dict(zip(names, contents, strict=True)), weights, self._device)
        *_, painted = self._painter.paint(row, inputs)
        assert isinstance(painted, Painted)
        return painted


class _Store:
    """Puts files and networks into the object store; what several rows need is put there once."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._files, self._networks = LRU(SHARED), LRU(2)

    def arguments(self, row: Row) -> list[Any]:
        """The names of files, the network, and the files: the arguments of `_ActorPainter.paint`."""
        names, contents = [], []
        for path in paths_of(row):
            try:
                status = Path(path).stat()
                key = path, status.st_size, status.st_mtime_ns
                contents.append(self._files.get(key, partial(self._put, path)))
                names.append(path)
            except OSError:  # the painter says so, in its own words
                continue
        return [names, self._network(row), *contents]

    def _put(self, path: str) -> Any:
        return self._ray.put(Path(path).read_bytes())

    def _network(self, row: Row) -> Any:
        spec, seed = row.options.get("weights", "auto"), row.options.get("seed", 0)
        if not isinstance(spec, (str, Path)):
            return None
        key = str(spec), seed if spec == "random" else None
        return self._networks.get(key, lambda: self._ray.put(network_of(spec, seed)))
