"""L-BFGS and Adam over a backend's vector space, written once; the picture never leaves the device.

An optimiser turns one immutable state into the next. Its guard rails: a step that gives a non-finite value
or does not decrease the loss enough is shortened and tried again, and a state whose `stopped` is set is the
last good iterate.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from nst.errors import SettingsError
from nst.optim.adam import Adam, AdamState
from nst.optim.average import Averaged
from nst.optim.lbfgs import LBFGS, LBFGSState
from nst.optim.optimizer import Optimizer, State, Stop

__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "Adam",
    "Averaged",
    "Method",
    "Optimizer",
    "State",
    "Stop",
    "named_optimizer",
]


class Method(NamedTuple):
    """What there is to know of an optimiser that the settings can name: for saving, plan and conformance."""

    # of its fields, `rate`, `history`, `metric` and `half` are set from the settings and the plan
    optimizer: type[Optimizer]
    state: type[State[object]]  # the class of its states, a dataclass
    # of the picture's size that a step holds beside both iterates, both gradients and the direction
    vectors: int
    pairs: int = 0  # further ones for each unit of `history`, in half precision where the plan says `half`


OPTIMIZERS: Mapping[str, Method] = {
    "lbfgs": Method(LBFGS, LBFGSState, vectors=3, pairs=2),  # s, y and the direction in its metric
    "adam": Method(Adam, AdamState, vectors=2),  # two moments
}
"""By the word in the settings."""


def named_optimizer(
    name: str, rate: float, history: int, metric: float = 0.0, half: bool = False
) -> Optimizer:
    """The optimiser that a word such as "lbfgs" stands for, with those of the numbers that it has, or SettingsError."""
    if name not in OPTIMIZERS:
        raise SettingsError(
            f"optimizer is {name!r}: it must be {', '.join(OPTIMIZERS)}, or an optimizer of your own"
        )
    kind = OPTIMIZERS[name].optimizer
    numbers = {"rate": rate, "history": history, "metric": metric, "half": half}
    return kind(**{name: number for name, number in numbers.items() if name in _fields(kind)})


def _fields(kind: type[Any]) -> set[str]:
    return {declared.name for declared in fields(kind)}
