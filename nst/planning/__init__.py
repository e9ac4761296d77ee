"""Memory: what a run will need, what is free, and the arrangement that fits."""

from nst.planning.plan import Plan, Task, choose

__all__ = ["Plan", "Task", "choose"]
