"""Actors on a Ray cluster as an executor: one that dies is painted for by another.

Files are read here and go out through Ray's object store, results come back the same way, so that the machines need no
disk in common. Which actor paints what is the pool's business; where actors are, and that there are GPUs for them, is
Ray's.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import chain
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from nst.batch.painter import Painted, RowInputs, RowPainter, paths_of
from nst.batch.pool import Pool, Watch, Worker
from nst.batch.rows import Row
from nst.engine.cache import LRU
from nst.errors import NSTError, WeightsError
from nst.models.store.resolve import network_of
from nst.workers.cluster import PATIENCE, Places, connect, here, no_room, no_start, places

LOG = logging.getLogger("nst")

SHARED = 16  # files, and networks, of which the store keeps a copy for rows to come


class Cluster(Pool):
    """See `nst.batch.pool.Executor`.

    Args:
        address: see `nst.workers.Devices`.
        workers: number of actors; None for one a GPU, or one a machine where there are no GPUs.
        timeout: see `nst.batch.painter.RowPainter`.
    """

    tries = 3

    def __init__(self, address: str, workers: int | None = None, timeout: float | None = None) -> None:
        self._address, self._workers, self._timeout = address, workers, timeout

    def work(self, rows: Iterable[Row], watch: Watch) -> Generator[Painted, None, None]:
        """See `nst.batch.pool.Executor`."""
        rows = iter(rows)
        first = next(rows, None)
        if first is None:  # nobody is needed
            return
        self._ray = connect(self._address)
        self._wanted, self._store = places(self._ray, self._workers), _Store(self._ray)
        self.count = self._wanted.count
        yield from super().work(chain([first], rows), watch)

    def _start(self, answers: SimpleQueue[tuple[Worker, Any]]) -> Worker:
        actor = self._ray.remote(**self._wanted.options)(_ActorPainter).remote(self._timeout, self._wanted)
        return _Actor(self._ray, actor, self._store, answers)

    def _check(self, workers: Sequence[Worker], seconds: float) -> None:
        if seconds > PATIENCE and not any(worker.row for worker in workers):
            raise NSTError(no_room(self._wanted))


class _Actor:
    """See `nst.batch.pool.Worker`."""

    def __init__(self, ray: Any, actor: Any, store: _Store, answers: SimpleQueue[tuple[Worker, Any]]) -> None:
        self.row: Row | None = None
        self.ready, self._place = False, ""
        self._ray, self._actor, self._store, self._answers = ray, actor, store, answers
        self._error: BaseException | None = None
        self._expect(actor.place.remote())

    def give(self, row: Row) -> None:
        """See `nst.batch.pool.Worker`."""
        self.row = row
        try:
            self._expect(self._actor.paint.remote(row, *self._store.arguments(row)))
        except (NSTError, TypeError) as error:  # no such network; an option that cannot be sent
            said = " ".join(str(error).split())
            painted = Painted(row, None, error=said, hopeless=isinstance(error, WeightsError))
            self._answers.put((self, painted))

    def kill(self) -> None:
        """See `nst.batch.pool.Worker`."""
        self._ray.kill(self._actor)

    def ending(self) -> str:
        """See `nst.batch.pool.Worker`."""
        if not self.ready and self._error is not None:
            return no_start(self._error)
        return f"{Cluster.tries} workers died over it, as happens where memory runs out: use a smaller size"

    def _expect(self, reference: Any) -> None:
        reference.future().add_done_callback(self._hear)

    def _hear(self, future: Future[Any]) -> None:
        answer, self._error = None, future.exception()
        if isinstance(self._error, self._ray.exceptions.RayTaskError) and self.row:
            cause = self._error.cause
            answer = Painted(self.row, None, error=f"{type(cause).__name__}: {cause}")
        elif self._error is None:
            answer = future.result()
            if not self.ready:
                self.ready, self._place = True, answer
                LOG.info("a worker on %s is ready", answer)
        elif self.row:
            LOG.warning("the worker on %s is gone, and had %s", self._place, self.row.output)
        self._answers.put((self, answer))


class _ActorPainter:
    """A painter on another machine."""

    def __init__(self, timeout: float | None, place: Places) -> None:
        self._painter, self._device = RowPainter(timeout, place.together), place.device

    def place(self) -> str:
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
