"""What transfers that follow each other share, so that the second one finds everything ready."""

from __future__ import annotations

import gc

from nst.engine.kept import Kept
from nst.planning.memory import free_memory
from nst.planning.plan import HISTORIES, Plan, Task, choose

__all__ = ["Workshop"]


class Workshop:
    """Networks, benches (`nst.engine.bench`) and plans of the last transfers. Results do not depend on it.

    Args:
        sizes: of so many sizes of pictures code and targets are kept, 0 or more. A picture that is painted coarse to
            fine goes through several.
        processes: that share the free memory.

    Attributes:
        networks: of a backend, by weights, layers and pooling.
        benches: by network, size and windows.
        teams: by devices and weights.
    """

    def __init__(self, sizes: int = 16, processes: int = 1) -> None:
        self._processes = processes
        self.networks, self.benches = Kept(min(sizes, 2)), Kept(sizes)
        self.teams = Kept(min(sizes, 1))
        self._plans = Kept(4 * sizes)

    def plan(self, task: Task, limit: int | None = None) -> Plan:
        """See `nst.planning.plan.choose`; the same task has the same plan, however much memory is taken by then."""
        key = (limit, *vars(task).values())
        return self._plans.get(key, lambda: self._planned(task, limit))

    def clear(self) -> bool:
        """Free the memory of all sizes; whether there were others than the last."""
        others = len(self.benches) > 1
        self.benches.clear()
        return others

    def _planned(self, task: Task, limit: int | None) -> Plan:
        found = choose(task, self._share(task) if limit is None else limit)
        frugal = found.side is not None or found.half or found.history < max(HISTORIES)
        if frugal and limit is None and len(self.benches):  # which take some of the memory themselves
            self.benches.clear()
            gc.collect()
            found = choose(task, self._share(task))
        return found

    def _share(self, task: Task) -> int | None:
        """Of the free memory; None for all of it."""
        free = free_memory(task.backend.device) if self._processes > 1 else None
        return None if free is None else free // self._processes
