"""On which devices a picture is computed, and the group for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from nst.backends.selection import parse_device
from nst.engine.cache import Cache
from nst.engine.distributed import WorkerGroup
from nst.errors import BackendError, SettingsError
from nst.models.weights import NetworkWeights
from nst.protocol import Backend


@dataclass(frozen=True)
class Devices:
    """Where a picture is computed.

    Attributes:
        names: auto, cpu, cuda, cuda:N or mps. The first has the picture and the optimiser. With more than one, the
            windows of a large picture are shared out among all of them; cpu may come several times: as many processes.
        ray: address of a Ray cluster whose actors compute the windows instead: "auto" for one that runs here, "local"
            for a new one on this machine, host:port, or ray://host:port. None for no cluster.
        workers: actors on it; None for one a GPU, or one a machine where there are no GPUs.

    Raises:
        BackendError: an unknown device.
        SettingsError: no device, or no worker.

    Examples:
        >>> nst.Devices(("cuda:0", "cuda:1")).first
        'cuda:0'
    """

    names: tuple[str, ...] = ("auto",)
    ray: str | None = None
    workers: int | None = None

    def __post_init__(self) -> None:
        for name in self.names:
            parse_device(name)
        if not self.names:
            raise SettingsError("no device: give auto, cpu, cuda, cuda:N or mps")
        if self.workers is not None and self.workers < 1:
            raise SettingsError(f"{self.workers} workers on the cluster: give 1 or more")

    @property
    def first(self) -> str:
        """That of the picture and the optimiser."""
        return self.names[0]

    def group(self, backend: Backend[Any], weights: NetworkWeights) -> WorkerGroup | None:
        """Who computes the windows; None for this process alone. The backend is that of the first device.

        BackendError: it does not see one of the devices.
        """
        if self.ray is not None:
            from nst.workers.cluster import cluster_group

            return cluster_group(self.ray, self.workers, backend, weights)
        if len(self.names) == 1:
            return None
        found = backend.available_devices()
        named = [backend.device, *(_exact(name, backend) for name in self.names[1:])]
        for name in named:
            if name not in found:
                raise BackendError(f"backend {backend.name} sees no {name}: it sees {', '.join(found)}")
        makers = [(name, partial(type(backend), name, backend.dtype, backend.precision)) for name in named]

        def start() -> Sequence[Any]:
            from nst.workers.local import local_workers

            return local_workers(makers, weights)

        return WorkerGroup(start, len(named), named.count(backend.device))


def worker_group_of(
    devices: Devices, backend: Backend[Any], weights: NetworkWeights, cache: Cache
) -> WorkerGroup | None:
    """The group of a transfer, which those with the same cache share; see `Devices.group`."""
    group: WorkerGroup | None = cache.groups.get(
        (devices, backend, weights), lambda: devices.group(backend, weights)
    )
    return group


def devices_of(device: str | Sequence[str] | Devices) -> Devices:
    """Devices as a user gives them: one, "cuda:0,cuda:1", a list, or the value itself."""
    if isinstance(device, Devices):
        return device
    return Devices(tuple(device.split(",") if isinstance(device, str) else device))


def _exact(name: str, backend: Backend[Any]) -> str:
    """cuda:0 for cuda; what the first one is for auto."""
    kind, index = parse_device(name)
    return backend.device if kind == "auto" else f"cuda:{index}" if kind == "cuda" else kind
