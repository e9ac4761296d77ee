"""Workers on a Ray cluster: actors that ask for a GPU each, or for processors where there are none.

Ray finds the machines, starts the actors and moves the arrays; a machine or an actor that goes away is one worker less.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nst.children import safe_children
from nst.engine.distributed import Answer, WorkerGroup, WorkerLostError
from nst.errors import NSTError
from nst.models.weights import NetworkWeights
from nst.protocol import Backend
from nst.workers.local import MakeBackend, ShardHost

PATIENCE = 120.0  # seconds within which the actors have to be there


@dataclass(frozen=True)
class Places:
    """What each of the actors asks for."""

    count: int  # of actors
    processors: int  # cores, and as many threads
    gpus: int  # 1 or 0
    together: int = 1  # actors that share the memory of one device

    @property
    def device(self) -> str:
        """Of an actor: Ray shows it no GPU but its own."""
        return "cuda:0" if self.gpus else "cpu"

    @property
    def options(self) -> dict[str, int]:
        """For `ray.remote`, which gives an actor as many threads as it has processors."""
        return {"num_cpus": self.processors, "num_gpus": self.gpus}


def connect(address: str) -> Any:
    """The module ray, connected to a cluster at an address as in `nst.workers.Devices`.

    NSTError: ray is not installed, or there is no cluster.
    """
    try:
        import ray
    except ImportError:
        raise NSTError("a cluster needs ray: pip install 'nst[ray]'") from None
    if ray.is_initialized():
        return ray
    try:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
        with safe_children():
            ray.init(
                address=address,
                job_config=None if address.startswith("ray://") else _job(),
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except Exception as error:  # which it raises bare as well
        reason = " ".join(str(error).split())
        raise NSTError(
            f"there is no Ray cluster at {address} ({reason[:200]}): 'ray start --head' starts one here"
        ) from error
    return ray


class _Folders(list[str]):
    """Those that Ray puts first on the path of its workers: without the one we work in, unless it is on our own."""

    def extend(self, folders: Iterable[str]) -> None:
        here = None if "" in sys.path else os.getcwd()
        super().extend(folder for folder in folders if folder != here or folder in sys.path)


def _job() -> Any:
    from ray.job_config import JobConfig

    job = JobConfig()
    job._py_driver_sys_path = _Folders()
    return job


def places(ray: Any, workers: int | None) -> Places:
    """One actor a GPU, or one a machine with all of its processors; or as many as are asked for."""
    total = ray.cluster_resources()
    if total.get("GPU", 0) >= 1:
        return Places(workers or int(total["GPU"]), 1, 1)
    machines = max(1, sum(node["Alive"] for node in ray.nodes()))
    count = workers or machines
    return Places(count, max(1, int(total.get("CPU", 1)) // count), 0, -(-count // machines))


def here() -> str:
    """Which process of which machine this is."""
    return f"{socket.gethostname()} (process {os.getpid()})"


def no_room(wanted: Places) -> str:
    """Nobody came."""
    return (
        f"the cluster has no room for a worker with {wanted.processors} processors and {wanted.gpus} GPUs: "
        "ask for another number of workers, or wait until others are done"
    )


def no_start(error: BaseException) -> str:
    """They came and died; what Ray says, which begins or ends with what they died of, is cut in the middle."""
    said = " ".join(str(error).split())
    return (
        f"no worker of the cluster starts: {said if len(said) < 600 else said[:100] + ' ... ' + said[-400:]}"
    )


def cluster_group(
    address: str, workers: int | None, backend: Backend[Any], weights: NetworkWeights
) -> WorkerGroup:
    """A group of actors; NSTError if there is no cluster."""
    ray = connect(address)
    wanted = places(ray, workers)
    make = partial(type(backend), wanted.device, backend.dtype, backend.precision)
    return WorkerGroup(lambda: _start(ray, wanted, make, weights), wanted.count, nearby=0)


class ClusterWorker:
    """See `nst.engine.distributed.Worker`."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray, self._actor = ray, actor
        self.name = "the cluster"

    def ask(self, method: str, *arguments: Any) -> Answer:
        """See `nst.engine.distributed.Worker`."""
        return self._answer(self._actor.do.remote(method, *arguments))

    def arrival(self) -> Any:
        """A reference that is ready when the worker is."""
        return self._actor.place.remote()

    def arrive(self, reference: Any) -> None:
        """Take the name of the place that it has. WorkerLostError: it has not come."""
        self.name = self._answer(reference)()

    def _answer(self, reference: Any) -> Answer:

        def wait() -> Any:
            errors = self._ray.exceptions
            try:
                return self._ray.get(reference)
            except (errors.RayActorError, errors.ObjectLostError, errors.WorkerCrashedError) as error:
                raise WorkerLostError(self) from error
            except errors.RayTaskError as error:
                raise (error.cause if isinstance(error.cause, (NSTError, MemoryError)) else error) from None

        return wait

    def close(self) -> None:
        """See `nst.engine.distributed.Worker`."""
        self._ray.kill(self._actor)


class _Actor(ShardHost):
    """A shard's host that says where it is."""

    def place(self) -> str:
        return here()


def _start(ray: Any, wanted: Places, make: MakeBackend, weights: NetworkWeights) -> Sequence[ClusterWorker]:
    """The actors that come within `PATIENCE`; the others are not waited for. NSTError: none comes."""
    kind, kept = ray.remote(**wanted.options)(_Actor), ray.put(weights)
    workers = [ClusterWorker(ray, kind.remote(make, kept)) for _ in range(wanted.count)]
    references = [worker.arrival() for worker in workers]
    ready, _ = ray.wait(references, num_returns=len(references), timeout=PATIENCE)
    there, reason = [], no_room(wanted)
    for worker, reference in zip(workers, references, strict=True):
        try:
            if reference in ready:
                worker.arrive(reference)
                there.append(worker)
            else:
                worker.close()
        except WorkerLostError as error:
            reason = no_start(error.__cause__ or error)
    if not there:
        raise NSTError(reason)
    return there
