"""What transfers that follow each other share, so that the second one finds everything ready."""

from __future__ import annotations

import gc
from dataclasses import replace

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
        measured: of styles, at their own size (`nst.encoding.encoder.Encoder.remember`).

    Examples:
        >>> shared = {"workshop": nst.Workshop(), "steps": 2}
        >>> [nst.stylize(frame, style, **shared).shape for frame in (content, content)]
        [(32, 40, 3), (32, 40, 3)]
    """

    def __init__(self, sizes: int = 16, processes: int = 1) -> None:
        self._processes = processes
        # a run goes from size to size with one network, whether others get it or not
        self.networks, self.benches = Kept(min(sizes, 2), living=True), Kept(sizes)
        self.measured, self.teams = Kept(sizes), Kept(min(sizes, 1))
        self._plans = Kept(4 * sizes)

    def plan(self, task: Task, limit: int | None = None) -> Plan:
        """See `nst.planning.plan.choose`; the same task has the same plan, however much memory is taken by then.

        Where memory gets short, benches go before the plan has to save any.
        """
        key = (limit, *vars(task).values())
        if limit is not None:
            return self._plans.get(key, lambda: choose(task, limit))
        found = self._plans.get(key, lambda: self._roomy(task))
        if len(self.benches) and not replace(found, free=self._free(task)).fits:
            self.clear()
        return found

    def clear(self) -> bool:
        """Free the memory of all sizes; whether there were others than the last."""
        others = len(self.benches) > 1
        self.benches.clear()
        gc.collect()
        return others

    def _roomy(self, task: Task) -> Plan:
        """The plan, as it is where no bench takes memory."""
        found = self._chosen(task)
        frugal = found.side is not None or found.half or found.history < max(HISTORIES)
        if frugal and len(self.benches):
            self.clear()
            found = self._chosen(task)
        return found

    def _chosen(self, task: Task) -> Plan:
        return choose(task, None if self._processes == 1 else self._free(task))

    def _free(self, task: Task) -> int | None:
        """Bytes that this process may take, or None where nobody can tell."""
        free = free_memory(task.backend.device)
        return None if free is None else free // self._processes
