"""L-BFGS and Adam over a backend's vector space, written once; the picture never leaves the device.

An optimiser turns one immutable state into the next. Its guard rails: a step that gives a non-finite value
or does not decrease the loss enough is shortened and tried again, and a state whose `stopped` is set is the
last good iterate.
"""

from collections.abc import Callable, Mapping

from nst.errors import SettingsError
from nst.optim.adam import Adam
from nst.optim.average import Averaged
from nst.optim.lbfgs import LBFGS
from nst.optim.optimizer import Optimizer, State, Stop

__all__ = ["LBFGS", "OPTIMIZERS", "Adam", "Averaged", "Optimizer", "State", "Stop", "named_optimizer"]


OPTIMIZERS: Mapping[str, Callable[[float, int, bool], Optimizer]] = {
    "lbfgs": lambda rate, history, half: LBFGS(history=history, half=half),
    "adam": lambda rate, history, half: Adam(rate=rate),
}
"""By the word in the settings: from rate, history and whether that is kept in half precision."""


def named_optimizer(name: str, rate: float, history: int, half: bool = False) -> Optimizer:
    """The optimiser that "lbfgs" or "adam" stands for, with the numbers that matter for each.

    Raises:
        SettingsError: another name.
    """
    if name not in OPTIMIZERS:
        raise SettingsError(
            f"optimizer is {name!r}: it must be {', '.join(OPTIMIZERS)}, or an optimizer of your own"
        )
    return OPTIMIZERS[name](rate, history, half)
