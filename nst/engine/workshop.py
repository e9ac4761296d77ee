"""What transfers that follow each other share, so that the second one finds everything ready."""

from __future__ import annotations

from nst.engine.kept import Kept
from nst.planning.plan import Plan, Task, choose

__all__ = ["Workshop"]


class Workshop:
    """Networks, benches (`nst.engine.bench`) and plans of the last transfers. Results do not depend on it.

    Args:
        sizes: of so many sizes of pictures code and targets are kept, 0 or more. A picture that is painted coarse to
            fine goes through several.

    Attributes:
        networks: of a backend, by weights, layers and pooling.
        benches: by network, size and windows.
        teams: by devices and weights.
    """

    def __init__(self, sizes: int = 16) -> None:
        self.networks, self.benches = Kept(min(sizes, 2)), Kept(sizes)
        self.teams = Kept(min(sizes, 1))
        self._plans = Kept(4 * sizes)

    def plan(self, task: Task, limit: int | None = None) -> Plan:
        """See `nst.planning.plan.choose`; the same task has the same plan, however much memory is taken by then."""
        key = (
            task.size,
            task.layers,
            limit,
            task.workers,
            task.nearby,
            task.backend,
            task.settings,
            task.weights,
        )
        return self._plans.get(key, lambda: choose(task, limit))

    def clear(self) -> bool:
        """Free the memory of all sizes; whether there were others than the last."""
        others = len(self.benches) > 1
        self.benches.clear()
        return others
