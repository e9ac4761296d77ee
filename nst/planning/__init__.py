"""Memory: what a run will need, what is free, and the arrangement that fits."""

from nst.planning.plan import Plan, choose

__all__ = ["Plan", "choose"]
